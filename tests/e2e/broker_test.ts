/**
 * The broker task on ports of its own: brokers are started, killed, interrupted and ended, each in its folder
 * below .rabbitmq, which is removed afterwards. The broker on port 5672 isn't touched.
 */
import assert from "node:assert/strict";
import type { Event } from "../../shared/script.ts";
import { e2e, eventually } from "./harness.ts";

const PORT = 5691;
const FOLDER = `.rabbitmq/${PORT}`;
const ADMIN = `http://localhost:${PORT + 10_000}/api`;

/** A run of the task to its end. */
async function broker(...args: string[]) {
  return await ended(spawnBroker(...args));
}

function spawnBroker(...args: string[]): Deno.ChildProcess {
  return new Deno.Command("deno", {
    args: ["task", "--quiet", "broker", ...args],
    env: { NO_COLOR: "1", DENO_NO_PROMPT: "1", AMQP_URL: "" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function ended(child: Deno.ChildProcess) {
  const { code, stdout, stderr } = await child.output();
  const [said, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
  return { code, stdout: said ?? "", stderr: errors ?? "" };
}

/** The event that a run with `--json` ends with. */
async function event(...args: string[]): Promise<Event> {
  const { code, stdout, stderr } = await broker("--port", String(PORT), "--json", ...args);
  assert.equal(code, 0, stderr);
  const lines = stdout.split("\n").map((line) => JSON.parse(line));
  return lines.find(({ event }) => event === "broker");
}

/** Ends the broker of a test, if it runs, and removes what it left. */
function cleaned(port = PORT): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      const { stdout } = await broker("--port", String(port), "--json", "--status");
      const { pid } = JSON.parse(stdout.split("\n")[0] ?? "");
      if (typeof pid === "number") {
        Deno.kill(pid, "SIGKILL");
        await eventually("the broker's end", async () => !await isAlive(pid));
      }
      await Deno.remove(`.rabbitmq/${port}`, { recursive: true }).catch(() => {});
    },
  };
}

async function admin(method: string, path: string, body?: unknown) {
  const response = await fetch(`${ADMIN}${path}`, {
    method,
    headers: { authorization: `Basic ${btoa("guest:guest")}` },
    ...body === undefined ? {} : { body: JSON.stringify(body) },
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

async function isAlive(pid: number): Promise<boolean> {
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "stat=", "-p", String(pid)] })
    .output();
  return /^[^Z]/.test(new TextDecoder().decode(stdout).trim());
}

/** Addresses, in hexadecimal, on which a process listens. */
async function listening(pid: number): Promise<string[]> {
  const sockets = new Set<string>();
  for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
    const link = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "");
    const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
    if (inode) sockets.add(inode);
  }
  const addresses: string[] = [];
  for (const table of ["tcp", "tcp6"]) {
    for (const line of (await Deno.readTextFile(`/proc/net/${table}`)).split("\n")) {
      const [, address = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
      if (state === "0A" && sockets.has(inode)) addresses.push(address);
    }
  }
  return addresses;
}

e2e("a broker starts once, for this machine only, and says what it is", async () => {
  await using _ = cleaned();
  const [one, two] = await Promise.all([event(), event()]);
  assert.deepEqual([one.state, two.state].sort(), ["running", "started"]);
  assert.equal(one.pid, two.pid, "two starts at once are one");
  const { pid, version } = one;
  assert.match(String(version), /^\d+\.\d+\.\d+/);

  assert.equal((await admin("GET", "/overview")).rabbitmq_version, version);
  if (Deno.build.os === "linux") {
    const ports = [PORT, PORT + 10_000, PORT + 20_000];
    assert.deepEqual(
      (await listening(Number(pid))).sort(),
      ports.map((port) => `0100007F:${port.toString(16).toUpperCase()}`).sort(),
    );
  }
  const again = await broker("--port", String(PORT));
  assert.match(again.stdout, new RegExp(`RabbitMQ ${version} runs on localhost:${PORT} `));
  assert.match(again.stdout, new RegExp(`http://localhost:${PORT + 10_000}`));
  assert.match(again.stdout, new RegExp(`AMQP_HOST=localhost:${PORT} AMQP_URL=amqp://`));
  assert.equal(again.stderr, "");

  const status = await event("--status");
  assert.deepEqual([status.state, status.pid, status.data], ["running", pid, FOLDER]);
  const mixedUp = await broker("--port", "5692", "--data", FOLDER);
  assert.equal(mixedUp.code, 2);
  assert.match(mixedUp.stderr, /is the folder of the broker on port 5691, not 5692$/);

  const stopped = await event("--stop");
  assert.deepEqual([stopped.state, stopped.pid], ["stopped", pid]);
  assert.equal(await isAlive(Number(pid)), false);
  assert.ok((await Deno.stat(`${FOLDER}/data`)).isDirectory, "its data stay");
  assert.equal((await event("--status")).state, "not running");
  assert.equal((await event("--stop")).state, "not running");
});

e2e("a broker killed -9 starts again with its queues and messages", async () => {
  await using _ = cleaned();
  const first = await event();
  await admin("PUT", "/queues/%2F/kept", {
    durable: true,
    arguments: { "x-queue-type": "quorum" },
  });
  await admin("POST", "/exchanges/%2F/amq.default/publish", {
    routing_key: "kept",
    payload: "still here",
    payload_encoding: "string",
    properties: { delivery_mode: 2 },
  });
  // RabbitMQ 3.10 loses a quorum queue that is younger than the second in which it writes its name down.
  const names =
    `${FOLDER}/data/rabbit-${PORT}@localhost/quorum/rabbit-${PORT}@localhost/names.dets`;
  await eventually(
    "the queue's name on disk",
    async () => (await Deno.readTextFile(names)).includes("kept"),
  );
  Deno.kill(Number(first.pid), "SIGKILL");
  await eventually("its end", async () => !await isAlive(Number(first.pid)));

  const second = await event();
  assert.equal(second.state, "started");
  assert.notEqual(second.pid, first.pid);
  await eventually("the message", async () => {
    const get = { count: 1, ackmode: "ack_requeue_false", encoding: "auto" };
    return (await admin("POST", "/queues/%2F/kept/get", get))[0]?.payload === "still here";
  });

  Deno.kill(Number(second.pid), "SIGSTOP");
  assert.equal((await event("--status")).state, "not answering");
  assert.equal((await event("--stop")).pid, second.pid, "a frozen one can be ended");
});

e2e("--stop leaves alone what a stale pid file names", async () => {
  await using _ = cleaned();
  Deno.kill(Number((await event()).pid), "SIGKILL");
  const innocent = new Deno.Command("sleep", { args: ["600"] }).spawn();
  try {
    await Deno.writeTextFile(`${FOLDER}/rabbitmq.pid`, `${innocent.pid}\n`);
    assert.equal((await event("--stop")).state, "not running");
    assert.equal(await isAlive(innocent.pid), true);
    await assert.rejects(Deno.stat(`${FOLDER}/rabbitmq.pid`), Deno.errors.NotFound);
  } finally {
    innocent.kill();
    await innocent.status;
  }
});

e2e("an interrupted start leaves nothing that is in the way of the next", async () => {
  await using _ = cleaned();
  const child = spawnBroker("--port", String(PORT));
  await eventually("the node's log", async () => {
    return await Deno.stat(`${FOLDER}/log/startup.log`).then(() => true, () => false);
  });
  child.kill("SIGINT");
  const { code, stderr } = await ended(child);
  assert.equal(code, 1);
  assert.match(stderr, /Interrupted/);
  assert.equal((await event("--status")).state, "not running");
  assert.equal((await event()).state, "started");
});

e2e("a port that is taken is one line, exit 1", async () => {
  await using _ = cleaned(5695);
  for (const port of [5695, 15_695, 25_695]) {
    using _listener = Deno.listen({ hostname: "127.0.0.1", port });
    const { code, stdout, stderr } = await broker("--port", "5695");
    assert.deepEqual([code, stdout], [1, ""], stderr);
    assert.match(stderr, new RegExp(`^Port ${port} .*taken.*--port$`));
  }
});

e2e("misuse of the broker task is one line, exit 2", async () => {
  const misuse: [string[], RegExp][] = [
    [["--ports", "5691"], /--ports.*Accepted: .*--port .*--help/],
    [["--port", "1023"], /--port must be a whole number from 1024 to 45535, got "1023"/],
    [["--port", "45536"], /--port must be/],
    [["--port", "x"], /--port must be/],
    [["--port"], /--port/],
    [["surplus"], /surplus/],
    [["--stop", "--status"], /exclude each other/],
    [["--url", "amqp://localhost", "--port", "5691"], /--url.*excludes --port/],
    [["--url", "http://localhost"], /must look like amqp:/],
    [["--url", "amqp://u:secret@rabbit.example"], /AMQP_HOST=rabbit\.example:5672/],
    [["--data", "/elsewhere"], /--data must be below \.rabbitmq/],
  ];
  const runs = misuse.map(async ([args, says]) => {
    const { code, stdout, stderr } = await broker(...args);
    const shown = `${args.join(" ")}: ${stderr}`;
    assert.deepEqual([code, stdout], [2, ""], shown);
    assert.match(stderr, says, shown);
    assert.equal(stderr.split("\n").length, 1, shown);
    assert.doesNotMatch(stderr, /secret/);
  });
  await Promise.all(runs);
});
