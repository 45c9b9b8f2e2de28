/** A cluster of the broker task on ports of its own; no other broker is touched. */
import assert from "node:assert/strict";
import { TaskProcess } from "../../shared/tools/demo/task_process.ts";
import { isLocal } from "../../shared/tools/broker/target.ts";
import { nodes, OwnCluster } from "../own_cluster.ts";
import { testBroker } from "../test_broker.ts";
import { admin, e2e, eventually } from "./harness.ts";

const FIRST = 5681;
const QUEUE = { durable: true, arguments: { "x-queue-type": "quorum" } };

e2e("a cluster starts once, survives the loss of all its nodes, and is stopped", async () => {
  await using cluster = new OwnCluster(FIRST, 3);
  const [one, two] = await Promise.all([cluster.start(), cluster.start()]);
  const last = one.at(-1);
  assert.deepEqual([last?.event, last?.nodes, last?.url], ["cluster", 3, cluster.url]);
  const states = (port: number) =>
    [one, two].map((events) => events.find((event) => event.port === port)?.state).sort();
  for (const port of cluster.ports) assert.deepEqual(states(port), ["running", "started"]);
  assert.deepEqual((await cluster.start()).at(-1)?.state, "running");

  await cluster.admin("PUT", "queues/%2F/kept", QUEUE);
  assert.equal((await cluster.queue("kept")).members.length, 3, "a new queue is on all nodes");
  await cluster.admin("POST", "exchanges/%2F/amq.default/publish", {
    routing_key: "kept",
    payload: "still here",
    payload_encoding: "string",
    properties: { delivery_mode: 2 },
  });
  await cluster.persisted("%2F_kept");

  const stopped = await nodes(["--stop", "--port", "5683"]);
  assert.deepEqual(stopped.map(({ port, state }) => [port, state]), [[5683, "stopped"]]);
  await cluster.signal(5681, "KILL");
  const partly = await nodes(["--status", "--nodes", "3", "--port", String(FIRST)]);
  assert.deepEqual(partly.map(({ pid }) => pid !== null), [false, true, false]);
  await cluster.signal(5682, "KILL");
  const alone = new TaskProcess("broker", ["--port", "5683"]);
  const { code, stderr } = await alone.ended;
  assert.equal(code, 2);
  assert.match(stderr, /doesn't run: deno task broker --nodes 3 --port 5681\s*$/);

  await cluster.start();
  await eventually("the message", async () => {
    const get = { count: 1, ackmode: "ack_requeue_true", encoding: "auto" };
    return (await cluster.admin("POST", "queues/%2F/kept/get", get))[0]?.payload === "still here";
  });
  await eventually("all to be back", async () => (await cluster.queue("kept")).online.length === 3);

  const all = await nodes(["--stop"], { AMQP_URL: cluster.url });
  assert.deepEqual(all.map(({ port, state }) => [port, state]), [
    [5681, "stopped"],
    [5682, "stopped"],
    [5683, "stopped"],
  ]);
});

e2e("what can't be a cluster is one line, exit 2, and nothing is touched", async () => {
  const single = ".rabbitmq/5681";
  await Deno.mkdir(`${single}/data`, { recursive: true });
  try {
    await Deno.writeTextFile(`${single}/rabbitmq.conf`, "listeners.tcp.local = 127.0.0.1:5681\n");
    const misuse: [string[], RegExp][] = [
      [
        ["--nodes", "3", "--port", "5681"],
        /^\.rabbitmq\/5681 holds .* --port, or .*--stop.*--data/,
      ],
      [["--nodes", "3", "--port", "5680"], /^\.rabbitmq\/5681 holds the data of a single broker/],
      [["--nodes", "2"], /--nodes must be 1, 3, 5 or 7, got "2"/],
      [["--nodes", "3", "--port", "45535"], /--port must be at most 45533 for 3 nodes/],
      [["--nodes", "3", "--url", "amqp://localhost"], /--url.*excludes .*--nodes/],
      [["--nodes", "3", "--data", "/elsewhere"], /--data must be below \.rabbitmq/],
    ];
    const { hostname = "", port } = testBroker().hosts[0] ?? {};
    if (isLocal(hostname)) {
      // If it didn't run, the cluster would start on its port.
      await admin("GET", "/overview");
      // It may have been started from this folder, or from elsewhere.
      const says =
        `^(RabbitMQ \\S+ on port ${port} isn't of this cluster|\\.rabbitmq/${port} holds the data).*--port`;
      misuse.push([["--nodes", "3", "--port", String(port)], new RegExp(says)]);
    }
    for (const [args, says] of misuse) {
      const { code, stderr } = await new TaskProcess("broker", args).ended;
      assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
      assert.match(stderr, says);
      assert.equal(stderr.trim().split("\n").length, 1, stderr);
    }
    await assert.rejects(Deno.stat(".rabbitmq/5682"), Deno.errors.NotFound);
    assert.ok((await Deno.stat(`${single}/data`)).isDirectory);
  } finally {
    await Deno.remove(single, { recursive: true });
  }
});
