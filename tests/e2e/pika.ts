/** Python's pika as a foreign peer: what the class's programs and RabbitMQ's tutorials are written with. */
import assert from "node:assert/strict";
import { e2e, type Vhost } from "./harness.ts";

/** Debian's, because its python3-pika is for no other. */
const PYTHON = "/usr/bin/python3";

const WITHOUT_PIKA = missingPika();

/** A message as Python's worker prints it; the body is in hexadecimal. */
export interface SeenByPika {
  body: string;
  content_type: string | null;
  delivery_mode: number;
  message_id: string | null;
  redelivered: boolean;
}

/** Registers a test with Python's pika; where that isn't installed it is ignored, and its name says so. */
export function withPika(name: string, fn: () => Promise<void>): void {
  if (WITHOUT_PIKA === undefined) e2e(name, fn);
  else Deno.test.ignore(`${name} (SKIPPED: ${WITHOUT_PIKA})`, fn);
}

/** Why there can be no tests with pika. */
function missingPika(): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "run", command: PYTHON });
  if (state !== "granted") return "needs --allow-run, use deno task test";
  const install = "is NOT INSTALLED: apt-get install -y python3-pika";
  try {
    const { success } = new Deno.Command(PYTHON, { args: ["-c", "import pika"], stderr: "null" })
      .outputSync();
    return success ? undefined : `python3-pika ${install}`;
  } catch {
    return `${PYTHON} with python3-pika ${install}`;
  }
}

/** Runs the foreign peer to its end; what it printed. */
export async function pika(vhost: Vhost, type: string, ...args: string[]): Promise<SeenByPika[]> {
  const peer = new URL("pika_peer.py", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(PYTHON, {
    args: [peer, "--queue-type", type, vhost.url, ...args],
    signal: AbortSignal.timeout(30_000),
  }).output();
  const text = new TextDecoder();
  assert.equal(code, 0, text.decode(stderr));
  return text.decode(stdout).split("\n").filter((line) => line !== "").map((line) =>
    JSON.parse(line)
  );
}
