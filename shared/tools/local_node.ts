/**
 * A private RabbitMQ node on this machine: found, started, ended. Nothing here prints.
 *
 * What runs is read from the process list, where a node carries its folder among its arguments. The pid file is
 * RabbitMQ's own and for people: it may be stale, and its pid another program's by now.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { delay, unlessAborted } from "../abort.ts";
import { FailedError, reasonOf } from "../errors.ts";

/** How far above a node's AMQP port its admin site and Erlang's distribution listen. */
const ADMIN_OFFSET = 10_000;
const DISTRIBUTION_OFFSET = 20_000;
export const MIN_PORT = 1024;
export const MAX_PORT = 65_535 - DISTRIBUTION_OFFSET;

/** How long a broker may take to greet, to boot, and to shut down before it is killed; milliseconds. */
const GREETING_MS = 3000;
const BOOT_MS = 60_000;
const SHUTDOWN_MS = 30_000;
const TERM_MS = 2000;
const POLL_MS = 200;

/** Where packages put it. Debian's wrapper in /usr/sbin would change user and folder. */
const SERVERS = ["/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin"]
  .map((folder) => `${folder}/rabbitmq-server`);
const MORE_PATH = "/opt/homebrew/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** The argument of a node's process that names its folder. */
const MARK = "-local_node";

/** A node: its port, its folder and what its rabbitmq.conf says beyond that. */
export interface NodeOptions {
  /** Of AMQP, {@link MIN_PORT} to {@link MAX_PORT}. */
  readonly port: number;
  /** Folder of everything it writes: data, log, configuration, cookie, pid file. */
  readonly data: string;
  /** More lines for its rabbitmq.conf. @default none */
  readonly conf?: readonly string[];
}

/** How to wait: `report` is told again and again what for. */
export interface Waiting {
  readonly signal: AbortSignal;
  readonly report: (what: string) => void;
}

/** What a broker says of itself. */
export interface Greeting {
  readonly product: string;
  readonly version: string;
}

/** Asks an address for the greeting of AMQP 0-9-1 and hangs up; `undefined` if there is none within 3 s. */
export async function greeting(
  { hostname, port, tls = false }: { hostname: string; port: number; tls?: boolean },
): Promise<Greeting | undefined> {
  let conn: Deno.Conn | undefined;
  const ask = async () => {
    conn = await (tls ? Deno.connectTls({ hostname, port }) : Deno.connect({ hostname, port }));
    await conn.write(new TextEncoder().encode("AMQP\0\0\x09\x01"));
    return await readGreeting(conn);
  };
  try {
    return await unlessAborted(ask(), AbortSignal.timeout(GREETING_MS));
  } catch {
    return undefined;
  } finally {
    conn?.close();
  }
}

/** Connection.Start: type 1, channel, length (1, 2, 4 bytes), class 10, method 10, …, the server's properties. */
async function readGreeting(conn: Deno.Conn): Promise<Greeting | undefined> {
  const frame = new Uint8Array(65_536);
  let size = 0;
  for (let end = 11; size < Math.min(end, frame.length);) {
    const read = await conn.read(frame.subarray(size));
    if (read === null || frame[0] !== 1) return undefined;
    size += read;
    if (size >= 7) end = 8 + new DataView(frame.buffer).getUint32(3);
  }
  if (frame[8] !== 10 || frame[10] !== 10) return undefined;
  const text = new TextDecoder("latin1").decode(frame.subarray(0, size));
  // A property: length of the name, the name, "S", length of the text (4 bytes), the text.
  const property = (name: string) => {
    const key = String.fromCharCode(name.length) + name + "S";
    const from = text.indexOf(key) + key.length + 4;
    return text.includes(key) ? text.slice(from, from + text.charCodeAt(from - 1)) : "?";
  };
  return { product: property("product"), version: property("version") };
}

/** The rabbitmq-server to start; `undefined` when none is installed. */
export async function installedServer(): Promise<string | undefined> {
  for (const path of SERVERS) {
    if (await Deno.stat(path).then((file) => file.isFile, () => false)) return path;
  }
  // Deno grants a program by name if it found it in PATH.
  const { state } = await Deno.permissions.query({ name: "run", command: "rabbitmq-server" });
  return state === "granted" ? "rabbitmq-server" : undefined;
}

/** The pid of the node of a folder; `undefined` when it isn't running. */
export async function runningPid(data: string): Promise<number | undefined> {
  const folder = await Deno.realPath(data).catch(() => undefined);
  if (folder === undefined) return undefined;
  const list = await program("/bin/ps", "-ww", "-A", "-o", "pid=", "-o", "args=");
  const mark = ` ${MARK} ${encodeURI(folder)}`;
  const line = list.split("\n").find((line) => `${line.trimEnd()} `.includes(`${mark} `));
  return line === undefined ? undefined : parseInt(line);
}

/** The nodes that were ever started below a folder, by port. */
export async function listNodes(folder: string): Promise<NodeOptions[]> {
  const nodes: NodeOptions[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      const port = await configuredPort(`${folder}/${name}`);
      if (port !== undefined) nodes.push({ port, data: `${folder}/${name}` });
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return nodes.sort((a, b) => a.port - b.port);
}

/** The port of the node whose folder this is. */
export async function configuredPort(data: string): Promise<number | undefined> {
  const conf = await Deno.readTextFile(`${data}/rabbitmq.conf`).catch(() => "");
  const port = /^listeners\.tcp\.local = 127\.0\.0\.1:(\d+)$/m.exec(conf)?.[1];
  return port === undefined ? undefined : Number(port);
}

/** The file in which a node says what it does. */
export function logFile(data: string): string {
  return `${data}/log/rabbitmq.log`;
}

/**
 * Starts a node, unless it runs, and waits until it answers.
 *
 * @param server What {@link installedServer} found.
 * @returns Whether it had to be started.
 * @throws {FailedError} If it can't start, or doesn't answer within a minute.
 */
export async function startNode(
  server: string,
  node: NodeOptions,
  { signal, report }: Waiting,
): Promise<boolean> {
  const { port, data } = node;
  using _lock = await lockFolder(data, { signal, report });
  const deadline = Date.now() + BOOT_MS;
  for (let launched = false;;) {
    if (signal.aborted) {
      if (launched) await end(data, report);
      throw new FailedError(
        `Interrupted: ${launched ? "RabbitMQ is ended again" : "nothing was started"}`,
      );
    }
    const pid = await runningPid(data);
    if (pid === undefined) {
      if (launched) throw new FailedError(await whyItEnded(data));
      requirePorts(port);
      await launch(server, node);
      launched = true;
    } else if (await greeting({ hostname: "127.0.0.1", port })) {
      return launched;
    } else if (Date.now() > deadline) {
      const what = `RabbitMQ (pid ${pid}) runs but doesn't answer on port ${port}`;
      throw new FailedError(`${what}: see ${logFile(data)}; --stop ends it`);
    }
    report(launched ? `Starting RabbitMQ on port ${port}` : "Waiting for RabbitMQ to answer");
    await delay(POLL_MS, signal);
  }
}

/**
 * Ends the node of a folder, and nothing else; its data stay.
 *
 * @returns The pid it had; `undefined` when it wasn't running.
 * @throws {FailedError} If it can't be ended.
 */
export async function stopNode(data: string, waiting: Waiting): Promise<number | undefined> {
  if (await configuredPort(data) === undefined) return undefined;
  using _lock = await lockFolder(data, waiting);
  return await end(data, waiting.report);
}

async function end(data: string, report: (what: string) => void): Promise<number | undefined> {
  const first = await runningPid(data);
  const since = Date.now();
  let told = 0;
  for (let pid = first; pid !== undefined; pid = await runningPid(data)) {
    report(`Stopping RabbitMQ (pid ${pid})`);
    if (Date.now() - told >= TERM_MS) {
      told = Date.now();
      // Told again and again: Erlang forgets a TERM while it boots. CONT lets a frozen one hear it.
      for (const signal of [told - since < SHUTDOWN_MS ? "-TERM" : "-KILL", "-CONT"]) {
        await program("/bin/kill", signal, String(pid)).catch(async (error) => {
          if (await runningPid(data) === pid) throw error;
        });
      }
    }
    await delay(POLL_MS);
  }
  await Deno.remove(`${data}/rabbitmq.pid`).catch(() => {});
  return first;
}

/** One start or stop at a time. The system lets go of the lock when this process ends, however that happens. */
async function lockFolder(data: string, { signal, report }: Waiting): Promise<Disposable> {
  let file: Deno.FsFile;
  try {
    await Deno.mkdir(`${data}/log`, { recursive: true });
    await Deno.mkdir(`${data}/home`, { recursive: true, mode: 0o700 });
    file = await Deno.open(`${data}/lock`, { create: true, write: true });
  } catch (error) {
    throw new FailedError(`The broker's folder ${data} can't be used: ${reasonOf(error)}`);
  }
  while (!await file.tryLock(true)) {
    report("Waiting for another start or stop of this broker");
    await delay(POLL_MS, signal);
    if (signal.aborted) {
      throw new FailedError("Interrupted while another start or stop was under way");
    }
  }
  return file;
}

/** @throws {FailedError} If a port isn't free. */
function requirePorts(port: number): void {
  const uses = { AMQP: 0, "the admin site": ADMIN_OFFSET, Erlang: DISTRIBUTION_OFFSET };
  for (const [use, offset] of Object.entries(uses)) {
    try {
      Deno.listen({ hostname: "127.0.0.1", port: port + offset }).close();
    } catch (error) {
      const why = error instanceof Deno.errors.AddrInUse
        ? "is taken by another program: end that, or take another --port"
        : `can't be used: ${reasonOf(error)}`;
      throw new FailedError(`Port ${port + offset} (${use}) ${why}`);
    }
  }
}

/** Writes a node's configuration and starts its process, in a session of its own. */
async function launch(server: string, { port, data, conf = [] }: NodeOptions): Promise<void> {
  const folder = await Deno.realPath(data);
  const files = {
    "rabbitmq.conf": [
      `listeners.tcp.local = 127.0.0.1:${port}`,
      "management.tcp.ip = 127.0.0.1",
      `management.tcp.port = ${port + ADMIN_OFFSET}`,
      ...conf,
    ],
    "advanced.config": ["[]."],
    "enabled_plugins": ["[rabbitmq_management]."],
    "env.conf": [],
  };
  for (const [name, lines] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/${name}`, lines.map((line) => `${line}\n`).join(""));
  }
  const env = {
    PATH: `${Deno.env.get("PATH")}:${MORE_PATH}`,
    LANG: Deno.build.os === "darwin" ? "en_US.UTF-8" : "C.UTF-8",
    HOME: `${folder}/home`,
    // The start script becomes the node instead of waiting for it: one process, one pid.
    RUNNING_UNDER_SYSTEMD: "true",
    ERL_EPMD_ADDRESS: "127.0.0.1",
    ERL_CRASH_DUMP: `${folder}/log/erl_crash.dump`,
    // Nothing of the system's own configuration is read.
    RABBITMQ_CONF_ENV_FILE: `${folder}/env.conf`,
    RABBITMQ_CONFIG_FILE: `${folder}/rabbitmq.conf`,
    RABBITMQ_CONFIG_FILES: `${folder}/conf.d`,
    RABBITMQ_ADVANCED_CONFIG_FILE: `${folder}/advanced.config`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${folder}/enabled_plugins`,
    RABBITMQ_NODENAME: `rabbit-${port}@localhost`,
    RABBITMQ_DIST_PORT: String(port + DISTRIBUTION_OFFSET),
    RABBITMQ_MNESIA_BASE: `${folder}/data`,
    RABBITMQ_LOG_BASE: `${folder}/log`,
    RABBITMQ_LOGS: logFile(folder),
    RABBITMQ_PID_FILE: `${folder}/rabbitmq.pid`,
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
  };
  // Not Deno.Command: it can't write a child's output into a file.
  const output = openSync(startupLog(folder), "w");
  try {
    const child = spawn(server, [MARK, encodeURI(folder)], {
      cwd: folder,
      detached: true,
      env,
      stdio: ["ignore", output, output],
    });
    const failed = new Promise<Error>((resolve) => child.once("error", resolve));
    if (child.pid === undefined) {
      throw new FailedError(`Cannot start ${server}: ${reasonOf(await failed)}`);
    }
    child.unref();
  } finally {
    closeSync(output);
  }
}

const startupLog = (data: string) => `${data}/log/startup.log`;

/** One line about a node that ended by itself: its log, and what stands there about it. */
async function whyItEnded(data: string): Promise<string> {
  const text = (await Deno.readTextFile(startupLog(data)).catch(() => "")).trim();
  const telling = /^ERROR: .+/m.exec(text)?.[0] ??
    /\[error\] <[\d.]+> +(?!BOOT FAILED|=)(\S.+)/.exec(text)?.[1] ??
    /Error during startup: [^]+/.exec(text)?.[0] ?? text.split("\n").at(-1);
  const line = telling?.replace(/\s+/g, " ").slice(0, 300) || "nothing is written there";
  return `RabbitMQ didn't start, see ${startupLog(data)}: ${line}`;
}

/** Runs a program to its end. */
async function program(path: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(path, {
    args,
    clearEnv: true,
    stdin: "null",
  })
    .output().catch((error) => {
      throw new FailedError(`Cannot run ${path}: ${reasonOf(error)}`);
    });
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new FailedError(`${path} failed: ${decode(stderr).trim()}`);
  return decode(stdout);
}
