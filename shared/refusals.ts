/** What the broker refuses for good, and what only has to wait: the client's errors as sentences. */
import { FailedError, reasonOf } from "./errors.ts";

/** The broker's code of an error, such as `NOT_FOUND`, or the system's, such as `ECONNREFUSED`. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error) return String(error.code);
  return /closed: ([A-Z_]+)/.exec(reasonOf(error))?.[1] ?? "";
}

/** Whether user or vhost are refused: trying again won't help. */
export function loginRefused(error: unknown): boolean {
  return ["ACCESS_REFUSED", "NOT_ALLOWED"].includes(codeOf(error));
}

/** An error of the client in words. */
export function describe(error: unknown): string {
  if (codeOf(error) === "ECONNREFUSED") return "connection refused";
  return reasonOf(error).replace(/^(channel \d+|connection) closed: (.*) \(\d+\)$/s, "$2") ||
    codeOf(error);
}

/**
 * What the broker refuses for good, as a sentence; `undefined` for what may pass.
 *
 * A classic queue whose node is down is a 404 too ("down or inaccessible"), but comes back with its node.
 */
export function refusal(error: unknown): FailedError | undefined {
  if (error instanceof FailedError) return error;
  const text = describe(error);
  const code = codeOf(error);
  if (code === "PRECONDITION_FAILED") {
    return new FailedError(explainMismatch(text), { cause: error });
  }
  const final = ["ACCESS_REFUSED", "NOT_FOUND", "RESOURCE_LOCKED"].includes(code) &&
    !/down or inaccessible/.test(text);
  return final ? new FailedError(`RabbitMQ refuses: ${text}`, { cause: error }) : undefined;
}

/** Arguments that only quorum queues get here: one of them missing or too many means the other type. */
const OF_THE_TYPE = ["x-queue-type", "x-single-active-consumer", "x-delivery-limit"];

/** Turns `inequivalent arg …` (406) into what is the matter and what to type. */
function explainMismatch(text: string): string {
  const match =
    /inequivalent arg '([^']+)' for queue '([^']+)'.*?received (.*?) but current is (.*?)$/.exec(
      text,
    );
  if (!match) return `RabbitMQ refuses: ${text}`;
  const [, argument, queue, received, current] = match as unknown as string[];
  const value = (part: string | undefined) => /'([^']*)'/.exec(part ?? "")?.[1] ?? "not set";
  const wantsQuorum = !["not set", "classic"].includes(value(received));
  const other = OF_THE_TYPE.includes(argument ?? "")
    ? `, or keep it: --queue-type ${wantsQuorum ? "classic" : "quorum"}`
    : "";
  return `Queue ${queue} exists with other arguments (${argument}: ${value(current)}, wanted: ` +
    `${value(received)}). Delete it with its messages: deno task queues --delete ${queue}${other}`;
}
