import assert from "node:assert/strict";
import { secondsOf } from "../../consumers/task_worker.ts";
import { brokerAddress, type Delivery, hostList, queueOf } from "../../shared/connection.ts";
import type { Event } from "../../shared/script.ts";
import {
  type TaskEnd,
  TaskProcess,
  type TaskProcessOptions,
} from "../../shared/tools/demo/task_process.ts";
import { e2e, eventsOf, eventually, rowOf, summaryOf, Vhost } from "./harness.ts";
import { pika, withPika } from "./pika.ts";
import { textIn } from "../deliveries.ts";
import { OwnCluster } from "../own_cluster.ts";
import { BrokerProxy } from "../proxy.ts";
import { RawConnection } from "../raw_amqp.ts";
import { testBroker, testBrokerUrl } from "../test_broker.ts";

const QUEUE = "task_queue";

/** data/tasks.csv, by hand. */
const CLASS_TASKS = [
  "First task....",
  "Second task....",
  "Third task....",
  "Fourth task...",
  "Fifth task...",
  "Sixth task...",
];

/** data/task-sentences.csv, by Python's csv module: cells stripped, joined by a space. */
const SENTENCES = [
  "Restart the print server.",
  "Reset a forgotten password..",
  "Back up the mail server then read its log....",
  "Resize the photos for the newsletter...",
  'Rename "final (2)" to something a colleague can find.',
  "Index last month's invoices oldest first.....",
  "Check the web shop for broken links and list them....",
  "Convert the old spreadsheets to CSV...",
  "Clear the cache.",
  'Answer the ticket "My screen is upside down" politely..',
  "Copy the sales figures to the warehouse compare the totals report what differs......",
  "Install the security updates on every laptop in the training room......",
  "Archive the logs..",
  "Train the spam filter on this week's mail.....",
  'Search the wiki for "temporary" workarounds, and count the years....',
  "Move the calendar to the new server keep the reminders...",
  "Sort the shared drive by size ask about the largest files...",
  "Render the floor plan in three colours for the fire drill.....",
  "Test the backup by restoring one file from it....",
  "Write down what was done today and go home.",
];

Deno.test("`secondsOf()` counts dots, wherever they are", { permissions: "none" }, () => {
  const known: [string, number, number][] = [
    ["First message....", 1000, 4],
    ["Hello World!", 1000, 0],
    ["", 1000, 0],
    [".", 1000, 1],
    ["a.b.c", 1000, 2],
    ["…", 1000, 0],
    ["three\nlines.\n.", 1000, 2],
    ["First message....", 0, 0],
    ["First message....", 250, 1],
    [`slow${".".repeat(30)}`, 100, 3],
    ["one.", 60_000, 60],
  ];
  for (const [task, dotMs, seconds] of known) assert.equal(secondsOf(task, dotMs), seconds, task);
});

e2e(
  "eight short tasks are not held up by a long one: the worker without it does them",
  async () => {
    await using vhost = await Vhost.create();
    const workers = ["w1", "w2"].map((name) =>
      vhost.start("tasks:work", ["--name", name, "--dot", "100ms"])
    );
    await Promise.all(workers.map((worker) => worker.ready()));
    // One producer: the long one is the first in the queue, and taken before any other.
    const input = [`slow${".".repeat(30)}`, ...Array(8).fill("short.")].join("\n");
    await vhost.run("tasks:produce", ["--file", "-", "--run", "r"], { input });
    const tasks = () => workers.flatMap((worker) => eventsOf(worker, "task"));
    await eventually("all nine", () => Promise.resolve(tasks().length === 9));
    const long = tasks().find(({ id }) => id === "r/1");
    assert.equal(long?.seconds, 3);
    const others = tasks().filter(({ worker }) => worker !== long?.worker);
    assert.ok(others.length >= 7, `the worker without the long task did ${others.length} of 8`);
  },
);

e2e("a worker holds the task it works on and no other", async () => {
  await using vhost = await Vhost.create();
  const busy = await vhost.start("tasks:work", ["--name", "w1", "--dot", "100ms"]).ready();
  await vhost.run("tasks:new", ["--run", "long", `slow${".".repeat(30)}`]);
  await using connection = await vhost.connect();
  const taken = async () => (await connection.inspect(QUEUE))?.ready === 0;
  await eventually("the long task to be taken", taken);
  // Stopped, so that it is busy for as long as the other one needs, however slow this machine is.
  await busy.kill("STOP");
  const idle = await vhost.start("tasks:work", ["--name", "w2", "--dot", "10ms"]).ready();
  await vhost.run("tasks:new", ["--run", "r", "--repeat", "8", "short."]);
  await idle.until((events) => events.filter(({ event }) => event === "task").length === 8);
  await busy.kill("CONT");
  await busy.until((events) => events.some(({ event }) => event === "task"));
  assert.deepEqual(eventsOf(idle, "task").map(rowOf), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(eventsOf(busy, "task").map(({ id }) => id), ["long/1"]);
});

e2e("tasks:new publishes its words, persistent text, as often as it is told", async () => {
  await using vhost = await Vhost.create();
  const known: [string[], string, number?][] = [
    [["First", "message...."], "First message...."],
    [[], "Hello World!"],
    [["--"], "Hello World!"],
    [["Another task..", "--repeat", "5"], "Another task..", 5],
    [["--", "-v", "--dash", "--repeat", "2"], "-v --dash --repeat 2"],
    [["one.", "--", "--two."], "one. --two."],
    [
      ["It's", '"quoted"', "$HOME", "*.ts", "`id`", "\\", "ünï ✓"],
      'It\'s "quoted" $HOME *.ts `id` \\ ünï ✓',
    ],
    [["two\nlines"], "two\nlines"],
  ];
  for (const [args, text, repeat = 1] of known) {
    const { code, stderr, events } = await vhost.run("tasks:new", ["--run", "r", ...args]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" }, args.join(" "));
    const ids = Array.from({ length: repeat }, (_, index) => `r/${index + 1}`);
    assert.deepEqual(eventsOf({ events }, "published").map(({ id }) => id), ids);
    const messages = await take(vhost);
    assert.deepEqual(messages.map(textIn), ids.map(() => text));
    assert.deepEqual(messages.map(({ messageId }) => messageId), ids);
    for (const { contentType, deliveryMode, appId, headers } of messages) {
      assert.deepEqual([contentType, deliveryMode, appId], ["text/plain", 2, "new_task"]);
      assert.equal(typeof headers?.["published-at"], "number");
    }
  }
});

e2e("tasks:new takes --help after -- as a word", async () => {
  await using vhost = await Vhost.create();
  const { code } = await new Deno.Command("deno", {
    args: ["task", "--quiet", "tasks:new", "--", "Explain", "--help"],
    env: { ...vhost.env, NO_COLOR: "1" },
  }).output();
  assert.equal(code, 0);
  assert.deepEqual((await take(vhost)).map(textIn), ["Explain --help"]);
});

e2e(
  "tasks:new stopped by Ctrl-C waits for its confirms, and gives no advice it refuses",
  async () => {
    await using vhost = await Vhost.create();
    const many = await vhost.start("tasks:new", ["--repeat", "1000000", "--run", "r"]).ready();
    await many.until((events) => events.some(({ event }) => event === "published"));
    await many.kill("INT");
    const { code, stderr } = await many.ended;
    const { published, confirmed, failed } = summaryOf(many);
    assert.deepEqual({ code, failed, confirmed }, { code: 0, failed: 0, confirmed: published });
    const help = await helpOf("tasks:new");
    for (const [flag] of stderr.matchAll(/--[a-z-]+/g)) {
      assert.ok(help.includes(`\n  ${flag} `), `${flag} is no flag of tasks:new: ${stderr}`);
    }
  },
);

e2e("the JSON lines of all three are those of the contract", async () => {
  await using vhost = await Vhost.create();
  const published = (row: number) => ({ event: "published", row, queue: QUEUE, id: `r/${row}` });
  const counts = { rows: 2, published: 2, confirmed: 2, rejected: 0, failed: 0, nextRow: 3 };
  const scripts = {
    new_task: await vhost.run("tasks:new", ["--run", "r", "--repeat", "2", "Hello."]),
    tasks: await vhost.run("tasks:produce", ["--run", "r", "--limit", "2"]),
  };
  for (const [name, { code, events }] of Object.entries(scripts)) {
    assert.equal(code, 0);
    const [ready, first, second, summary, ...more] = events;
    assert.deepEqual(ready, { event: "ready", pid: ready?.pid, name });
    assert.deepEqual([first, second, more], [published(1), published(2), []]);
    const { seconds, rowsPerSecond, ...rest } = summary as Event;
    assert.deepEqual(rest, { event: "summary", run: "r", ...counts });
    assert.ok(Number(seconds) > 0 && Number(rowsPerSecond) > 0);
  }
  await take(vhost);

  await vhost.run("tasks:produce", ["--run", "r", "--limit", "1"]);
  await vhost.run("tasks:new", ["--run", "s"]);
  const args = ["--name", "w1", "--dot", "25ms", "--exit-when-idle", "500ms"];
  const { code, stderr, events } = await vhost.run("tasks:work", args);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  const taken = { event: "taken", worker: "w1", redelivered: false, attempt: 1 };
  const task = { event: "task", worker: "w1", redelivered: false };
  assert.deepEqual(events, [
    { event: "ready", pid: events[0]?.pid, name: "w1" },
    { ...taken, id: "r/1" },
    { ...task, id: "r/1", text: "First task....", seconds: 0.1 },
    { ...taken, id: "s/1" },
    { ...task, id: "s/1", text: "Hello World!", seconds: 0 },
    { event: "summary", handled: 2, duplicates: 0, dead: 0 },
  ]);
});

e2e("tasks:produce sends both data files as they read", async () => {
  await using vhost = await Vhost.create();
  const files: [string[], string[]][] = [
    [[], CLASS_TASKS],
    [["--file", "data/tasks.csv"], CLASS_TASKS],
    [["--file", "data/task-sentences.csv"], SENTENCES],
    [["--file", "data/task-sentences.csv", "--skip", "9", "--limit", "2"], SENTENCES.slice(9, 11)],
  ];
  for (const [args, texts] of files) {
    const { code, stderr, events } = await vhost.run("tasks:produce", ["--run", "r", ...args]);
    assert.equal(code, 0, stderr);
    const messages = await take(vhost);
    assert.deepEqual(messages.map(textIn), texts);
    const ids = eventsOf({ events }, "published").map(({ id }) => id);
    const first = args.includes("--skip") ? 10 : 1;
    assert.deepEqual(ids, texts.map((_, index) => `r/${first + index}`));
    assert.deepEqual(messages.map(({ messageId }) => messageId), ids);
    for (const { contentType, deliveryMode, appId } of messages) {
      assert.deepEqual([contentType, deliveryMode, appId], ["text/plain", 2, "tasks"]);
    }
  }
});

e2e("without --interval a replay waits for nothing but the confirms", async () => {
  await using vhost = await Vhost.create();
  // At any human pace 3000 rows take longer than this test has patience.
  const input = Array.from({ length: 3000 }, (_, index) => `Task ${index + 1}.\n`).join("");
  const producer = vhost.start("tasks:produce", ["--file", "-"], { input });
  await producer.until((events) => events.at(-1)?.event === "summary");
  assert.equal(summaryOf(producer).confirmed, 3000);
});

e2e(
  "columns are joined by a space whatever separates them, --format text has no type",
  async () => {
    await using vhost = await Vhost.create();
    const known: [string[], string, string[]][] = [
      [["--delimiter", ";"], 'a;b, c;d\n"x;y";z.\n', ["a b, c d", "x;y z."]],
      [["--delimiter", "tab"], "a\tb, c; d\n", ["a b, c; d"]],
      [[], "\ufeffa,b\r\nc , d  e,\r\n,,f\r\n", ["a b", "c d  e", "f"]],
      [[], '"two\nlines",and more.\n"a ""quote"""', ["two\nlines and more.", 'a "quote"']],
      [["--format", "text"], "plain...", ["plain..."]],
    ];
    for (const [args, input, texts] of known) {
      const produced = await vhost.run("tasks:produce", ["--file", "-", "--run", "r", ...args], {
        input,
      });
      assert.equal(produced.code, 0, produced.stderr);
      const messages = await take(vhost);
      assert.deepEqual(messages.map(textIn), texts);
      const type = args.includes("text") ? undefined : "text/plain";
      for (const { contentType, deliveryMode } of messages) {
        assert.deepEqual([contentType, deliveryMode], [type, 2]);
      }
      assert.deepEqual(
        messages.map(({ messageId }) => messageId),
        texts.map((_, i) => `r/${i + 1}`),
      );
    }
  },
);

e2e("blank lines are no tasks, malformed ones are told, the rest is sent, exit 2", async () => {
  await using vhost = await Vhost.create();
  const input = [
    "First task....",
    "",
    "   ",
    ", ,",
    'a,"b, c",d',
    'A stray "quote" here.',
    '"   "',
    '"Never closed.',
    "Last task.",
  ].join("\n");
  const args = ["--file", "-", "--run", "r"];
  const all = await vhost.run("tasks:produce", args, { input });
  assert.equal(all.code, 2);
  assert.deepEqual((await take(vhost)).map((it) => [it.messageId, textIn(it)]), [
    ["r/1", "First task...."],
    ["r/3", "a b, c d"],
    ["r/4", 'A stray "quote" here.'],
    ["r/7", "Last task."],
  ]);
  const rejected = (line: number, reason: string, text: string) => ({
    event: "rejected",
    line,
    reason,
    text,
  });
  assert.deepEqual(eventsOf(all, "rejected"), [
    rejected(4, "the task is empty", ", ,"),
    rejected(7, "the task is empty", '"   "'),
    rejected(8, "a quote is not closed", '"Never closed.'),
  ]);
  const { rows, confirmed, nextRow } = all.summary;
  assert.deepEqual({ rows, confirmed, nextRow, rejected: all.summary.rejected }, {
    rows: 7,
    confirmed: 4,
    nextRow: 8,
    rejected: 3,
  });
  const strict = await vhost.run("tasks:produce", [...args, "--strict"], { input });
  assert.equal(strict.code, 2);
  assert.equal(eventsOf(strict, "rejected").length, 1);
  assert.deepEqual((await take(vhost)).map(({ messageId }) => messageId), ["r/1"]);
});

e2e(
  "a worker works for every dot, a second unless --dot says otherwise, and tells people",
  async () => {
    await using vhost = await Vhost.create();
    const run = async (task: string, ...args: string[]) => {
      await vhost.run("tasks:new", [task]);
      const started = performance.now();
      const { code, stdout } = await new Deno.Command("deno", {
        args: ["task", "--quiet", "tasks:work", "--name", "ann", "--exit-when-idle", "1s", ...args],
        env: { ...vhost.env, NO_COLOR: "1" },
      }).output();
      assert.equal(code, 0);
      const [ready, took, done, ...rest] = new TextDecoder().decode(stdout).trimEnd().split("\n");
      assert.match(ready ?? "", /^ann takes from task_queue, 1 at a time/);
      assert.deepEqual(rest, ["ann: 1 handled, 0 duplicates, 0 dead letters"]);
      const [, seconds] = /^ann {2}done in (\d+\.\d) s$/.exec(done ?? "") ?? [];
      const elapsed = (performance.now() - started) / 1000;
      assert.ok(Number(seconds) < elapsed, `${done}, after ${elapsed} s`);
      return { took, seconds: Number(seconds) };
    };
    const second = await run("One dot.");
    assert.equal(second.took, "ann  One dot.  1 s");
    assert.ok(second.seconds >= 1, `took ${second.seconds} s`);
    const short = await run("Five dots.....", "--dot", "100ms");
    assert.equal(short.took, "ann  Five dots.....  0.5 s");
    assert.ok(short.seconds >= 0.5, `took ${short.seconds} s`);
    // An hour and more, if a dot were anything at all.
    const none = await run(".".repeat(5000), "--dot", "0");
    assert.equal(none.took, `ann  ${".".repeat(5000)}  0 s`);
  },
);

e2e("a task killed with its worker goes to another one, redelivered", async () => {
  await using vhost = await Vhost.create();
  const first = await vhost.start("tasks:work", ["--name", "w1", "--dot", "1m"]).ready();
  await vhost.run("tasks:new", ["--run", "r", "First message...."]);
  await using connection = await vhost.connect();
  const taken = async () => (await connection.inspect(QUEUE))?.ready === 0;
  await eventually("the worker to take the task", taken);
  const second = await vhost.start("tasks:work", ["--name", "w2", "--dot", "0"]).ready();
  await first.kill("KILL");
  await second.until((events) => events.some(({ event }) => event === "task"));
  assert.deepEqual(eventsOf(first, "task"), []);
  assert.deepEqual(eventsOf(second, "task"), [{
    event: "task",
    worker: "w2",
    id: "r/1",
    text: "First message....",
    seconds: 0,
    redelivered: true,
  }]);
});

e2e(
  "a task that never gets acknowledged becomes a dead letter in a classic queue, too",
  async () => {
    await using vhost = await Vhost.create();
    using proxy = new BrokerProxy();
    const host = `127.0.0.1:${proxy.port}`;
    const env = { AMQP_HOST: host, AMQP_URL: testBrokerUrl({ host, pathname: vhost.name }) };
    const flags = ["--queue-type", "classic", "--max-deliveries", "2", "--dot", "300ms"];
    const worker = await vhost.start("tasks:work", flags, { env }).ready();
    using raw = await RawConnection.open(brokerAddress(vhost.url));
    // Without an id the worker can't know that it has done it before.
    await raw.publish(QUEUE, {}, "poison.");
    for (const times of [1, 2, 3]) {
      await worker.until((events) => eventsOf({ events }, "taken").length === times);
      proxy.cut();
    }
    await worker.until((events) => eventsOf({ events }, "dead").length === 1);
    assert.deepEqual(eventsOf(worker, "taken").map(({ attempt }) => attempt), [1, 2, 3]);
    assert.match(String(eventsOf(worker, "dead")[0]?.reason), /delivered 3 times before/);
  },
);

e2e("a worker killed after some work: the finished tasks do not come again", async () => {
  await using vhost = await Vhost.create();
  const input = ["a", "b", "c", "d", "e", "long........", "f"].join("\n");
  const first = await vhost.start("tasks:work", ["--dot", "1h"]).ready();
  await vhost.run("tasks:produce", ["--file", "-", "--run", "r"], { input });
  await using connection = await vhost.connect();
  // It is given the long one when the broker has the acknowledgements of those before.
  const taken = async () => (await connection.inspect(QUEUE))?.ready === 1;
  await eventually("the worker to take the long task", taken);
  await first.kill("KILL");
  await first.ended;
  assert.deepEqual(eventsOf(first, "task").map(rowOf), [1, 2, 3, 4, 5]);
  const second = await vhost.run("tasks:work", ["--dot", "0", "--exit-when-idle", "2s"]);
  const left = eventsOf(second, "task").map(({ id, redelivered }) => [id, redelivered]);
  assert.deepEqual(new Map(left as [string, boolean][]), new Map([["r/6", true], ["r/7", false]]));
  assert.deepEqual(second.summary, { event: "summary", handled: 2, duplicates: 0, dead: 0 });
});

e2e("Ctrl-C in the middle of a task finishes it, acknowledges it and exits 0", async () => {
  await using vhost = await Vhost.create();
  const worker = await vhost.start("tasks:work", ["--dot", "500ms"]).ready();
  const started = performance.now();
  await vhost.run("tasks:new", ["--run", "r", "--repeat", "3", "Four dots...."]);
  await using connection = await vhost.connect();
  const ready = async () => (await connection.inspect(QUEUE))?.ready;
  await eventually("the worker to take a task", async () => await ready() === 2);
  await worker.kill("INT");
  assert.equal((await worker.ended).code, 0);
  assert.ok(performance.now() - started >= 2000, "it was not cut short");
  assert.deepEqual(eventsOf(worker, "task").map(({ id }) => id), ["r/1"]);
  assert.deepEqual(summaryOf(worker), { event: "summary", handled: 1, duplicates: 0, dead: 0 });
  const next = await vhost.run("tasks:work", ["--dot", "0", "--exit-when-idle", "1s"]);
  assert.deepEqual(eventsOf(next, "task").map(({ id }) => id), ["r/2", "r/3"]);
});

e2e("the same task sent again is done once; without an id nothing is the same", async () => {
  await using vhost = await Vhost.create();
  for (const run of ["r", "r", "s"]) await vhost.run("tasks:new", ["--run", run, "Hello"]);
  await publish(
    vhost,
    [{}, {}, { contentType: "text/plain" }].map((it) => ({ ...it, body: "Hello" })),
  );
  const worked = await vhost.run("tasks:work", ["--exit-when-idle", "1s"]);
  assert.deepEqual(eventsOf(worked, "task").map(({ id }) => id), ["r/1", "s/1", null, null, null]);
  assert.deepEqual(worked.summary, { event: "summary", handled: 5, duplicates: 1, dead: 0 });
});

e2e("an empty message id is none", async () => {
  await using vhost = await Vhost.create();
  await publish(vhost, ["a", "b"].map((body) => ({ body, messageId: "" })));
  const worked = await vhost.run("tasks:work", ["--exit-when-idle", "1s"]);
  const done = eventsOf(worked, "task").map(({ id, text }) => [id, text]);
  assert.deepEqual(done, [[null, "a"], [null, "b"]]);
});

for (const contentType of [undefined, "text/plain"]) {
  e2e(
    `what is no UTF-8 is a dead letter as it was (${contentType ?? "no content type"})`,
    async () => {
      await using vhost = await Vhost.create();
      const bytes = Uint8Array.of(0x61, 0xff, 0xfe);
      const type = contentType === undefined ? {} : { contentType };
      await publish(vhost, [{ body: bytes, ...type }, { body: "text", ...type }]);
      const worked = await vhost.run("tasks:work", ["--exit-when-idle", "1s"]);
      assert.deepEqual(eventsOf(worked, "dead"), [{
        event: "dead",
        queue: QUEUE,
        id: null,
        reason: "the body is not UTF-8 text",
      }]);
      assert.deepEqual(eventsOf(worked, "task").map(({ text }) => text), ["text"]);
      assert.deepEqual(worked.summary, { event: "summary", handled: 1, duplicates: 0, dead: 1 });
      assert.equal(worked.code, 0);
      const [dead] = await take(vhost, `${QUEUE}.dead`);
      assert.equal(dead?.headers?.["original-queue"], QUEUE);
      assert.deepEqual(dead?.body, bytes);
    },
  );
}

e2e("after a broker restart the tasks are still there, and none is done twice", async () => {
  await using broker = await OwnCluster.single(5697);
  await using started = new AsyncDisposableStack();
  const start = (type: string, task: string, args: string[], options: TaskProcessOptions = {}) => {
    const env = { ...broker.env, AMQP_URL: `${broker.url}/${type}` };
    const process = new TaskProcess(task, ["--queue-type", type, ...args], { ...options, env });
    started.defer(() => process.end());
    return process;
  };
  const texts = Array.from({ length: 20 }, (_, index) => `Task ${index + 1}.`);
  const rows = texts.map((_, index) => index + 1);
  for (const type of ["quorum", "classic"]) {
    await eventually(`vhost ${type}`, () => createVhost(type));
    const args = ["--run", "r", "--file", "-"];
    const produced = await start(type, "tasks:produce", args, { input: texts.join("\n") }).ended;
    assert.equal(produced.code, 0, produced.stderr);
  }
  // One worker works through the restart, another one comes when it is over.
  const early = await start("quorum", "tasks:work", ["--dot", "100ms"]).ready();
  const done = (count: number) => (events: Event[]) => eventsOf({ events }, "task").length >= count;
  await early.until(done(3));
  await broker.kill();
  await early.until((events) => events.some(({ event }) => event === "disconnected"));
  await broker.start();
  await early.until(done(20));
  await early.kill("TERM");
  const late = start("classic", "tasks:work", ["--dot", "0", "--exit-when-idle", "2s"]);
  for (const worker of [early, late]) {
    const { code, stderr } = await worker.ended;
    assert.equal(code, 0, stderr);
    const tasks = eventsOf(worker, "task");
    assert.deepEqual(tasks.map(rowOf).toSorted((a, b) => a - b), rows);
    assert.deepEqual(new Set(tasks.map(({ text }) => text)), new Set(texts));
    const { handled, dead } = summaryOf(worker);
    assert.deepEqual({ handled, dead }, { handled: 20, dead: 0 });
  }
  for (const type of ["quorum", "classic"]) {
    const last = start(type, "tasks:work", ["--dot", "0", "--exit-when-idle", "1s"]);
    await last.ended;
    assert.deepEqual(eventsOf(last, "task"), [], `${type}: nothing is left`);
  }
});

for (const type of ["quorum", "classic"]) {
  withPika(`tasks of pika's new_task are handled by our worker (${type} queue)`, async () => {
    await using vhost = await Vhost.create();
    const newTask = (...words: string[]) => pika(vhost, type, "new_task", ...words);
    await newTask("First", "message....");
    await newTask("First", "message....");
    await newTask();
    await newTask("ünï ✓");
    const worked = await vhost.run("tasks:work", [
      ...["--queue-type", type, "--name", "w1", "--dot", "10ms", "--exit-when-idle", "1s"],
    ]);
    assert.equal(worked.code, 0, worked.stderr);
    const task = { event: "task", worker: "w1", id: null, redelivered: false };
    assert.deepEqual(eventsOf(worked, "task"), [
      { ...task, text: "First message....", seconds: 0.04 },
      { ...task, text: "First message....", seconds: 0.04 },
      { ...task, text: "Hello World!", seconds: 0 },
      { ...task, text: "ünï ✓", seconds: 0 },
    ]);
    assert.deepEqual(worked.summary, { event: "summary", handled: 4, duplicates: 0, dead: 0 });
  });

  withPika(`our tasks are handled by pika's worker (${type} queue)`, async () => {
    await using vhost = await Vhost.create();
    const flags = ["--queue-type", type, "--run", "r"];
    const sent = [
      await vhost.run("tasks:new", [...flags, "--", "--ünï", "✓", "dots.."]),
      await vhost.run("tasks:produce", [...flags, "--file", "data/task-sentences.csv"]),
      await vhost.run("tasks:produce", [...flags, "--format", "text", "--limit", "1"]),
    ];
    const ids = sent.flatMap((process) => eventsOf(process, "published").map(({ id }) => id));
    const texts = ["--ünï ✓ dots..", ...SENTENCES, "First task...."];
    const messages = await pika(
      vhost,
      type,
      "worker",
      "--dot",
      "0",
      "--count",
      String(texts.length),
    );
    assert.deepEqual(messages.map(({ body }) => Buffer.from(body, "hex").toString()), texts);
    assert.deepEqual(messages.map(({ message_id }) => message_id), ids);
    const types = [...Array(texts.length - 1).fill("text/plain"), null];
    assert.deepEqual(messages.map(({ content_type }) => content_type), types);
    assert.ok(messages.every(({ delivery_mode }) => delivery_mode === 2), "persistent");
    assert.ok(messages.every(({ redelivered }) => !redelivered), "each the first time");
    await using connection = await vhost.connect();
    assert.equal((await connection.inspect(QUEUE))?.ready, 0);
  });
}

/** What must end with exit code 2 and one line that says what is wrong. */
const MISUSE: Record<string, { args: string[]; input?: string; says: RegExp }[]> = {
  "tasks:new": [
    { args: ["--colour"], says: /--colour.*Accepted: .*--repeat.*--help/ },
    { args: ["-v", "word"], says: /'-v'.*Accepted/ },
    { args: ["--repeat", "0", "word"], says: /--repeat must be a whole number of at least 1/ },
    { args: ["--repeat", "1.5"], says: /--repeat must be a whole number.*"1\.5"/ },
    { args: ["word", "--repeat"], says: /--repeat/ },
    { args: ["--run", "a/b"], says: /--run must be/ },
    { args: ["--file", "data/tasks.csv"], says: /--file.*Accepted/ },
    { args: ["--queue-type", "stream"], says: /--queue-type must be quorum or classic/ },
    { args: ["--url", "http://localhost"], says: /must look like amqp:/ },
    { args: ["--url", "amqp://u:secret@example.org"], says: /AMQP_HOST=example\.org:5672/ },
  ],
  "tasks:produce": [
    { args: ["surplus"], says: /"surplus".*tasks:produce takes flags only/ },
    { args: ["--speed", "60"], says: /--speed needs recorded times.*--interval/ },
    { args: ["--speed", "60", "--interval", "1s"], says: /--speed/ },
    { args: ["--columns", "task=Text"], says: /--columns.*"task".*no header/ },
    { args: ["--interval", "5"], says: /--interval must be a time like .*"5"/ },
    { args: ["--delimiter", ";;"], says: /--delimiter must be one character/ },
    { args: ["--delimiter", '"'], says: /--delimiter must be one character/ },
    { args: ["--loop", "--file", "-"], input: "a", says: /--loop/ },
    { args: ["--file", "data/none.csv"], says: /data\/none\.csv.*no such file/ },
    { args: ["--file", "/etc/hostname"], says: /cat \/etc\/hostname \| deno task tasks:produce/ },
    { args: ["--file", "-"], input: "\ufeff\r\n  \r\n", says: /empty/ },
  ],
  "tasks:work": [
    { args: ["surplus"], says: /"surplus".*tasks:work takes flags only/ },
    { args: ["--handle", "1s"], says: /--handle.*Accepted: --dot/ },
    { args: ["--dot", "1"], says: /--dot must be a time like .*"1"/ },
    { args: ["--dot=-1s"], says: /--dot must be a time like .*"-1s"/ },
    { args: ["--dot", ""], says: /--dot must be a time/ },
    { args: ["--prefetch", "0"], says: /--prefetch must be a whole number from 1 to 2000/ },
    { args: ["--max-deliveries", "16"], says: /--max-deliveries must be .* from 1 to 15/ },
    { args: ["--exit-when-idle", "0"], says: /--exit-when-idle must be a time above 0/ },
    { args: ["--name", "../x"], says: /--name must be/ },
    { args: ["--queue-type", "stream"], says: /--queue-type must be quorum or classic/ },
  ],
};

for (const [task, cases] of Object.entries(MISUSE)) {
  e2e(`${task} misused is one line, exit 2, and nothing is published`, async () => {
    await using vhost = await Vhost.create();
    await using connection = await vhost.connect();
    for (const { args, input, says } of cases) {
      const process = vhost.start(task, args, input === undefined ? {} : { input });
      const { code, stderr } = await endOf(process);
      const shown = `${task} ${args.join(" ")}: ${stderr}`;
      assert.equal(code, 2, shown);
      assert.match(stderr, says, shown);
      assert.equal(stderr.trimEnd().split("\n").length, 1, shown);
      assert.doesNotMatch(stderr, /secret/, shown);
      assert.deepEqual(eventsOf(process, "published"), [], shown);
    }
    assert.equal((await connection.inspect(QUEUE))?.ready ?? 0, 0);
  });
}

e2e("what the broker refuses is one line, exit 1", async () => {
  await using vhost = await Vhost.create();
  await vhost.run("tasks:new", ["--queue-type", "classic"]);
  const host = RegExp.escape(hostList(testBroker()));
  const refusal = new RegExp(`^RabbitMQ at ${host} refuses .*\n$`);
  for (const task of Object.keys(MISUSE)) {
    const other = await endOf(vhost.start(task));
    assert.equal(other.code, 1, task);
    assert.match(other.stderr, /^Queue task_queue exists with .*--queue-type classic\n$/, task);
    const url = testBrokerUrl({ pathname: "nowhere" });
    const nowhere = await endOf(vhost.start(task, ["--url", url]));
    assert.equal(nowhere.code, 1, task);
    assert.match(nowhere.stderr, refusal, task);
  }
});

e2e("all three have a complete --help", async () => {
  const own: Record<string, string[]> = {
    "tasks:new": ["repeat", "run"],
    "tasks:produce": [
      "file",
      "interval",
      "delimiter",
      "skip",
      "limit",
      "loop",
      "strict",
      "dry-run",
    ],
    "tasks:work": ["dot", "name", "prefetch", "exit-when-idle", "max-deliveries"],
  };
  for (const [task, flags] of Object.entries(own)) {
    const text = await helpOf(task);
    assert.match(text, new RegExp(`\nUsage: deno task ${task} `));
    for (const flag of [...flags, "url", "queue-type", "json", "log", "quiet", "help"]) {
      assert.ok(text.includes(`\n  --${flag} `), `${task} --${flag}`);
    }
  }
  assert.match(await helpOf("tasks:produce"), /--interval .*\(default 0\)/);
  assert.match(await helpOf("tasks:produce"), /--file .*\(default data\/tasks\.csv\)/);
  assert.match(await helpOf("tasks:work"), /--dot .*\(default 1s\)/);
  assert.match(await helpOf("tasks:work"), /--prefetch .*\(default 1\)/);
});

async function helpOf(task: string): Promise<string> {
  const { code, stdout } = await new Deno.Command("deno", {
    args: ["task", "--quiet", task, "--help"],
    env: { NO_COLOR: "1", DENO_NO_PROMPT: "1" },
  }).output();
  assert.equal(code, 0, task);
  return new TextDecoder().decode(stdout);
}

/** How a task ends that should do so by itself; one that goes on is killed. */
async function endOf(process: TaskProcess): Promise<TaskEnd> {
  const timer = setTimeout(() => process.kill("KILL"), 30_000);
  try {
    return await process.ended;
  } finally {
    clearTimeout(timer);
  }
}

/** Takes all ready messages out of a queue. */
async function take(vhost: Vhost, queue = QUEUE): Promise<Delivery[]> {
  await using connection = await vhost.connect();
  const { ready = 0 } = await connection.inspect(queue) ?? {};
  const channel = await connection.channel("consume", async () => {});
  const messages: Delivery[] = [];
  while (messages.length < ready) {
    const message = await channel.basicGet(queue, { noAck: true });
    if (message) messages.push(message);
  }
  await channel.close();
  return messages;
}

interface Foreign {
  body: string | Uint8Array;
  contentType?: string;
  messageId?: string;
}

/** Publishes messages that none of our producers would send. */
async function publish(vhost: Vhost, messages: Foreign[]): Promise<void> {
  await using connection = await vhost.connect();
  const channel = await connection.channel("publish", async (channel) => {
    await channel.queueDeclare(queueOf(QUEUE, "shared"));
    await channel.confirmSelect();
  });
  for (const { body, ...properties } of messages) {
    await channel.publish({ queue: QUEUE, body: Buffer.from(body), properties });
  }
  await channel.close();
}

/** Creates a virtual host at the broker on port 5697, as soon as its admin site answers. */
async function createVhost(name: string): Promise<boolean> {
  const headers = { authorization: `Basic ${btoa("guest:guest")}` };
  try {
    const url = `http://localhost:15697/api/vhosts/${name}`;
    const answer = await fetch(url, { method: "PUT", headers });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}
