import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { hostList } from "../../shared/connection.ts";
import type { Event } from "../../shared/script.ts";
import { freePort } from "../free_port.ts";
import { within } from "../broker/harness.ts";
import { testBroker, testBrokerUrl } from "../test_broker.ts";
import {
  admin,
  e2e,
  eventsOf,
  eventually,
  rowOf,
  summaryOf,
  ticketsCsv,
  Vhost,
} from "./harness.ts";

/** What must end with exit code 2 and one line that says what is wrong. */
const MISUSE: { args: string[]; input?: string; says: RegExp }[] = [
  { args: ["--colour"], says: /--colour.*Accepted: .*--file.*--help/ },
  { args: ["surplus"], says: /"surplus"/ },
  { args: ["--interval", "5"], says: /--interval must be a time like .*"5"/ },
  { args: ["--interval"], says: /--interval/ },
  { args: ["--interval", "1s", "--speed", "2"], says: /--interval and --speed/ },
  { args: ["--speed", "0"], says: /--speed must be a number above 0/ },
  { args: ["--limit", "0"], says: /--limit must be a whole number of at least 1/ },
  { args: ["--skip", "1.5"], says: /--skip must be a whole number/ },
  { args: ["--run", "a/b"], says: /--run must be/ },
  { args: ["--format", "xml"], says: /--format must be json or text/ },
  { args: ["--delimiter", ";;"], says: /--delimiter must be one character/ },
  { args: ["--queue-type", "stream"], says: /--queue-type must be quorum or classic/ },
  { args: ["--url", "http://localhost"], says: /must look like amqp:/ },
  { args: ["--url", "amqp://u:secret@example.org"], says: /AMQP_HOST=example\.org:5672/ },
  { args: ["--loop", "--file", "-"], input: "", says: /--loop/ },
  { args: ["--columns", "shoe=size"], says: /"shoe".*submitted, name, category/ },
  { args: ["--file", "data/none.csv"], says: /data\/none\.csv.*no such file/ },
  { args: ["--file", "data"], says: /folder/ },
  {
    args: ["--file", "/etc/hostname"],
    says: /cat \/etc\/hostname \| deno task helpdesk:produce --file -/,
  },
  { args: ["--file", "-"], input: "", says: /empty/ },
  { args: ["--file", "-"], input: "\ufeff\r\n\r\n", says: /empty/ },
  {
    args: ["--file", "-"],
    input: "Date_Time,First_Name,Help_Request\n",
    says: /header but no rows/,
  },
  {
    args: ["--file", "-"],
    input: "Date_Time,Help_Request\n1,2\n",
    says: /no column for name.*First_Name/,
  },
  { args: ["--file", "-"], input: '"Date_Time\n1,2\n', says: /header/ },
];

e2e("misuse is one line, exit 2, and nothing is published", async () => {
  await using vhost = await Vhost.create();
  await using connection = await vhost.connect();
  for (const { args, input, says } of MISUSE) {
    const process = vhost.start("helpdesk:produce", args, input === undefined ? {} : { input });
    const { code, stderr } = await process.ended;
    const shown = `${args.join(" ")}: ${stderr}`;
    assert.equal(code, 2, shown);
    assert.match(stderr, says, shown);
    assert.equal(stderr.trimEnd().split("\n").length, 1, shown);
    assert.doesNotMatch(stderr, /secret/, shown);
    assert.deepEqual(eventsOf(process, "published"), [], shown);
  }
  assert.equal((await connection.inspect("help_queue"))?.ready ?? 0, 0);
});

e2e("--purge waits until the file has shown that it is one", async () => {
  await using vhost = await Vhost.create();
  const args = ["--file", "-", "--interval", "0"];
  await vhost.run("helpdesk:produce", args, { input: ticketsCsv(9) });
  const input = "Date_Time,First_Name\n2/14/23 10:15,Eve\n";
  const { code } = await vhost.start("helpdesk:produce", [...args, "--purge"], { input }).ended;
  assert.equal(code, 2);
  await using connection = await vhost.connect();
  assert.equal((await connection.inspect("help_queue"))?.ready, 9);
});

e2e("malformed rows are told and skipped, --strict stops at the first", async () => {
  await using vhost = await Vhost.create();
  const input = "\ufeffdate_time,HELP_REQUEST,first_name,Extra\r\n" +
    '2/14/23 10:15,A,"Lee, Ana",x\r\n' +
    "\r\n" +
    "2/30/23 10:15,A,Eve,x\r\n" +
    '2/14/23 10:15,B,"Eve,x\r\n' +
    "2/14/23 10:15,B,Eve\r\n" +
    "2/14/23 10:15,B,Max,";
  const args = ["--file", "-", "--interval", "0", "--run", "r"];
  const all = await vhost.run("helpdesk:produce", args, { input });
  assert.equal(all.code, 2);
  assert.deepEqual(eventsOf(all, "published").map(rowOf), [1, 5]);
  assert.deepEqual(eventsOf(all, "rejected").map(({ line }) => line), [4, 5, 6]);
  const { rows, rejected, confirmed, nextRow } = all.summary;
  assert.deepEqual({ rows, rejected, confirmed, nextRow }, {
    rows: 5,
    rejected: 3,
    confirmed: 2,
    nextRow: 6,
  });
  const strict = await vhost.run("helpdesk:produce", [...args, "--strict"], { input });
  assert.equal(strict.code, 2);
  assert.deepEqual(eventsOf(strict, "published").map(rowOf), [1]);
  assert.equal(eventsOf(strict, "rejected").length, 1);
});

e2e("--dry-run needs no broker and sends nothing", async () => {
  await using vhost = await Vhost.create();
  const dry = await vhost.run("helpdesk:produce", ["--dry-run", "--interval", "0"], {
    env: { AMQP_URL: "amqp://localhost:1" },
  });
  assert.equal(dry.code, 0, dry.stderr);
  const { rows, published, confirmed } = dry.summary;
  assert.deepEqual({ rows, published, confirmed }, { rows: 125, published: 125, confirmed: 0 });
});

e2e("without a broker: ten seconds of trying, then one line without the password", async () => {
  await using vhost = await Vhost.create();
  const host = `localhost:${freePort()}`;
  const env = { AMQP_HOST: host, AMQP_URL: `amqp://guest:secret@${host}` };
  const tasks = ["helpdesk:produce", "helpdesk:work"].map((task) => vhost.start(task, [], { env }));
  for (const { code, stderr } of await Promise.all(tasks.map(({ ended }) => ended))) {
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`^No RabbitMQ at ${host} .*deno task broker.*\n$`));
    assert.doesNotMatch(stderr, /secret/);
  }
});

e2e("a wrong password or vhost is told at once", async () => {
  await using vhost = await Vhost.create();
  const { username } = testBroker();
  const host = RegExp.escape(hostList(testBroker()));
  const refusal = new RegExp(`^RabbitMQ at ${host} refuses user "${username}" on vhost.*\n$`);
  for (const parts of [{ password: "wrong-secret" }, { pathname: "nowhere" }]) {
    const url = testBrokerUrl(parts);
    const { code, stderr } = await vhost.start("helpdesk:work", ["--url", url]).ended;
    assert.equal(code, 1);
    assert.match(stderr, refusal);
    assert.doesNotMatch(stderr, /secret/);
  }
});

e2e("a second Ctrl-C more than a second later ends at once with 130", async () => {
  await using vhost = await Vhost.create();
  const worker = await vhost.start("helpdesk:work", ["--handle", "10m"]).ready();
  await vhost.run("helpdesk:produce", ["--file", "-"], { input: ticketsCsv(1) });
  await using connection = await vhost.connect();
  await eventually(
    "the worker to take it",
    async () => (await connection.inspect("help_queue"))?.ready === 0,
  );
  const first = performance.now();
  const timer = setInterval(() => worker.kill("INT"), 50);
  const { code } = await worker.ended;
  clearInterval(timer);
  assert.equal(code, 130);
  assert.ok(performance.now() - first > 1000, "the second within a second counted");
});

/** A line of a log as `--json` prints it: its time, which comes first, taken away. */
function withoutTime(line: string): Event {
  assert.match(line, /^\{"at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","event":/);
  const { at: _, ...event } = JSON.parse(line);
  return event;
}

e2e("--log appends the lines that --json prints", async () => {
  await using vhost = await Vhost.create();
  const name = `test-${crypto.randomUUID().slice(0, 8)}`;
  const path = `logs/helpdesk_worker-${name}.jsonl`;
  try {
    await vhost.run("helpdesk:produce", ["--file", "-", "--interval", "0"], {
      input: ticketsCsv(3),
    });
    const args = ["--handle", "0", "--exit-when-idle", "500ms", "--name", name, "--log"];
    const first = await vhost.run("helpdesk:work", args);
    const second = await vhost.run("helpdesk:work", [...args, "--quiet"]);
    const logged = (await Deno.readTextFile(path)).trimEnd().split("\n").map(withoutTime);
    assert.deepEqual(logged.slice(0, first.events.length), first.events);
    assert.equal(logged.length, first.events.length + 2);
    assert.deepEqual(second.events.map(({ event }) => event), ["summary"]);
  } finally {
    await Deno.remove(path);
  }
});

e2e("a log that fails in the middle of the work costs no message, and is told once", async () => {
  await using vhost = await Vhost.create();
  const name = `test-${crypto.randomUUID().slice(0, 8)}`;
  const path = `logs/helpdesk_worker-${name}.jsonl`;
  // More lines than fit into a pipe: the worker is still writing when its reader goes.
  const count = 1000;
  await Deno.mkdir("logs", { recursive: true });
  // Writing to a pipe fails as on a full disk, from the moment when its reader is gone.
  await new Deno.Command("mkfifo", { args: [path] }).output();
  try {
    await vhost.run("helpdesk:produce", ["--file", "-", "--interval", "0"], {
      input: ticketsCsv(count),
    });
    await using reader = new Deno.Command("head", { args: ["-n", "20", path], stdout: "piped" })
      .spawn();
    const args = ["--handle", "0", "--exit-when-idle", "500ms", "--name", name, "--log"];
    const worker = await vhost.run("helpdesk:work", args);
    assert.equal(worker.code, 0);
    const { stdout } = await within(reader.output(), "the end of the log's reader");
    const logged = new TextDecoder().decode(stdout).trimEnd().split("\n");
    assert.deepEqual(logged.map(withoutTime), worker.events.slice(0, 20));
    assert.equal(worker.summary.handled, count);
    const told = worker.stderr.match(/^The log can't be written any more, going on without it/gm);
    assert.equal(told?.length, 1, worker.stderr);
  } finally {
    await Deno.remove(path);
  }
});

e2e("who may not publish is told so, and every row counts as failed", async () => {
  await using vhost = await Vhost.create();
  const user = vhost.name;
  await admin("PUT", `/users/${user}`, { password: "secret", tags: "" });
  try {
    const rights = { configure: ".*", write: "^$", read: ".*" };
    await admin("PUT", `/permissions/${vhost.name}/${user}`, rights);
    const url = testBrokerUrl({ username: user, password: "secret", pathname: vhost.name });
    const args = ["--interval", "0", "--limit", "3", "--url", url];
    const { code, stderr, summary } = await vhost.run("helpdesk:produce", args);
    assert.equal(code, 1);
    assert.match(stderr, /ACCESS_REFUSED/);
    assert.deepEqual([summary.confirmed, summary.failed], [0, 3]);
  } finally {
    await admin("DELETE", `/users/${user}`);
  }
});

e2e("a message id can't begin a line of its own", async () => {
  await using vhost = await Vhost.create();
  await using connection = await vhost.connect();
  await vhost.run("helpdesk:work", ["--exit-when-idle", "300ms"]);
  await connection.once("publish", async (channel) => {
    await channel.confirmSelect();
    const messageId = "r/1\nAll is well\u001b[2J";
    const body = Buffer.from("no ticket");
    await channel.publish({ queue: "help_queue", body, properties: { messageId } });
  });
  const { stderr } = await new Deno.Command("deno", {
    args: ["task", "-q", "helpdesk:work", "--exit-when-idle", "300ms"],
    env: { NO_COLOR: "1", ...vhost.env },
  }).output();
  const lines = new TextDecoder().decode(stderr).trimEnd().split("\n");
  assert.equal(lines.length, 1, lines.join("\n"));
  assert.match(lines[0] ?? "", /^r\/1.All is well.\[2J moved to help_queue\.dead: /);
});

e2e("a reader that has seen enough ends the script without an error", async () => {
  await using vhost = await Vhost.create();
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: [
      "-c",
      "set -o pipefail; deno task --quiet helpdesk:produce --interval 20ms --json | head -n 3",
    ],
    env: { ...vhost.env, NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  assert.equal(text.decode(stdout).trimEnd().split("\n").length, 3);
  assert.equal(code, 0, text.decode(stderr));
});

e2e("`queues` lists, empties and deletes", async () => {
  await using vhost = await Vhost.create();
  await vhost.run("helpdesk:produce", ["--file", "-", "--interval", "0"], { input: ticketsCsv(3) });
  const list = vhost.start("queues");
  await list.ended;
  const [help] = eventsOf(list, "queue");
  assert.deepEqual(help, {
    event: "queue",
    queue: "help_queue",
    ready: 3,
    unacknowledged: help?.unacknowledged,
    consumers: 0,
  });
  const purge = vhost.start("queues", ["--purge", "help_queue"]);
  assert.equal((await purge.ended).code, 0);
  assert.deepEqual(purge.events, [{ event: "purged", queue: "help_queue", messages: 3 }]);
  const remove = vhost.start("queues", ["--delete", "help_queue"]);
  await remove.ended;
  assert.deepEqual(remove.events, [{ event: "deleted", queue: "help_queue", messages: 0 }]);
  const missing = await vhost.start("queues", ["--delete", "help_queue"]).ended;
  assert.deepEqual([missing.code, missing.stderr], [2, "There is no queue help_queue\n"]);
});

e2e("every task has a complete --help", async () => {
  const tasks = Object.entries(config.tasks)
    .filter(([, { command }]) => / (producers|consumers|shared\/tools)\/\w+\.ts$/.test(command))
    .map(([name]) => name);
  assert.ok(tasks.length >= 15, tasks.join());
  for (const task of tasks) {
    const { code, stdout } = await new Deno.Command("deno", {
      args: ["task", "--quiet", task, "--help"],
      env: { NO_COLOR: "1", DENO_NO_PROMPT: "1" },
    }).output();
    const text = new TextDecoder().decode(stdout);
    assert.equal(code, 0, task);
    assert.match(text, new RegExp(`Usage: deno task ${task} `));
    // It reads a file and needs no broker.
    const url = task === "csv:init" ? [] : ["--url"];
    for (const flag of [...url, "--json", "--log", "--quiet", "--help"]) {
      assert.ok(text.includes(`\n  ${flag}`), `${task} ${flag}`);
    }
  }
});

e2e("the summary of an unread producer says what was stopped", async () => {
  await using vhost = await Vhost.create();
  const producer = await vhost.start("helpdesk:produce", ["--interval", "1h"]).ready();
  await producer.until((events) => events.some(({ event }) => event === "published"));
  await producer.kill("TERM");
  const { code } = await producer.ended;
  const { rows, confirmed, nextRow } = summaryOf(producer);
  assert.deepEqual({ code, rows, confirmed, nextRow }, {
    code: 0,
    rows: 1,
    confirmed: 1,
    nextRow: 2,
  });
});
