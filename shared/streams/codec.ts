/** What the messages of all streams have in common: JSON or an older program's text, checked against a schema. */
import { z } from "zod";
import type { Delivery } from "../connection.ts";
import { parseLocalTime } from "./local_time.ts";

/** A recorded time: text in a message, here ms on the recording's own calendar. */
export const RecordedTime = z.string().transform((text, context) => {
  try {
    return parseLocalTime(text);
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message });
    return z.NEVER;
  }
});

/**
 * Checks a value against a schema.
 *
 * @throws {RangeError} With the first thing that is wrong, in words.
 */
export function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new RangeError(wrongWith(result.error.issues[0], value));
}

function wrongWith(issue: z.core.$ZodIssue | undefined, value: unknown): string {
  if (!issue) return "unexpected shape";
  const at = issue.path.join(".");
  const found = issue.path.reduce<unknown>((part, key) => Object(part)[key], value);
  if (found === undefined) return `${at} is missing`;
  if (issue.code === "invalid_type") {
    const type = found === null ? "null" : Array.isArray(found) ? "array" : typeof found;
    const expected = `must be ${
      issue.expected === "object" ? "a JSON object" : `a ${issue.expected}`
    }`;
    return `${at && `${at}: `}${expected}, got ${type}`;
  }
  // The library's own sentences don't say what of.
  return /^(Invalid|Too|must) /.test(issue.message) ? `${at}: ${issue.message}` : issue.message;
}

/**
 * The value of a body that should be JSON.
 *
 * @param fromText Reads what came without saying that it is JSON; it throws an error that says what it expects.
 * @throws {RangeError} If it is neither.
 */
export function valueOf(delivery: Delivery, fromText: (text: string) => unknown): unknown {
  const isJson = delivery.contentType?.startsWith("application/json") ?? false;
  const text = textOf(delivery);
  if (!isJson && !text.trimStart().startsWith("{")) return fromText(text);
  try {
    return JSON.parse(text);
  } catch {
    throw new RangeError("the body is not JSON");
  }
}

const UTF_8 = new TextDecoder("utf-8", { fatal: true });

/** @throws {RangeError} If the body is not UTF-8. */
export function textOf({ body }: Delivery): string {
  try {
    return UTF_8.decode(body);
  } catch {
    throw new RangeError("the body is not UTF-8 text");
  }
}

/** When a message was published, in ms since 1970; `undefined` if it doesn't say. */
export function publishedAt(delivery: Delivery): number | undefined {
  return numberIn(delivery, "published-at");
}

/** The number in a header; `undefined` where there is none, or anything else. */
export function numberIn({ headers }: Delivery, name: string): number | undefined {
  const value = headers?.[name];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Alerts' ids begin with the run, and must fit into a message id: a run of more bytes isn't ours. */
const MAX_RUN = 200;

/** Run and row of a message: by its headers, where its id is another; else by its id. */
export function originOf({ messageId, headers }: Delivery): { run?: string; row?: number } {
  const { run, row } = headers ?? {};
  if (typeof run === "string" && typeof row === "number" && Number.isSafeInteger(row) && row > 0) {
    return Buffer.byteLength(run) > MAX_RUN ? {} : { run, row };
  }
  return runAndRow(messageId);
}

/** Run and row of a message id `<run>/<row>[/<part>]`; nothing for the ids of other programs. */
export function runAndRow(messageId: string | undefined): { run?: string; row?: number } {
  const [, run, row] = /^(.+?)\/(\d{1,15})(?:\/[^/]+)?$/.exec(messageId ?? "") ?? [];
  if (run === undefined || row === undefined || Buffer.byteLength(run) > MAX_RUN) return {};
  return { run, row: Number(row) };
}

/** Bytes of a body that are announced. */
const MAX_BODY_START = 200;

/** How a body begins, for people. */
export function startOfBody({ body }: Pick<Delivery, "body">): string {
  return new TextDecoder().decode(body.subarray(0, MAX_BODY_START));
}
