/** What the tools know of any CSV: `queues --peek`, and the streams that are described in `data/`. */
import assert from "node:assert/strict";
import { PROJECT } from "../../shared/script.ts";
import { ProjectCopy } from "../fixtures/project_copy.ts";
import { admin, e2e, eventsOf, takeRaw, Vhost } from "./harness.ts";

function publish({ name }: Vhost, queue: string, payload: string, properties = {}) {
  const message = { properties, routing_key: queue, payload, payload_encoding: "string" };
  return admin("POST", `/exchanges/${name}/amq.default/publish`, message);
}

e2e("--peek shows the next ten messages of a queue and takes none", async () => {
  await using vhost = await Vhost.create();
  const queue = { durable: true, arguments: { "x-queue-type": "quorum" } };
  await admin("PUT", `/queues/${vhost.name}/some`, queue);
  await publish(vhost, "some", "plain");
  await publish(vhost, "some", '{"n":2}', { message_id: "m/2", content_type: "application/json" });
  // Two bytes each: the first 1000 characters are 2000 bytes.
  await publish(vhost, "some", "é".repeat(1500));
  for (let n = 4; n <= 12; n++) await publish(vhost, "some", `${n}`);
  const bodies = ["plain", '{"n":2}', "é".repeat(1000), "4", "5", "6", "7", "8", "9", "10"];
  for (const look of [1, 2]) {
    const peek = vhost.start("queues", ["--peek", "some"]);
    const { code, stderr } = await peek.ended;
    assert.deepEqual([code, stderr], [0, ""], `look ${look}`);
    assert.deepEqual(peek.events.map(({ body }) => body), bodies);
    assert.deepEqual(peek.events.slice(0, 2), [
      { event: "message", queue: "some", id: null, contentType: null, body: "plain" },
      ...[{
        ...{ event: "message", queue: "some", id: "m/2" },
        ...{ contentType: "application/json", body: '{"n":2}' },
      }],
    ]);
  }
  const left = await takeRaw(vhost.url, "some");
  assert.deepEqual(left.map(({ body }) => String(body)).slice(3), [
    ...["4", "5", "6", "7", "8", "9", "10", "11", "12"],
  ]);
  assert.equal(left.length, 12);
  // The others stay ready for their consumers.
  const looks = left.map(({ headers }) => headers["x-delivery-count"] ?? 0);
  assert.deepEqual(looks, [...new Array(10).fill(2), 0, 0]);

  const empty = await vhost.start("queues", ["--peek", "some"]).ended;
  assert.deepEqual([empty.code, empty.stderr], [0, "some has no ready message\n"]);
  const missing = await vhost.start("queues", ["--peek", "nope"]).ended;
  assert.deepEqual([missing.code, missing.stderr], [2, "There is no queue nope\n"]);
});

e2e("--peek looks into a queue for a monitor, too, unless a monitor has it", async () => {
  await using vhost = await Vhost.create();
  const producer = ["--stream", "data/server-metrics.stream.json", "--interval", "0"];
  await vhost.run("csv:produce", [...producer, "--limit", "3"]);
  const look = vhost.start("queues", ["--peek", "server_metrics"]);
  assert.equal((await look.ended).code, 0);
  assert.equal(look.events.length, 3);
  // What it holds stays unacknowledged, and what comes then is its own, too.
  const stream = ["--stream", "data/server-metrics.stream.json", "--handle", "10m"];
  const worker = await vhost.start("csv:work", stream).ready();
  await worker.until((events) => events.some(({ event }) => event === "taken"));
  const nothing = vhost.start("queues", ["--peek", "server_metrics"]);
  assert.match((await nothing.ended).stderr, /its single active consumer gets what comes\n$/);
  assert.deepEqual(nothing.events, []);
});

e2e(
  "`queues` and `dead` know the streams described in data/, and name what can't be read",
  async () => {
    await using project = await ProjectCopy.create();
    await project.write("data/a.stream.json", '{"queue":"my_rows","value":"cpu"}');
    await project.write("data/b.stream.json", '{"que":"x"}');
    await project.write("data/c.stream.json", "{");
    // A queue that another stream has, and none at all.
    await project.write("data/d.stream.json", '{"queue":"task_queue","value":"cpu"}');
    await project.write("data/e.stream.json", '{"exchange":"amq.topic"}');
    const options = { project: project.folder };
    await using vhost = await Vhost.create();
    const ours = ["my_rows", "bike_trips", "my_rows.state", "bike_trips.dead", "my_rows.dead"];
    for (const queue of [...ours, "a_stranger", "task_queue.state"]) {
      await admin("PUT", `/queues/${vhost.name}/${queue}`, { durable: true });
    }
    const list = vhost.start("queues", [], options);
    const { code, stderr } = await list.ended;
    assert.equal(code, 0);
    const unread = [
      /b\.stream\.json: unknown key "que", did you mean "queue"\?; it is left out$/,
      /c\.stream\.json is not JSON: .*; it is left out$/,
    ];
    const lines = stderr.trimEnd().split("\n");
    assert.equal(lines.length, unread.length, stderr);
    for (const [index, line] of unread.entries()) assert.match(lines[index] ?? "", line);
    assert.deepEqual(eventsOf(list, "queue").map(({ queue }) => queue), [
      ...["my_rows", "bike_trips", "my_rows.state", "my_rows.dead", "bike_trips.dead"],
      ...["a_stranger", "task_queue.state"],
    ]);

    // A letter may go back to a queue that is described, though it lies elsewhere.
    const headers = { "original-queue": "my_rows", reason: "odd" };
    await publish(vhost, "bike_trips.dead", "x", { message_id: "m/1", headers });
    const dead = await vhost.run("dead", ["--requeue", "--reason", "odd", "--yes"], options);
    assert.deepEqual([dead.code, dead.summary.requeued], [0, 1], dead.stderr);
    assert.deepEqual(Object.keys(Object(dead.summary.queues)), ["bike_trips.dead"]);
    assert.equal((await takeRaw(vhost.url, "my_rows")).length, 1);
  },
);

e2e("a dead letter of a queue that `dead` doesn't show by itself says what to type", async () => {
  await using vhost = await Vhost.create();
  const ordered = { "x-queue-type": "quorum", "x-single-active-consumer": true };
  const queues = { "my rows": {}, rvq: ordered, bike_trips: {}, task_queue: {} };
  for (const [queue, more] of Object.entries(queues)) {
    const declared = { durable: true, arguments: { "x-queue-type": "quorum", ...more } };
    await admin("PUT", `/queues/${vhost.name}/${encodeURIComponent(queue)}`, declared);
    await publish(vhost, queue, "hello");
  }
  const work = ["csv:work", "--queue"];
  const rules = ["--window", "5", "--alert", "last above 9"];
  const cases: [task: string[], line: RegExp][] = [
    [[...work, "my rows"], /moved to my rows\.dead: .*: deno task dead --queue 'my rows'$/m],
    [
      ["csv:monitor", "--queue", "rvq", "--value", "n", ...rules],
      /moved to rvq\.dead: .*: deno task dead --queue rvq$/m,
    ],
    [[...work, "bike_trips"], /moved to bike_trips\.dead: (?!.*deno task).*$/m],
    [[...work, "task_queue"], /moved to task_queue\.dead: (?!.*deno task).*$/m],
  ];
  for (const [task, line] of cases) {
    const { stderr } = await new Deno.Command("deno", {
      args: ["task", "--quiet", ...task, "--exit-when-idle", "1s"],
      ...{ cwd: PROJECT, env: { NO_COLOR: "1", DENO_NO_PROMPT: "1", ...vhost.env } },
    }).output();
    assert.match(new TextDecoder().decode(stderr), line);
  }
});
