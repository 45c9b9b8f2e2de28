/**
 * The other AMQP clients: programs of `peers/` that do what our scripts do, and say how long it took. Nothing is
 * installed for them; one that can't run here is left out, with a line that says what it lacks.
 */
import { hostList } from "../../shared/connection.ts";
import { FailedError, type Output, reasonOf } from "../../shared/script.ts";
import { testBroker } from "../test_broker.ts";

const text = new TextDecoder();
const fileOf = (name: string) => new URL(`peers/${name}`, import.meta.url).pathname;

/** What a peer does: publish the lines of standard input, or consume so many messages. */
export type Role = "publish" | "publish with confirms" | "connect for each" | "consume";

/** Another client. */
export interface Peer {
  readonly name: string;
  /** Name and version. */
  readonly version: string;
  /** The program and its first arguments in each role that it plays; the URL follows. */
  readonly commands: Partial<Record<Role, (url: string) => string[]>>;
}

/** Debian's, because its python3-pika is for no other. */
const PYTHON = "/usr/bin/python3";

/** Finds the clients that can run here; the C program is compiled into `folder`. */
export async function findPeers(folder: string, out: Output): Promise<Peer[]> {
  const found = await Promise.all([librabbitmq(folder), amqplib(), pika()]);
  return found.filter((peer) => {
    if (typeof peer === "string") out.note(peer);
    return typeof peer !== "string";
  });
}

async function librabbitmq(folder: string): Promise<Peer | string> {
  const program = `${folder}/librabbitmq`;
  const source = fileOf("librabbitmq.c");
  const compiled = await output("gcc", ["-O2", "-Wall", "-o", program, source, "-lrabbitmq"]);
  const version = compiled === undefined ? undefined : await output(program, ["version"]);
  if (version === undefined) {
    return "librabbitmq is skipped: apt-get install -y gcc librabbitmq-dev";
  }
  return {
    name: "librabbitmq (C)",
    version: `librabbitmq ${version}`,
    commands: {
      "publish with confirms": (url) => [program, url, "publish"],
      "consume": (url) => [program, url, "consume"],
    },
  };
}

async function amqplib(): Promise<Peer | string> {
  const source = fileOf("amqplib.ts");
  const net = `--allow-net=${hostList(testBroker())}`;
  const command = ["deno", "run", net, "--allow-env", source];
  const [, version] = /npm:amqplib@([\d.]+)/.exec(await Deno.readTextFile(source)) ?? [];
  if (await output("deno", ["check", "--quiet", source]) === undefined) {
    return "amqplib is skipped: it can't be fetched from npm";
  }
  return {
    name: "amqplib (Deno)",
    version: `amqplib ${version}`,
    commands: {
      "publish with confirms": (url) => [...command, url, "publish"],
      "consume": (url) => [...command, url, "consume"],
    },
  };
}

async function pika(): Promise<Peer | string> {
  const version = await output(PYTHON, ["-c", "import pika; print(pika.__version__)"]);
  if (version === undefined) return "pika is skipped: apt-get install -y python3-pika";
  return {
    name: "pika (Python)",
    version: `pika ${version}`,
    commands: {
      "publish": (url) => [PYTHON, fileOf("pika_publish.py"), url],
      "publish with confirms": (url) => [PYTHON, fileOf("pika_publish.py"), url, "--confirms"],
      "connect for each": (url) => [PYTHON, fileOf("pika_exercise.py"), url],
      "consume": (url) => [PYTHON, fileOf("pika_consume.py"), url],
    },
  };
}

/** What a program prints, trimmed; `undefined` when it can't run or fails. */
async function output(program: string, args: string[]): Promise<string | undefined> {
  try {
    const options = { args, stdin: "null", stderr: "null" } as const;
    const { success, stdout } = await new Deno.Command(program, options).output();
    return success ? text.decode(stdout).trim() : undefined;
  } catch {
    return undefined;
  }
}

/** What a peer has done. */
export interface PeerRun {
  readonly rowsPerSecond: number;
  /** From starting the program until it had said that it is done. */
  readonly wholeSeconds: number;
}

/**
 * Runs a peer to its end.
 *
 * @param command The program and its arguments.
 * @param options `input` is its standard input, `rows` what it must have done.
 * @throws {FailedError} If it fails or does less.
 */
export async function runPeer(
  command: string[],
  { input = "", rows }: { input?: string; rows: number },
): Promise<PeerRun> {
  const [program = "", ...args] = command;
  const began = performance.now();
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const fed = ReadableStream.from([input]).pipeThrough(new TextEncoderStream())
    .pipeTo(child.stdin).catch(() => {}); // One that fails closes its input.
  const errors = new Response(child.stderr).text();
  let printed = "";
  let wholeSeconds = 0;
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    wholeSeconds ||= (performance.now() - began) / 1000;
    printed += piece;
  }
  await fed;
  await child.status;
  try {
    const done = JSON.parse(printed);
    if (done.rows === rows) return { rowsPerSecond: rows / done.seconds, wholeSeconds };
    throw new Error(`${done.rows} rows instead of ${rows}`);
  } catch (error) {
    const why = (await errors).trim().split("\n").at(-1) || reasonOf(error);
    throw new FailedError(`${command.join(" ")}: ${why}`, { cause: error });
  }
}
