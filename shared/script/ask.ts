/** Questions to whoever sits at the terminal. Only for what can't go on without an answer. */
import { unlessAborted } from "./abort.ts";
import type { Output } from "./output.ts";

/** The longest answer, in bytes. */
const MAX_ANSWER = 4096;
const LINE_FEED = 0x0a;

/**
 * Asks on stderr and reads one line; the connection to the broker lives on meanwhile.
 *
 * @returns The answer without its line break; `undefined` at the end of standard input or when `signal` is aborted.
 */
export async function ask(
  question: string,
  out: Output,
  signal: AbortSignal,
): Promise<string | undefined> {
  out.flush();
  Deno.stderr.writeSync(new TextEncoder().encode(question));
  const line = new Uint8Array(MAX_ANSWER);
  let length = 0;
  while (length < MAX_ANSWER && line[length - 1] !== LINE_FEED) {
    const read = await unlessAborted(Deno.stdin.read(line.subarray(length)), signal);
    if (signal.aborted) return undefined;
    if (read === null || read === undefined) break;
    length += read;
  }
  return length === 0 ? undefined : new TextDecoder().decode(line.subarray(0, length)).trim();
}
