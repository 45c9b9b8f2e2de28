/** The first quarter of an hour, as a newcomer sees it: in a terminal, from any folder, without a broker. */
import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { freePort } from "../free_port.ts";
import { e2e, eventsOf, eventually, ticketsCsv, Vhost } from "./harness.ts";
import { CTRL_C, Terminal } from "./terminal.ts";

const PROJECT = new URL("../..", import.meta.url).pathname;

/** The environment of whoever types a command: the task that runs these tests hands INIT_CWD on. */
function typing(env: Record<string, string> = {}): Record<string, string> {
  const { INIT_CWD: _, ...own } = Deno.env.toObject();
  return { ...own, NO_COLOR: "1", DENO_NO_PROMPT: "1", ...env };
}

/** Runs a command to its end. */
async function deno(args: string[], options: Deno.CommandOptions = {}) {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    ...options,
    args,
    clearEnv: true,
    env: typing(options.env),
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

e2e("the first command asks nothing, names the queues' page, and ends by Ctrl-C", async () => {
  await using vhost = await Vhost.create();
  await using terminal = new Terminal("deno task -q helpdesk:produce", { env: vhost.env });
  await terminal.until(/^ +1 {2}2023-02-14 10:15:00 {2}Yusuf/m);
  assert.match(terminal.written, /RabbitMQ's queues: http:\/\/\S+\/#\/queues .*\r\nReplaying /);
  await terminal.type(CTRL_C);
  assert.equal(await terminal.end(), 0);
  assert.match(terminal.written, /1 row in .*: 1 message published, 1 confirmed, 0 rows rejected/);
  assert.match(terminal.written, /To go on: deno task helpdesk:produce --run \S+ --skip 1,/);
  assert.doesNotMatch(terminal.written, /permission|prompt/i);
});

e2e("defaults are found from any folder, typed paths where they are typed", async () => {
  const dry = ["--dry-run", "--limit", "1"];
  for (const cwd of [PROJECT, `${PROJECT}producers`, `${PROJECT}tests/e2e`]) {
    for (const task of ["helpdesk:produce", "tasks:produce", "smoker:produce"]) {
      const { code, stderr } = await deno(["task", "-q", task, ...dry], { cwd });
      assert.equal(code, 0, `${task} in ${cwd}: ${stderr}`);
    }
  }
  const elsewhere = await Deno.makeTempDir();
  try {
    const script = `${PROJECT}producers/helpdesk.ts`;
    const flags = ["--allow-net", "--allow-env", `--allow-read=${PROJECT},${elsewhere}`];
    const run = (...args: string[]) =>
      deno(["run", ...flags, script, ...dry, ...args], { cwd: elsewhere });
    assert.match((await run()).stdout, /Yusuf/);
    await Deno.writeTextFile(`${elsewhere}/mine.csv`, ticketsCsv(1));
    assert.match((await run("--file", "mine.csv")).stdout, /Requester1/);
    const typed = await deno(
      ["task", "-q", "helpdesk:produce", ...dry, "--file", "../data/help-desk-tickets.csv"],
      { cwd: `${PROJECT}producers` },
    );
    assert.match(typed.stdout, /Yusuf/, typed.stderr);
  } finally {
    await Deno.remove(elsewhere, { recursive: true });
  }
});

e2e("the demos start from any folder", async () => {
  await using vhost = await Vhost.create();
  for (
    const [cwd, command] of [
      [`${PROJECT}producers`, ["task", "-q", "demo"]],
      ["/tmp", ["run", "-A", `${PROJECT}shared/tools/demo.ts`]],
    ] as const
  ) {
    await using terminal = new Terminal(`deno ${command.join(" ")}`, { cwd, env: vhost.env });
    await terminal.until(/ticket +2 /);
    await terminal.type(CTRL_C);
    assert.equal(await terminal.end(), 0, terminal.written);
    assert.match(terminal.written, /stopped while \d+ were waiting/);
  }
});

e2e("an alerts' file is looked for where it is typed", async () => {
  const { code, stderr } = await deno([
    "task",
    "-q",
    "alerts:notify",
    "--env-file",
    "../alerts.env",
  ], {
    cwd: `${PROJECT}consumers`,
  });
  assert.deepEqual([code, stderr], [
    2,
    `--env-file ${PROJECT}alerts.env can't be read: no such file\n`,
  ]);
});

e2e(
  "no task needs a program that Windows doesn't have, or forgets a variable for want of it",
  async () => {
    const bare = { clearEnv: true, cwd: PROJECT };
    const path = { PATH: "", HOME: Deno.env.get("HOME") ?? "/", DENO_NO_PROMPT: "1" };
    const users = Object.entries(config.tasks).filter(([, { command }]) =>
      !command.includes(" -A ")
    )
      .filter(([name]) => name !== "check");
    assert.ok(users.length > 10);
    for (const [name] of users) {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        ...bare,
        args: ["task", "-q", name, "--help"],
        env: path,
      }).output();
      const text = new TextDecoder();
      assert.deepEqual([code, text.decode(stderr)], [0, ""], name);
      assert.match(text.decode(stdout), new RegExp(`^Usage: deno task ${name} `, "m"));
    }
    // What the user has set is what the task gets: this host and no other.
    const refused = await new Deno.Command(Deno.execPath(), {
      ...bare,
      args: ["task", "-q", "tasks:new"],
      env: { ...path, AMQP_HOST: "rabbit:5672", AMQP_URL: "amqp://localhost:5672" },
    }).output();
    assert.match(
      new TextDecoder().decode(refused.stderr),
      /^This task may not reach localhost:5672/,
    );
    assert.equal(refused.code, 2);
  },
);

e2e("a worker says what it takes before it works on it: whose kill is seen", async () => {
  await using vhost = await Vhost.create();
  await vhost.run("helpdesk:produce", ["--limit", "1", "--interval", "0", "--run", "r"]);
  const { env } = vhost;
  {
    await using terminal = new Terminal("deno task -q helpdesk:work --handle 10m", { env });
    await terminal.until(
      /^w\d+ {2}takes ticket 1 {2}2023-02-14 10:15:00 {2}Yusuf: the online version/m,
    );
    assert.doesNotMatch(terminal.written, /done/);
    // As README's lesson says it: the worker's name has its process id.
    const [, pid = ""] = /^w(\d+) {2}takes/m.exec(terminal.written) ?? [];
    await new Deno.Command("kill", { args: ["-9", pid] }).output();
    await terminal.end();
  }
  await using terminal = new Terminal("deno task -q helpdesk:work --name bob --handle 0", { env });
  await terminal.until(/^bob {2}takes ticket 1 .*\(redelivered, attempt 2\)/m);
  await terminal.until(/^bob {2}done with ticket 1, Yusuf has a reply/m);
  await terminal.type(CTRL_C);
  assert.equal(await terminal.end(), 0);
});

e2e("a dry run waits for nothing and shows each message, unless a pace is typed", async () => {
  const dry = (task: string, ...args: string[]) => deno(["task", "-q", task, "--dry-run", ...args]);
  // At its usual pace of 30 s a row this takes 20 hours.
  const cook = await dry("smoker:produce");
  assert.equal(cook.code, 0, cook.stderr);
  assert.match(
    cook.stdout,
    /^ +1 {2}01-smoker {2}\{"time":"2021-05-22T12:34:10","channel":"smoker","fahrenheit":[\d.]+\}$/m,
  );
  assert.match(cook.stdout, /2461 rows in [\d.]+ s .* messages made, none sent \(dry run\)/);
  const text = await dry("helpdesk:produce", "--format", "text", "--limit", "2");
  assert.match(text.stdout, /^ +2 {2}help_queue {2}\[2\/14\/23 10:15, Oscar, A\]$/m);
  const json = await dry("tasks:produce", "--json", "--limit", "1", "--run", "r");
  const [, published, summary] = json.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(published, {
    event: "published",
    row: 1,
    queue: "task_queue",
    id: "r/1",
    body: "First task....",
  });
  assert.equal(summary.confirmed, 0);
  const paced = await dry("tasks:produce", "--interval", "250ms", "--limit", "3", "--json");
  assert.ok(JSON.parse(paced.stdout.trimEnd().split("\n").at(-1) ?? "").seconds >= 0.5);
});

e2e("for a file elsewhere Deno asks: y lets the work begin, Ctrl-C ends it there", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/mine.csv`;
    await Deno.writeTextFile(file, ticketsCsv(1));
    const command = `deno task -q helpdesk:produce --dry-run --file ${file}`;
    for (
      const [key, codes, shown] of [
        ["y\r", [0], /Requester1/],
        ["n\r", [2], /may read data\/ only\. Pipe the file in/],
        // The signal ends it, or Deno takes it for a no.
        [CTRL_C, [130, 2], /\^C/],
      ] as const
    ) {
      await using terminal = new Terminal(command, { env: { DENO_NO_PROMPT: "" } });
      await terminal.until(/Allow\?/);
      // What is typed before the question is complete doesn't count: Deno takes no answer by accident.
      const typing = setInterval(() => terminal.type(key).catch(() => {}), 200);
      try {
        assert.ok((codes as readonly number[]).includes(await terminal.end()), terminal.written);
      } finally {
        clearInterval(typing);
      }
      assert.match(terminal.written, shown);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

e2e("without a broker a person is told after a second what is waited for", async () => {
  const host = `localhost:${freePort()}`;
  const env = { AMQP_HOST: host, AMQP_URL: `amqp://${host}` };
  await using terminal = new Terminal("deno task -q tasks:work --times", { env });
  await terminal.until(/^\d\d:\d\d:\d\d {2}Waiting for RabbitMQ at localhost:\d+, 10 s at most/m);
  assert.doesNotMatch(terminal.written, /No RabbitMQ/, "before it gives up");
  assert.equal(await terminal.end(), 1);
  assert.match(terminal.written, /^\d\d:\d\d:\d\d {2}No RabbitMQ at .* `deno task broker`/m);
});

/** Rows of the panel, frame by frame: how far the cursor goes up before each, and its lines. */
function framesOf(written: string): { up: number; lines: string[] }[] {
  return written.split("\x1b[0J").slice(0, -1).map((frame) => {
    // deno-lint-ignore no-control-regex -- the cursor's moves
    const up = Number(/\x1b\[(\d+)A/.exec(frame)?.[1] ?? 0);
    const lines = frame.split("\r\n").slice(0, -1);
    // deno-lint-ignore no-control-regex -- the cursor's moves
    return { up, lines: lines.map((line) => line.replace(/\r|\x1b\[\d*[A-Z]/g, "")) };
  });
}

for (const [rows, columns] of [[11, 80], [10, 40], [4, 20], [24, 80]] as const) {
  e2e(
    `the panel fits into ${rows} rows of ${columns}: temperatures stay, frames don't pile up`,
    async () => {
      await using vhost = await Vhost.create();
      const command = "deno task -q smoker:monitor --exit-when-idle 2s";
      await using terminal = new Terminal(command, { rows, columns, env: vhost.env });
      await terminal.until(/Food B {2}no reading/);
      await vhost.run("smoker:produce", ["--speed", "3000", "--limit", "1500"]);
      assert.equal(await terminal.end(), 0);
      const frames = framesOf(terminal.written);
      assert.ok(frames.length > 10, `${frames.length} frames`);
      let drawn = 0;
      for (const { up, lines } of frames) {
        assert.equal(up, drawn, "each frame is drawn over the one before");
        assert.ok(lines.length < rows, `${lines.length} lines of ${rows}`);
        assert.ok(lines.every((line) => line.length <= columns), lines.join("\n"));
        drawn = lines.length;
      }
      const last = frames.at(-1)?.lines ?? [];
      for (const [index, name] of ["Smoker", "Food A", "Food B"].entries()) {
        assert.match(last[index] ?? "", new RegExp(`^${name} +\\d+\\.\\d °F`));
      }
      const alerts = last.filter((line) => /dropped|is over|stalled/.test(line)).length;
      assert.equal(alerts > 0, rows > 5, `${alerts} alerts`);
    },
  );
}

e2e("-h is --help, and a flag that is nearly one is guessed", async () => {
  const help = await deno(["task", "-q", "tasks:new", "-h"]);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /^Usage: deno task tasks:new/m);
  const cases: [string[], RegExp][] = [
    [["--inteval", "5s"], /^Unknown option '--inteval'\. Did you mean --interval\? Accepted: /],
    [["--quite"], /Did you mean --queue or --quiet\?/],
    [["--dry"], /Did you mean --dry-run\?/],
    [["--dryrun"], /Did you mean --dry-run\?/],
    [["--frobnicate"], /^Unknown option '--frobnicate'\. Accepted: /],
    [["--in", "5s"], /Did you mean --interval\?/],
    [["--n"], /^Unknown option '--n'\. Accepted: /],
    [["--limit", "-3"], /^--limit must be a whole number of at least 1, got "-3"$/m],
    [["--speed", "-.5"], /^--speed must be a number above 0, got "-\.5"$/m],
    [["--file", "-x"], /^--file needs a value; one that begins with a dash is typed --file=-…$/m],
  ];
  for (const [args, says] of cases) {
    const { code, stderr } = await deno(["task", "-q", "helpdesk:produce", ...args]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, says);
  }
});

e2e(
  "a wide header that lacks a column is shown with an end that says that there is more",
  async () => {
    await using vhost = await Vhost.create();
    const header = Array.from({ length: 30 }, (_, index) => `column ${index} ${"x".repeat(60)}`);
    const input = `${header.join(",")}\n${"1,".repeat(29)}1\n`;
    const process = vhost.start("helpdesk:produce", ["--file", "-"], { input });
    const { code, stderr } = await process.ended;
    assert.equal(code, 2);
    assert.match(stderr, /"column 0 x{31}…", .*"column 9 x{31}…", …\. To map another/);
  },
);

e2e("`helpdesk:new` sends one ticket, from flags or from what is answered", async () => {
  await using vhost = await Vhost.create();
  const flags = ["--name", "Zoë", "--category", "c", "--run", "r"];
  const sent = await vhost.run("helpdesk:new", flags);
  assert.equal(sent.code, 0, sent.stderr);
  assert.deepEqual(eventsOf(sent, "published"), [
    { event: "published", row: 1, queue: "help_queue", id: "r/1" },
  ]);
  await using terminal = new Terminal("deno task -q helpdesk:new", { env: vhost.env });
  await terminal.until(/Your name: $/);
  await terminal.type("\n");
  await terminal.until(/It must not be empty\s+Your name: $/);
  await terminal.type("Adam\n");
  await terminal.until(/ {2}A this program on my computer[^]* {2}E something else\s+A to E: $/);
  await terminal.type("f\n");
  await terminal.until(/It must be A, B, C, D or E[^]*A to E: $/);
  await terminal.type("b\n");
  assert.equal(await terminal.end(), 0);
  assert.match(terminal.written, /Sent Adam: the program itself/);
  const work = ["--handle", "0", "--exit-when-idle", "1s", "--name", "w"];
  const worked = eventsOf(await vhost.run("helpdesk:work", work), "ticket");
  assert.deepEqual(worked.map(({ name, category }) => [name, category]), [
    ["Zoë", "C"],
    ["Adam", "B"],
  ]);
  const submitted = worked[0]?.submitted;
  assert.match(String(submitted), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
  const local = new Date(String(submitted));
  assert.ok(Math.abs(Date.now() - local.getTime()) < 120_000, `${submitted} is local time`);

  const nobody = await vhost.start("helpdesk:new", ["--name", "Adam"]).ended;
  assert.equal(nobody.code, 2);
  assert.match(nobody.stderr, /^--name and --category are needed .*A this program on my computer/);
  const wrong = await vhost.start("helpdesk:new", ["--name", "Adam", "--category", "F"]).ended;
  assert.deepEqual([wrong.code, wrong.stderr], [
    2,
    '--category must be A, B, C, D or E, got "F"\n',
  ]);

  const blank = await vhost.start("helpdesk:new", ["--name", "  ", "--category", "A"]).ended;
  assert.deepEqual([blank.code, blank.stderr], [2, '--name must not be empty, got "  "\n']);

  const CTRL_D = "\x04";
  for (const key of [CTRL_C, CTRL_D]) {
    await using stopped = new Terminal("deno task -q helpdesk:new", { env: vhost.env });
    await stopped.until(/Your name: $/);
    await stopped.type(key);
    assert.equal(await stopped.end(), 0);
    assert.match(stopped.written, /Nothing was sent/);
    assert.doesNotMatch(stopped.written, /What do you need/);
  }
  await using connection = await vhost.connect();
  assert.equal((await connection.inspect("help_queue"))?.ready, 0);
});

e2e(
  "--log keeps what was sent, errors and the stop; each worker has a file of its own",
  async () => {
    await using vhost = await Vhost.create();
    const read = async (name: string) =>
      (await Deno.readTextFile(`${PROJECT}logs/${name}`)).trimEnd().split("\n").map((line) =>
        JSON.parse(line)
      );
    const made: string[] = [];
    try {
      const workers = await Promise.all(
        [1, 2].map(() => vhost.start("tasks:work", ["--log", "--dot", "0"]).ready()),
      );
      made.push(...workers.map(({ pid }) => `task_worker-w${pid}.jsonl`));
      const run = `test-${crypto.randomUUID().slice(0, 8)}`;
      await vhost.run("tasks:new", ["--log", "--run", run, "A", "task."]);
      // Others may be writing to it, too.
      const sent = (await read("new_task.jsonl")).filter(({ id }) => id === `${run}/1`);
      assert.equal(sent.length, 1);
      const { at, ...published } = sent[0];
      assert.match(at, /Z$/);
      assert.deepEqual(published, {
        event: "published",
        row: 1,
        queue: "task_queue",
        id: `${run}/1`,
        body: "A task.",
      });
      await eventually(
        "the task to be done",
        () => Promise.resolve(workers.some((worker) => eventsOf(worker, "task").length === 1)),
      );
      for (const worker of workers) {
        await worker.kill("INT");
        assert.equal((await worker.ended).code, 0);
        const logged = await read(`task_worker-w${worker.pid}.jsonl`);
        const notes = logged.filter(({ event }) => event === "note").map(({ text }) => text);
        assert.deepEqual(notes, [
          "Stopping once what is in hand is finished (Ctrl-C again ends at once)",
        ]);
      }
      const host = `localhost:${freePort()}`;
      const env = { AMQP_HOST: host, AMQP_URL: `amqp://${host}` };
      const name = `test-${crypto.randomUUID().slice(0, 8)}`;
      made.push(`task_worker-${name}.jsonl`);
      await vhost.start("tasks:work", ["--log", "--name", name], { env }).ended;
      const events = await read(`task_worker-${name}.jsonl`);
      assert.match(events.at(-1)?.text, new RegExp(`^No RabbitMQ at ${host} `));
      assert.equal(events.at(-1)?.event, "error");
    } finally {
      for (const name of made) await Deno.remove(`${PROJECT}logs/${name}`).catch(() => {});
    }
  },
);

e2e(
  "a fast replay's bar leaves a terminal's lines alone; --times puts the clock before each",
  async () => {
    await using vhost = await Vhost.create();
    const command = "deno task -q tasks:produce --interval 1ms --times --limit 3";
    await using terminal = new Terminal(command, { env: vhost.env });
    assert.equal(await terminal.end(), 0);
    const lines = terminal.written.trimEnd().split("\r\n");
    assert.equal(lines.length, 6, terminal.written);
    for (const line of lines) assert.match(line, /^\d\d:\d\d:\d\d {2}/);
  },
);
