/**
 * A private RabbitMQ node on this machine: found, started, ended. Nothing here prints.
 *
 * What runs is read from the process list, where a node carries its folder among its arguments. The pid file is
 * RabbitMQ's own and for people: it may be stale, and its pid another program's by now.
 */
import { delay, FailedError, reasonOf } from "../../script.ts";
import { greeting } from "./greeting.ts";
import { configuredNode, DISTRIBUTION_OFFSET, type NodeOptions } from "./node_conf.ts";
import { launch, logFile, MARK, requirePorts, whyItEnded } from "./node_launch.ts";

export { logFile, type NodeOptions };

export const MIN_PORT = 1024;
export const MAX_PORT = 65_535 - DISTRIBUTION_OFFSET;

/** How long a broker may take to boot, milliseconds; nodes of a cluster boot side by side and wait for each other. */
const BOOT_MS = 60_000;
const CLUSTER_BOOT_MS = 150_000;
/** How long it may take to shut down before it is killed, milliseconds. */
const SHUTDOWN_MS = 30_000;
const TERM_MS = 2000;
const POLL_MS = 200;

/**
 * Why a node of a new cluster may end where a second try helps: it asked a fellow that was only just booting, which
 * knows nothing of its feature flags yet (seen with RabbitMQ 3.10.8).
 */
const TOO_SOON = /incompatible_feature_flags, *\{badrpc/;

/** Where packages put it. Debian's wrapper in /usr/sbin would change user and folder. */
const SERVERS = ["/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin"]
  .map((folder) => `${folder}/rabbitmq-server`);
/** How to wait: `report` is called again and again with what is waited for. */
export interface Waiting {
  readonly signal: AbortSignal;
  readonly report: (what: string) => void;
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

/**
 * Starts a node, unless it runs, and waits until it answers.
 *
 * @param server What {@link installedServer} found.
 * @returns Whether it had to be started.
 * @throws {FailedError} If it can't start, or doesn't answer within a minute (2.5 in a cluster).
 */
export async function startNode(
  server: string,
  node: NodeOptions,
  { signal, report }: Waiting,
): Promise<boolean> {
  const { port, data } = node;
  using _lock = await lockFolder(data, { signal, report });
  const deadline = Date.now() + (node.cluster?.length ? CLUSTER_BOOT_MS : BOOT_MS);
  for (let launched = false;;) {
    if (signal.aborted) {
      if (launched) await end(data, report);
      throw new FailedError(
        `Interrupted: ${launched ? "RabbitMQ is ended again" : "nothing was started"}`,
      );
    }
    const pid = await runningPid(data);
    if (pid === undefined) {
      const why = launched ? await whyItEnded(data) : "";
      if (launched && !(TOO_SOON.test(why) && Date.now() < deadline)) throw new FailedError(why);
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
  if (!await configuredNode(data)) return undefined;
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
export async function lockFolder(data: string, { signal, report }: Waiting): Promise<Disposable> {
  let file: Deno.FsFile;
  try {
    await Deno.mkdir(`${data}/log`, { recursive: true });
    // Messages, the cookie and the log are nobody else's business.
    if (Deno.build.os !== "windows") await Deno.chmod(data, 0o700);
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

/** Runs a program to its end. */
async function program(path: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(path, {
    args,
    clearEnv: true,
    stdin: "null",
    // A session of its own: Ctrl-C in the terminal is for us, and we end what was started.
    detached: true,
  })
    .output().catch((error) => {
      throw new FailedError(`Cannot run ${path}: ${reasonOf(error)}`);
    });
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new FailedError(`${path} failed: ${decode(stderr).trim()}`);
  return decode(stdout);
}
