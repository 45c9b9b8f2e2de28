/**
 * The messages: what they hold, how they are written and read.
 *
 * Ours are JSON. A consumer also takes the plain text of older programs, which comes without a content type.
 */
import { z } from "zod";
import type { Delivery } from "./connection.ts";
import { type Alert, type Channel, CHANNELS } from "./alerts.ts";
import type { QueueNames } from "./queue_names.ts";
import { formatClassTime, formatLocalTime, parseLocalTime } from "./local_time.ts";

/** How a producer writes its messages. */
export type Format = "json" | "text";

/** A message that a row makes, before it has its id. */
export interface Outgoing {
  readonly queue: string;
  /** Set where a row makes several messages: part of the id. */
  readonly channel?: string;
  readonly body: string;
  /** Left out for text as older programs send it. */
  readonly contentType?: string;
}

/** A recorded time, normalised to local ISO 8601. */
const recordedTime = z.string().transform((text, context) => {
  try {
    return formatLocalTime(parseLocalTime(text));
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message });
    return z.NEVER;
  }
});

/** What help is about; the letters are those of the class's tickets. */
export const CATEGORIES = {
  A: "this program on my computer",
  B: "the program itself",
  C: "purchasing",
  D: "the online version",
  E: "something else",
} as const;

/** When a message was published, in ms since 1970; `undefined` if it doesn't say. */
export function publishedAt(delivery: Delivery): number | undefined {
  return numberIn(delivery, "published-at");
}

/** The number in a header; `undefined` where there is none, or anything else. */
export function numberIn({ headers }: Delivery, name: string): number | undefined {
  const value = headers?.[name];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** The reply repeats it. */
const MAX_NAME = 1000;

/** A help-desk ticket: who asked when for what. */
export const Ticket = z.object({
  submitted: recordedTime,
  name: z.string().trim().min(1, "the name is empty").max(MAX_NAME, "the name is too long"),
  category: z.enum(["A", "B", "C", "D", "E"], "the category must be A, B, C, D or E"),
});
export type Ticket = z.infer<typeof Ticket>;

/** Replies repeat what tickets hold. */
const ReplyText = z.string().max(10_000);

/** What a worker answers; `ticket` is the ticket's message id. */
export const Reply = z.object({
  ticket: ReplyText,
  name: ReplyText,
  category: z.enum(["A", "B", "C", "D", "E"]),
  worker: ReplyText,
  handled: ReplyText,
  text: ReplyText,
});
export type Reply = z.infer<typeof Reply>;

/** °F that a thermometer can show: from absolute zero to far beyond any fire. */
const Fahrenheit = z.number().min(-460).max(10_000);

const Measured = z.object({ fahrenheit: Fahrenheit });

/** One temperature of one channel. */
export const Reading = z.object({
  time: recordedTime,
  channel: z.enum(CHANNELS),
  ...Measured.shape,
});
export type Reading = z.infer<typeof Reading>;

/** The longest `<id>/<state>` must fit into a message id: 255 bytes. */
const MAX_ALERT_ID = 240;

/** Ids become parts of mails and headers: no line breaks, nothing invisible. */
const AlertId = z.string().regex(/^[^\p{Cc}\p{Cf}\p{Cs}]+$/u, "the id must be printable text")
  .refine((id) => new TextEncoder().encode(id).length <= MAX_ALERT_ID, "the id is too long");

/** An alert as {@link Alert} describes it. */
const AlertBody: z.ZodType<Alert> = z.object({
  id: AlertId,
  channel: z.enum(CHANNELS),
  rule: z.enum(["drop", "stall"]),
  state: z.enum(["open", "resolved"]),
  opened: recordedTime,
  at: recordedTime,
  fahrenheit: Fahrenheit,
  change: z.number().min(-20_000).max(20_000),
  min: Fahrenheit,
  max: Fahrenheit,
  readings: z.int().min(0),
  reason: z.literal("new run").exactOptional(),
});

/** A row of the smoker's CSV: a time, and for each channel a temperature or none. */
export interface Temperatures {
  readonly time: string;
  readonly readings: readonly Reading[];
}

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
  return /^(Invalid|Too) /.test(issue.message) ? `${at}: ${issue.message}` : issue.message;
}

/** The message of a ticket. */
export function ticketMessages(
  ticket: Ticket,
  format: Format,
  { tickets: queue }: QueueNames<"tickets">,
): Outgoing[] {
  return format === "text"
    ? [{ queue, body: ticketText(ticket) }]
    : [{ queue, body: JSON.stringify(ticket), contentType: "application/json" }];
}

/** The ticket as older programs send it: `[2/14/23 10:15, Adam, A]`. */
export function ticketText({ submitted, name, category }: Ticket): string {
  return `[${formatClassTime(parseLocalTime(submitted))}, ${name}, ${category}]`;
}

/** @throws {RangeError} If the delivery is no ticket; the message says why. */
export function decodeTicket(delivery: Delivery): Ticket {
  return check(
    Ticket,
    decode(delivery, (text) => {
      const [, submitted, name, category] = /^\[([^,]*),(.*),([^,]*)\]$/s.exec(text.trim()) ?? [];
      if (submitted === undefined) {
        throw new RangeError("neither JSON nor a ticket like [2/14/23 10:15, Adam, A]");
      }
      return { submitted: submitted.trim(), name, category: category?.trim() };
    }),
  );
}

/** @throws {RangeError} If the delivery is no reply. */
export function decodeReply(delivery: Delivery): Reply {
  return check(
    Reply,
    decode(delivery, () => {
      throw new RangeError("a reply must be JSON");
    }),
  );
}

/** The messages of a row of temperatures: one for each channel that has one. */
export function readingMessages(
  { readings }: Temperatures,
  format: Format,
  queues: QueueNames<Channel>,
): Outgoing[] {
  return readings.map((reading) => {
    const { time, channel, fahrenheit } = reading;
    const message = { queue: queues[channel], channel };
    return format === "text"
      ? {
        ...message,
        body: `${formatClassTime(parseLocalTime(time), { padded: true })},${fahrenheit}`,
      }
      : { ...message, body: JSON.stringify(reading), contentType: "application/json" };
  });
}

/** @throws {RangeError} If the delivery is no reading of this channel. */
export function decodeReading(delivery: Delivery, channel: Channel): Reading {
  const body = decode(delivery, (text) => {
    // As programs write it, or have Python print it: with brackets, with quotes, with a space.
    const parts = text.trim().replace(/^[[(]|[\])]$/g, "").split(",")
      .map((part) => part.trim().replace(/^'(.*)'$/s, "$1"));
    const [time, fahrenheit] = parts;
    if (!time || fahrenheit === undefined || parts.length !== 2) {
      throw new RangeError("neither JSON nor a reading like 05/22/21 12:34:10,103.5");
    }
    return { time, channel, fahrenheit: parseFahrenheit(fahrenheit) };
  });
  const reading = check(Reading, body);
  if (reading.channel !== channel) {
    throw new RangeError(`a reading of ${reading.channel} in this queue`);
  }
  return reading;
}

/** @throws {RangeError} If the delivery is no alert. */
export function decodeAlert(delivery: Delivery): Alert {
  return check(
    AlertBody,
    decode(delivery, () => {
      throw new RangeError("an alert must be JSON");
    }),
  );
}

/** @throws {RangeError} If the text is no temperature. */
export function readFahrenheit(text: string): number {
  return check(Measured, { fahrenheit: parseFahrenheit(text) }).fahrenheit;
}

/** @throws {RangeError} If the text is no decimal number. */
function parseFahrenheit(text: string): number {
  const trimmed = text.trim();
  if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(trimmed)) {
    throw new RangeError(`unreadable temperature ${JSON.stringify(trimmed.slice(0, 40))}`);
  }
  return Number(trimmed);
}

/** Alerts' ids begin with the run, and must fit into a message id: a run of more bytes isn't ours. */
const MAX_RUN = 200;

/** Run and row of a message id `<run>/<row>[/<channel>]`; nothing for the ids of other programs. */
export function placeOf(messageId: string | undefined): { run?: string; row?: number } {
  const [, run, row] = /^(.+?)\/(\d{1,15})(?:\/[^/]+)?$/.exec(messageId ?? "") ?? [];
  if (run === undefined || row === undefined || Buffer.byteLength(run) > MAX_RUN) return {};
  return { run, row: Number(row) };
}

/** The message of a task: its text, as the text format without a content type like the tutorials' programs. */
export function taskMessages(
  task: string,
  format: Format,
  { tasks: queue }: QueueNames<"tasks">,
): Outgoing[] {
  const message = { queue, body: task };
  return [format === "text" ? message : { ...message, contentType: "text/plain" }];
}

/** @throws {RangeError} If the delivery is no task: a task is any text. */
export function decodeTask(delivery: Delivery): string {
  return textOf(delivery);
}

/** The JSON of a body; `fromText` reads what came without saying that it is JSON. */
function decode(delivery: Delivery, fromText: (text: string) => unknown): unknown {
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

function textOf({ body }: Delivery): string {
  try {
    return UTF_8.decode(body);
  } catch {
    throw new RangeError("the body is not UTF-8 text");
  }
}
