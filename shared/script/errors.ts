/**
 * The two ways in which a script ends early: each is one line on stderr, without a stack trace.
 */

/** The command line or the input is wrong: the script ends with exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** The work could not be done, although it was asked for correctly: exit code 1. */
export class FailedError extends Error {
  override name = "FailedError";
}

/** What was typed may be a URL in the wrong place: user and password don't belong into an error. */
export function withoutPassword(text: string): string {
  return text.replace(/(amqps?:\/\/)[^\s"]*@/gi, "$1…@");
}

/** The text of any thrown value. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
