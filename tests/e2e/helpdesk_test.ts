import assert from "node:assert/strict";
import {
  e2e,
  eventsOf,
  eventually,
  queueNames,
  rowOf,
  summaryOf,
  ticketsCsv,
  Vhost,
} from "./harness.ts";
import { textIn } from "../deliveries.ts";

e2e("thirty tickets are shared by three workers, ten each, and all get replies", async () => {
  await using vhost = await Vhost.create();
  const names = ["w1", "w2", "w3"];
  const workers = names.map((name) =>
    vhost.start("helpdesk:work", ["--name", name, "--handle", "0", "--exit-when-idle", "3s"])
  );
  await Promise.all(workers.map((worker) => worker.ready()));
  const produced = await vhost.run("helpdesk:produce", ["--file", "-", "--interval", "50ms"], {
    input: ticketsCsv(30),
  });
  assert.equal(produced.code, 0, produced.stderr);
  for (const worker of workers) {
    assert.equal((await worker.ended).code, 0);
    assert.deepEqual(summaryOf(worker), { event: "summary", handled: 10, duplicates: 0, dead: 0 });
  }
  const rows = workers.flatMap((worker) => eventsOf(worker, "ticket").map(rowOf));
  assert.deepEqual(rows.toSorted((a, b) => a - b), Array.from({ length: 30 }, (_, i) => i + 1));
  const replies = await vhost.run("helpdesk:replies", ["--exit-when-idle", "1s"]);
  const answered = eventsOf(replies, "reply").map((reply) => String(reply.ticket)).sort();
  assert.deepEqual(answered, eventsOf(produced, "published").map(({ id }) => String(id)).sort());
  assert.deepEqual(replies.events[1], {
    ...replies.events[1],
    event: "reply",
    name: "Requester1",
    category: "A",
  });
});

e2e("the JSON lines are those of the contract", async () => {
  await using vhost = await Vhost.create();
  const input = ticketsCsv(2) + "2/14/23 10:20,Eve,Z\n2/14/23 10:20,Eve,B\n";
  const produced = await vhost.run(
    "helpdesk:produce",
    ["--file", "-", "--interval", "0", "--run", "r"],
    { input },
  );
  const [ready, ...rest] = produced.events;
  assert.deepEqual(Object.keys(ready ?? {}), ["event", "pid", "name"]);
  const published = (row: number) => ({
    event: "published",
    row,
    queue: "help_queue",
    id: `r/${row}`,
  });
  const rejected = {
    event: "rejected",
    line: 4,
    reason: "the category must be A, B, C, D or E",
    text: "2/14/23 10:20,Eve,Z",
  };
  const byEvent = (kind: string) => rest.filter(({ event }) => event === kind);
  assert.deepEqual(byEvent("published"), [published(1), published(2), published(4)]);
  assert.deepEqual(byEvent("rejected"), [rejected]);
  const { seconds, rowsPerSecond, ...summary } = produced.summary;
  assert.deepEqual(summary, {
    event: "summary",
    run: "r",
    rows: 4,
    published: 3,
    confirmed: 3,
    rejected: 1,
    failed: 0,
    nextRow: 5,
  });
  assert.ok(Number(seconds) > 0 && Number(rowsPerSecond) > 0);
  assert.equal(rest.length, 5);
  assert.equal(produced.code, 2);

  const worked = await vhost.run("helpdesk:work", [
    ...["--name", "w1", "--handle", "0", "--exit-when-idle", "1s"],
  ]);
  assert.deepEqual(eventsOf(worked, "taken")[0], {
    event: "taken",
    worker: "w1",
    id: "r/1",
    redelivered: false,
    attempt: 1,
  });
  assert.deepEqual(eventsOf(worked, "ticket")[0], {
    event: "ticket",
    worker: "w1",
    id: "r/1",
    submitted: "2023-02-14T10:15:00",
    name: "Requester1",
    category: "A",
    redelivered: false,
    attempt: 1,
  });
  const replies = await vhost.run("helpdesk:replies", ["--exit-when-idle", "1s"]);
  const [answer] = eventsOf(replies, "reply");
  assert.ok(answer);
  const { handled, text, ...reply } = answer;
  assert.deepEqual(reply, {
    event: "reply",
    ticket: "r/1",
    name: "Requester1",
    category: "A",
    worker: "w1",
  });
  assert.match(String(handled), /^\d{4}-\d\d-\d\dT.*Z$/);
  assert.match(String(text), /Requester1/);
});

e2e("a worker killed holding a ticket: another one gets it, redelivered", async () => {
  await using vhost = await Vhost.create();
  const first = await vhost.start("helpdesk:work", ["--handle", "10m"]).ready();
  const args = ["--file", "-", "--interval", "0", "--run", "r"];
  await vhost.run("helpdesk:produce", args, { input: ticketsCsv(1) });
  await using connection = await vhost.connect();
  const taken = async () => (await connection.inspect("help_queue"))?.ready === 0;
  await eventually("the worker to take the ticket", taken);
  const second = await vhost.start("helpdesk:work", [
    ...["--name", "w2", "--handle", "0", "--exit-when-idle", "5s"],
  ]).ready();
  await first.kill("KILL");
  await second.until((events) => events.some(({ event }) => event === "ticket"));
  const [ticket] = eventsOf(second, "ticket");
  assert.equal(ticket?.id, "r/1");
  assert.equal(ticket?.redelivered, true);
  assert.equal(ticket?.attempt, 2);
});

e2e(
  "a ticket that kills its worker again and again is a dead letter on its seventh delivery",
  async () => {
    await using vhost = await Vhost.create();
    const args = ["--file", "-", "--interval", "0", "--run", "r"];
    await vhost.run("helpdesk:produce", args, { input: ticketsCsv(1) });
    await using connection = await vhost.connect();
    const ready = async () => (await connection.inspect("help_queue"))?.ready;
    for (let delivery = 1; delivery <= 6; delivery++) {
      const worker = await vhost.start("helpdesk:work", ["--handle", "10m"]).ready();
      await eventually(`delivery ${delivery}`, async () => await ready() === 0);
      await worker.kill("KILL");
      await eventually("the ticket to come back", async () => await ready() === 1);
    }
    const last = await vhost.run("helpdesk:work", ["--handle", "0", "--exit-when-idle", "1s"]);
    assert.deepEqual(eventsOf(last, "ticket"), []);
    assert.deepEqual(eventsOf(last, "dead"), [{
      event: "dead",
      queue: "help_queue",
      id: "r/1",
      reason: "delivered 6 times before, and never acknowledged",
    }]);
    assert.equal((await connection.inspect("help_queue.dead"))?.ready, 1);
  },
);

e2e("what is no ticket becomes a dead letter with its reason, the others are handled", async () => {
  await using vhost = await Vhost.create();
  await using connection = await vhost.connect();
  const channel = await connection.channel("publish", async (channel) => {
    await channel.queueDeclare({
      queue: "help_queue",
      durable: true,
      arguments: { "x-queue-type": "quorum" },
    });
  });
  const bodies: [Buffer, string?][] = [
    [Buffer.from("[2/14/23 10:15, Adam, A]")],
    [Buffer.from("nonsense")],
    [Buffer.from([0xff, 0xfe])],
    [Buffer.from("{broken"), "application/json"],
    [Buffer.from("null"), "application/json"],
    [
      Buffer.from('{"submitted":"2023-02-14T10:15:00","name":"Eve","category":"Z"}'),
      "application/json",
    ],
    [
      Buffer.from('{"submitted":"2023-02-14T10:15:00","name":"Eve","category":"B"}'),
      "application/json",
    ],
  ];
  for (const [body, contentType] of bodies) {
    const properties = contentType === undefined ? {} : { contentType };
    await channel.publish({ queue: "help_queue", body, properties });
  }
  await channel.close();
  const worked = await vhost.run("helpdesk:work", ["--handle", "0", "--exit-when-idle", "1s"]);
  assert.deepEqual(eventsOf(worked, "ticket").map(({ name }) => name), ["Adam", "Eve"]);
  assert.equal(eventsOf(worked, "dead").length, 5);
  assert.ok(eventsOf(worked, "dead").every(({ reason }) => String(reason).length > 5));
  assert.deepEqual(worked.summary, { event: "summary", handled: 2, duplicates: 0, dead: 5 });
  assert.equal(worked.code, 0);
});

e2e("Ctrl-C in the middle of a ticket finishes it and exits 0", async () => {
  await using vhost = await Vhost.create();
  const worker = await vhost.start("helpdesk:work", ["--name", "w1", "--handle", "2s"]).ready();
  const args = ["--file", "-", "--interval", "0", "--run", "r"];
  await vhost.run("helpdesk:produce", args, { input: ticketsCsv(3) });
  await using connection = await vhost.connect();
  const taken = async () => (await connection.inspect("help_queue"))?.ready === 2;
  await eventually("the worker to take a ticket", taken);
  // Twice, as a terminal and `deno task` both deliver it.
  await worker.kill("INT");
  await worker.kill("INT");
  assert.equal((await worker.ended).code, 0);
  assert.deepEqual(eventsOf(worker, "ticket").map(({ id }) => id), ["r/1"]);
  assert.deepEqual(summaryOf(worker), { event: "summary", handled: 1, duplicates: 0, dead: 0 });
  assert.equal((await connection.inspect("help_queue"))?.ready, 2);
});

e2e("the same tickets sent again are handled once", async () => {
  await using vhost = await Vhost.create();
  const worker = await vhost.start("helpdesk:work", ["--handle", "0", "--exit-when-idle", "2s"])
    .ready();
  const args = ["--file", "-", "--interval", "0", "--run", "r"];
  await vhost.run("helpdesk:produce", args, { input: ticketsCsv(20) });
  await vhost.run("helpdesk:produce", [...args, "--skip", "10"], { input: ticketsCsv(30) });
  await worker.ended;
  assert.deepEqual(summaryOf(worker), { event: "summary", handled: 30, duplicates: 10, dead: 0 });
});

e2e("a queue of the other type is explained, and --queue-type takes it", async () => {
  await using vhost = await Vhost.create();
  const args = ["--file", "-", "--interval", "0"];
  const input = ticketsCsv(2);
  const classic = await vhost.run("helpdesk:produce", [...args, "--queue-type", "classic"], {
    input,
  });
  assert.equal(classic.code, 0, classic.stderr);
  for (const task of ["helpdesk:produce", "helpdesk:work"]) {
    const process = vhost.start(task, task === "helpdesk:produce" ? args : [], { input });
    const { code, stderr } = await process.ended;
    assert.equal(code, 1);
    assert.match(stderr, /^Queue help_queue exists with other arguments.*--queue-type classic\n$/);
  }
  const worked = await vhost.run("helpdesk:work", [
    ...["--queue-type", "classic", "--handle", "0", "--exit-when-idle", "1s"],
  ]);
  assert.equal(worked.summary.handled, 2);
});

e2e(
  "--purge empties the queue first, --skip and --limit choose rows, --loop names its passes",
  async () => {
    await using vhost = await Vhost.create();
    await vhost.run("helpdesk:produce", ["--file", "-", "--interval", "0"], {
      input: ticketsCsv(9),
    });
    const chosen = await vhost.run("helpdesk:produce", [
      ...["--file", "-", "--interval", "0", "--purge", "--skip", "3", "--limit", "4", "--run", "r"],
    ], { input: ticketsCsv(9) });
    assert.deepEqual(eventsOf(chosen, "published").map(({ id }) => id), [
      "r/4",
      "r/5",
      "r/6",
      "r/7",
    ]);
    assert.equal(chosen.summary.nextRow, 8);
    await using connection = await vhost.connect();
    assert.equal((await connection.inspect("help_queue"))?.ready, 4);
    const looped = await vhost.run("helpdesk:produce", [
      ...["--interval", "0", "--loop", "--skip", "124", "--limit", "127", "--run", "r"],
    ]);
    const ids = eventsOf(looped, "published").map(({ id }) => id);
    assert.deepEqual([ids.at(0), ids.at(1), ids.at(-1)], ["r/125", "r.2/1", "r.3/1"]);
    assert.deepEqual([looped.summary.run, looped.summary.nextRow], ["r.3", 2]);
  },
);

e2e("--format text sends what older programs send, and a worker takes it", async () => {
  await using vhost = await Vhost.create();
  const args = ["--file", "-", "--interval", "0", "--format", "text"];
  await vhost.run("helpdesk:produce", args, {
    input: 'Date_Time,First_Name,Help_Request\n2/14/23 10:15,"Lee, Ana",C\n',
  });
  await using connection = await vhost.connect();
  const channel = await connection.channel("consume", async () => {});
  const message = await channel.basicGet("help_queue");
  assert.ok(message);
  assert.equal(textIn(message), "[2/14/23 10:15, Lee, Ana, C]");
  assert.equal(message.contentType, undefined);
  await channel.close();
  const worked = await vhost.run("helpdesk:work", ["--handle", "0", "--exit-when-idle", "1s"]);
  assert.deepEqual(eventsOf(worked, "ticket").map(({ name }) => name), ["Lee, Ana"]);
});

e2e("a producer stopped by Ctrl-C says how to go on, and going on repeats nothing", async () => {
  await using vhost = await Vhost.create();
  const args = ["--interval", "20ms", "--run", "r"];
  const first = await vhost.start("helpdesk:produce", args).ready();
  await first.until((events) => events.filter(({ event }) => event === "published").length >= 10);
  await first.kill("INT");
  const { code, stderr } = await first.ended;
  assert.equal(code, 0);
  const { nextRow } = summaryOf(first);
  assert.match(stderr, new RegExp(`--run r --skip ${Number(nextRow) - 1}\\b`));
  const second = await vhost.run("helpdesk:produce", [
    ...["--interval", "0", "--run", "r", "--skip", String(Number(nextRow) - 1)],
  ]);
  const rows = [first, second].flatMap((process) => eventsOf(process, "published").map(rowOf));
  assert.deepEqual(rows, Array.from({ length: 125 }, (_, index) => index + 1));
});

e2e("the demo: workers come and one is killed, every ticket is handled", async () => {
  await using vhost = await Vhost.create();
  const { code, stderr, summary } = await vhost.run("demo");
  assert.equal(code, 0, stderr);
  const { published, handled, lost, workers } = summary;
  assert.deepEqual({ published, handled, lost }, { published: 60, handled: 60, lost: 0 });
  assert.deepEqual(Object.keys(workers as Record<string, number>).sort(), ["ann", "bob", "cleo"]);
});

e2e("the demo stopped in the middle says what waits, and leaves no process", async () => {
  await using vhost = await Vhost.create();
  const demo = vhost.start("demo");
  await demo.until((events) => events.some(({ text }) => /ticket +5 /.test(String(text))));
  await demo.kill("TERM");
  const { code, stderr } = await demo.ended;
  assert.equal(code, 0, stderr);
  assert.equal(summaryOf(demo).lost, 0);
  assert.match(String(summaryOf(demo).handled), /^\d+$/);
  await eventually("its queues to be gone", async () => (await queueNames(vhost)).length === 0);
});

e2e(
  "the demos leave alone what waits in the user's queues, and nothing of theirs stays",
  async () => {
    await using vhost = await Vhost.create();
    await using connection = await vhost.connect();
    await vhost.run("helpdesk:produce", ["--limit", "3", "--interval", "0"]);
    await vhost.run("smoker:produce", ["--limit", "3", "--interval", "0"]);
    const before = (await queueNames(vhost)).sort();
    const [helpdesk, smoker] = await Promise.all([
      vhost.run("demo"),
      vhost.run("demo", ["smoker"]),
    ]);
    assert.deepEqual([helpdesk.code, helpdesk.summary.handled], [0, 60], helpdesk.stderr);
    assert.deepEqual([smoker.code, smoker.summary.published], [0, 3054], smoker.stderr);
    const alerts = eventsOf(smoker, "alert").map(({ channel, rule, state }) =>
      `${channel} ${rule} ${state}`
    );
    assert.equal(alerts.filter((alert) => alert === "smoker drop open").length, 4);
    assert.equal(alerts.filter((alert) => / stall resolved$/.test(alert)).length, 2);
    await eventually(
      "its queues to be gone",
      async () => JSON.stringify((await queueNames(vhost)).sort()) === JSON.stringify(before),
    );
    for (const queue of ["help_queue", "01-smoker"]) {
      assert.equal((await connection.inspect(queue))?.ready, 3, queue);
    }
  },
);
