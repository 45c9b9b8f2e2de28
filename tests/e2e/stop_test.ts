/** Ctrl-C while the broker confirms nothing: every script ends within 10 s, and what it held comes again. */
import assert from "node:assert/strict";
import type { TaskProcess } from "../../shared/tools/demo/task_process.ts";
import { BrokerProxy } from "../proxy.ts";
import { testBrokerUrl } from "../test_broker.ts";
import { admin, e2e, eventsOf, eventually, summaryOf, ticketsCsv, Vhost } from "./harness.ts";

/** What the contract says, and a second for a slow machine to start and end processes in. */
const WITHIN_MS = 11_000;

/** The environment of a task that reaches the broker through a proxy. */
function through(proxy: BrokerProxy, { name }: Vhost): Record<string, string> {
  const host = `127.0.0.1:${proxy.port}`;
  return { AMQP_HOST: host, AMQP_URL: testBrokerUrl({ host, pathname: name }) };
}

/** Presses Ctrl-C, and fails when the script doesn't end in time. */
async function stopped(process: TaskProcess): Promise<{ code: number; stderr: string }> {
  const since = performance.now();
  await process.kill("INT");
  const end = await process.ended;
  const took = performance.now() - since;
  assert.ok(took < WITHIN_MS, `${took} ms: ${end.stderr}`);
  return end;
}

e2e(
  "a worker whose reply isn't confirmed ends within 10 s; another one gets the ticket",
  async () => {
    await using vhost = await Vhost.create();
    using proxy = new BrokerProxy();
    await vhost.run("helpdesk:produce", ["--file", "-", "--run", "r"], { input: ticketsCsv(1) });
    const worker = vhost.start("helpdesk:work", ["--handle", "300ms"], {
      env: through(proxy, vhost),
    });
    await worker.until((events) => eventsOf({ events }, "taken").length === 1);
    proxy.deafen();
    const { code } = await stopped(worker);
    assert.equal(code, 0);
    assert.equal(summaryOf(worker).handled, 0);
    const next = await vhost.run("helpdesk:work", ["--handle", "0", "--exit-when-idle", "1s"]);
    assert.deepEqual(eventsOf(next, "ticket").map(({ id }) => id), ["r/1"]);
  },
);

e2e(
  "a monitor whose state isn't confirmed ends within 10 s; its successor judges all",
  async () => {
    await using vhost = await Vhost.create();
    using proxy = new BrokerProxy();
    const monitor = await vhost.start("smoker:monitor", [], { env: through(proxy, vhost) }).ready();
    proxy.deafen();
    await vhost.run("smoker:produce", ["--limit", "40", "--interval", "0", "--run", "r"]);
    await using connection = await vhost.connect();
    await eventually(
      "the monitor to take the readings",
      async () => (await connection.inspect("01-smoker"))?.ready === 0,
    );
    const { code } = await stopped(monitor);
    assert.equal(code, 0);
    assert.equal(summaryOf(monitor).readings, 0);
    const next = await vhost.run("smoker:monitor", ["--exit-when-idle", "1s"]);
    assert.deepEqual([next.summary.readings, next.summary.duplicates], [40, 0]);
  },
);

e2e("a producer whose rows aren't confirmed ends within 10 s and says how to go on", async () => {
  await using vhost = await Vhost.create();
  using proxy = new BrokerProxy();
  const args = ["--interval", "100ms", "--run", "r"];
  const producer = vhost.start("helpdesk:produce", args, { env: through(proxy, vhost) });
  await producer.until((events) => eventsOf({ events }, "published").length === 3);
  proxy.deafen();
  const { length } = eventsOf(producer, "published");
  const { code, stderr } = await stopped(producer);
  const { confirmed, failed, nextRow } = summaryOf(producer);
  assert.equal(Number(nextRow), Number(confirmed) + 1);
  assert.ok(Number(confirmed) >= length);
  assert.equal(code, Number(failed) > 0 ? 1 : 0, stderr);
  assert.match(stderr, new RegExp(`To go on: .* --run r --skip ${confirmed},`));
});

e2e("`dead` ends within 10 s, and its letters are back", async () => {
  await using vhost = await Vhost.create();
  using proxy = new BrokerProxy();
  await vhost.run("helpdesk:work", ["--exit-when-idle", "1ms"]);
  await using connection = await vhost.connect();
  const queue = "help_queue.dead";
  await connection.once("publish", async (channel) => {
    await channel.confirmSelect();
    const letter = { queue, body: Buffer.from("[no ticket]"), properties: {} };
    await Promise.all(Array.from({ length: 3000 }, () => channel.publish(letter)));
  });
  const args = ["--requeue", "--queue", "help_queue", "--yes"];
  const dead = vhost.start("dead", args, { env: through(proxy, vhost) });
  await dead.until((events) => eventsOf({ events }, "left").length > 0);
  proxy.deafen();
  await stopped(dead);
  await eventually(
    "the letters",
    async () => (await connection.inspect(queue))?.ready === 3000,
  );
});

e2e("a login that is refused after a loss is said once, and the idle time counts", async () => {
  await using vhost = await Vhost.create();
  const tasks = ["helpdesk:work", "smoker:monitor"].map((task) =>
    vhost.start(task, ["--exit-when-idle", "3s"])
  );
  await Promise.all(tasks.map((task) => task.ready()));
  await admin("DELETE", `/vhosts/${vhost.name}`);
  try {
    for (const task of tasks) {
      const { stderr } = await task.ended;
      const refusals = stderr.match(/RabbitMQ at \S+ refuses user "guest" on vhost .* not found/g);
      assert.equal(refusals?.length, 1, stderr);
    }
  } finally {
    await admin("PUT", `/vhosts/${vhost.name}`);
  }
});
