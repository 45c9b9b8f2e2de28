/** Questions to whoever sits at the terminal. Only for what can't go on without an answer. */
import { unlessAborted } from "./abort.ts";
import type { Output } from "./output.ts";

/** The longest answer, in bytes. */
const MAX_ANSWER = 4096;

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
  const length = await unlessAborted(Deno.stdin.read(line), signal);
  if (signal.aborted || !length) return undefined;
  return new TextDecoder().decode(line.subarray(0, length)).trim();
}
