/** The class's programs and ours on the same queues, in both directions: their names, their queue type, their text. */
import assert from "node:assert/strict";
import { e2e, eventsOf, Vhost } from "./harness.ts";
import { pika, withPika } from "./pika.ts";
import { WebHook } from "./web_hook.ts";

const CLASSIC = ["--queue-type", "classic"];
const IDLE = ["--exit-when-idle", "1s"];
const text = (hex: string) => new TextDecoder().decode(Uint8Array.fromHex(hex));

withPika("v2's and v3's queues: their tasks by our worker, ours by theirs", async () => {
  await using vhost = await Vhost.create();
  await pika(vhost, "classic", "--queue", "task_queue2", "new_task", "Second", "task.....");
  const args = ["--queue", "task_queue2", ...CLASSIC, "--dot", "10ms", ...IDLE];
  const worked = await vhost.run("tasks:work", args);
  assert.equal(worked.code, 0, worked.stderr);
  assert.deepEqual(eventsOf(worked, "task").map(({ text }) => text), ["Second task....."]);

  const other = ["--queue", "task_queue3", ...CLASSIC];
  await vhost.run("tasks:produce", other);
  await vhost.run("tasks:new", [...other, "One", "more."]);
  const seen = await pika(
    ...[vhost, "classic", "--queue", "task_queue3", "worker"] as const,
    ...["--count", "7", "--dot", "0"],
  );
  assert.deepEqual(seen.map(({ body }) => text(body)).slice(-2), ["Sixth task...", "One more."]);
  await using connection = await vhost.connect();
  assert.equal(await connection.inspect("task_queue"), undefined, "nothing else was made");
});

withPika("help desk: their tickets by our worker, ours as text by theirs", async () => {
  await using vhost = await Vhost.create();
  await pika(
    ...[vhost, "classic", "--queue", "help_queue", "publish"] as const,
    "[2/14/23 10:15, Adam, A]",
    "[12/31/99 23:59, Lee, Ana, E]",
  );
  const worked = await vhost.run("helpdesk:work", ["--handle", "0", ...CLASSIC, ...IDLE]);
  assert.deepEqual(
    eventsOf(worked, "ticket").map(({ submitted, name, category }) => [submitted, name, category]),
    [["2023-02-14T10:15:00", "Adam", "A"], ["2099-12-31T23:59:00", "Lee, Ana", "E"]],
  );
  // Replies are ours alone: whatever the type of the shared queue, theirs is the same.
  assert.equal(eventsOf(await vhost.run("helpdesk:replies", IDLE), "reply").length, 2);
  const args = ["--format", "text", ...CLASSIC, "--interval", "0", "--limit", "2"];
  assert.equal((await vhost.run("helpdesk:produce", args)).code, 0);
  const seen = await pika(
    ...[vhost, "classic", "--queue", "help_queue", "worker"] as const,
    ...["--count", "2"],
  );
  assert.deepEqual(seen.map(({ body, content_type }) => [text(body), content_type]), [
    ["[2/14/23 10:15, Yusuf, D]", null],
    ["[2/14/23 10:15, Oscar, A]", null],
  ]);
});

withPika(
  "smoker: every form of their readings, their queue names, and alerts that go on",
  async () => {
    await using vhost = await Vhost.create();
    using hook = new WebHook();
    const values = [250, 250, 250, 250, 230, 229];
    const forms = [
      (time: string, value: number) => `${time},${value}`,
      (time: string, value: number) => `${time}, ${value}`,
      (time: string, value: number) => `[${time}, ${value}]`,
      (time: string, value: number) => `('${time}', '${value}')`,
      (time: string, value: number) => `(${time}, ${value})`,
      (time: string, value: number) => `[ '${time}', ${value} ]`,
    ];
    const readings = values.map((value, index) =>
      (forms[index] ?? String)(`05/22/21 12:3${index}:10`, value)
    );
    for (const queue of ["01-smoker", "02-food-A", "03-food-B"]) {
      await pika(vhost, "classic", "--queue", queue, "publish", ...readings);
    }
    const names = ["--queue", "food-b=03-food-B"];
    const args = [...names, ...CLASSIC, "--window", "readings", ...IDLE];
    const watched = await vhost.run("smoker:monitor", args);
    assert.equal(watched.code, 0, watched.stderr);
    assert.deepEqual([watched.summary.readings, watched.summary.dead], [18, 0]);
    assert.deepEqual(
      eventsOf(watched, "alert").map(({ channel, rule, state, at }) => [channel, rule, state, at]),
      [["smoker", "drop", "open", "2021-05-22T12:34:10"]],
    );
    // What is ours alone is no classic queue: a notifier without any flag takes it.
    const env = { ALERT_WEBHOOK_URL: hook.url };
    const notified = await vhost.run("alerts:notify", IDLE, { env });
    assert.deepEqual([notified.code, notified.summary.handled], [0, 1], notified.stderr);

    const limit = ["--skip", "1000", "--limit", "20", "--interval", "0", "--format", "text"];
    const sent = await vhost.run("smoker:produce", [...names, ...CLASSIC, ...limit]);
    assert.equal(sent.code, 0, sent.stderr);
    const ofFoodB = eventsOf(sent, "published").filter(({ queue }) => queue === "03-food-B");
    assert.ok(ofFoodB.length > 2);
    const seen = await pika(
      ...[vhost, "classic", "--queue", "03-food-B", "worker"] as const,
      ...["--count", String(ofFoodB.length)],
    );
    for (const { body } of seen) assert.match(text(body), /^05\/22\/21 1\d:\d\d:\d\d,\d+(\.\d+)?$/);
  },
);

e2e("a queue of another name has its letters, its state and its notices beside it", async () => {
  await using vhost = await Vhost.create();
  using hook = new WebHook();
  await using connection = await vhost.connect();
  const names = ["smoker=cook", "food-a=ribs", "food-b=brisket"].flatMap((it) => ["--queue", it]);
  await vhost.run("smoker:produce", [...names, "--interval", "0", "--run", "r"]);
  await connection.once("publish", async (channel) => {
    await channel.confirmSelect();
    await channel.publish({ queue: "cook", body: Buffer.from("cold"), properties: {} });
  });
  const alerts = ["--queue", "alerts=my alerts"];
  const watched = await vhost.run("smoker:monitor", [...names, ...alerts, ...IDLE]);
  assert.equal(watched.code, 0, watched.stderr);
  const expected = eventsOf(watched, "alert").length;
  assert.ok(expected > 8, `${expected} alerts`);
  const env = { ALERT_WEBHOOK_URL: hook.url };
  const notify = ["--queue", "my alerts", ...IDLE];
  const notified = await vhost.run("alerts:notify", notify, { env });
  assert.equal(notified.summary.handled, expected, notified.stderr);

  const listed = vhost.start("queues", ["--queue", "cook"]);
  await listed.ended;
  const queues = eventsOf(listed, "queue").map(({ queue }) => queue);
  assert.deepEqual(queues, ["cook", "cook.state", "cook.dead"]);
  const all = vhost.start("queues");
  await all.ended;
  const listedToo = eventsOf(all, "queue").map(({ queue }) => queue);
  for (const queue of ["cook", "brisket", "ribs", "my alerts"]) {
    assert.ok(listedToo.includes(queue), `${queue} in ${listedToo}`);
  }
  for (const usual of ["01-smoker", "02-food-A", "02-food-B", "alert_queue"]) {
    assert.equal(await connection.inspect(usual), undefined, usual);
  }
  const letters = await vhost.run("dead", ["--queue", "cook"]);
  assert.equal(letters.summary.matched, 1);
  const back = await vhost.run("dead", ["--queue", "cook", "--requeue", "--yes"]);
  assert.deepEqual([back.code, back.summary.requeued], [0, 1], back.stderr);
  assert.equal((await connection.inspect("cook"))?.ready, 1);
  // The state goes with the name, too: the same run again is judged nowhere else, and not twice.
  const again = await vhost.run("smoker:produce", [...names, "--interval", "0", "--run", "r"]);
  assert.equal(again.code, 0);
  const second = await vhost.run("smoker:monitor", [...names, ...alerts, ...IDLE]);
  assert.deepEqual([second.summary.readings, second.summary.dead], [0, 1]);
});

e2e("a queue's name that can't be is one line, exit 2", async () => {
  await using vhost = await Vhost.create();
  const misuse: [task: string, queues: string[], says: RegExp][] = [
    ["tasks:new", [""], /^--queue must be a queue's name/],
    ["tasks:work", ["a\nb"], /^--queue must be a queue's name/],
    ["tasks:work", [" a"], /^--queue must be a queue's name/],
    ["tasks:produce", ["é".repeat(116)], /^--queue must have at most 230 bytes/],
    ["tasks:produce", ["amq.gen"], /^--queue must not begin with amq\./],
    ["helpdesk:work", ["help_queue.dead"], /^--queue must not end in \.dead or \.state/],
    ["helpdesk:work", ["answers=x"], /^--queue must look like help_queue or replies=help_replies/],
    ["helpdesk:work", ["x", "replies=x"], /^--queue names x for two queues$/m],
    ["tasks:work", ["a", "b"], /^--queue names two queues for task_queue: give one$/m],
    ["smoker:produce", ["x"], /^--queue must look like smoker=01-smoker or .*, got "x"$/m],
    ["smoker:produce", ["alerts=x"], /^--queue must look like smoker=01-smoker/],
    ["smoker:monitor", ["food-a=01-smoker"], /^--queue names 01-smoker for two queues$/m],
    ["alerts:notify", ["email=x"], /^--queue must look like alert_queue, got "email=x"$/m],
  ];
  await Promise.all(misuse.map(async ([task, queues, says]) => {
    const { code, stderr } = await vhost.start(task, queues.map((it) => `--queue=${it}`)).ended;
    assert.match(stderr, says, `${task} ${queues}`);
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
    assert.equal(code, 2);
  }));
});
