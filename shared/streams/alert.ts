/**
 * Alerts: what a monitor's rule has found, on its way from the monitor to mail, text, web hook and board.
 *
 * An alert says of which stream it is; the smart smoker's, which are older than the others, don't. What it is called
 * in words comes from the declaration of its stream.
 */
import { z } from "zod";
import { formatLocalTime, lengthText, parseLocalTime, spanText, timeOfDay } from "./local_time.ts";

/** What a rule has found; all from `at` on is that of the window when the alert opened or resolved. */
export interface Alert {
  /** The stream's name. */
  readonly stream: string;
  readonly id: string;
  readonly key: string;
  readonly rule: string;
  readonly state: "open" | "resolved";
  /** Time of the reading that opened it: local ISO 8601 without a zone, as `at`. */
  readonly opened: string;
  /** Time of the window's newest reading. */
  readonly at: string;
  /** What is measured. */
  readonly quantity: string;
  readonly unit: string;
  /** The window's newest. */
  readonly value: number;
  /** Newest − oldest. */
  readonly change: number;
  readonly min: number;
  readonly max: number;
  /** Not in the smoker's messages. */
  readonly mean?: number;
  /** How many readings the window held. */
  readonly readings: number;
  /** `new run` when it resolved because another run began, `silent` when it opened because no reading came. */
  readonly reason?: "new run" | "silent";
}

/** How a stream's alerts are written, read and called. */
export interface AlertWords {
  /** What a key is called: `Channel`. */
  readonly key: string;
  /** The name of a key: `Food A` for `food-a`. */
  readonly keyName: (key: string) => string;
  /** What a rule means, for a mail. */
  readonly ruleName: (rule: string) => string;
  /** What has happened, of an open alert: `dropped 25.6 °F`. */
  readonly happened: (alert: Alert) => string;
  /** What has begun when an alert ends with a new run: `a new cook began`. */
  readonly newRun: string;
  /** Length of the window that a rule of this key looks at, where the alert's message doesn't say; in milliseconds. */
  readonly spanMs: (key: string) => number;
  /**
   * The id of an alert.
   *
   * @param opener What tells the reading apart that opens it: its row.
   */
  readonly idOf: (
    alert: { stream: string; run: string; key: string; rule: string },
    opener: string | number,
  ) => string;
  /** Rounds figures for people. */
  readonly rounded: (value: number) => number;
  /** Takes the noise of decimal fractions out of a difference. */
  readonly difference: (value: number) => number;
  /** The body of its message, in the order of its fields. */
  readonly write: (alert: Alert) => Record<string, unknown>;
  /** The schema of that body; it makes the alert. */
  readonly body: z.ZodType<Alert>;
  /** For whoever tries out the sending. */
  readonly sample: (id: string) => Alert;
}

/** The longest `<id>/<state>` must fit into a message id: 255 bytes. */
const MAX_ID = 240;

/** Ids become parts of mails and headers: no line breaks, nothing invisible. */
export const AlertId = z.string().regex(
  /^[^\p{Cc}\p{Cf}\p{Cs}]+$/u,
  "the id must be printable text",
)
  .refine((id) => new TextEncoder().encode(id).length <= MAX_ID, "the id is too long");

/** A recorded time that stays text, in our form. */
export const TimeText = z.string().transform((text, context) => {
  try {
    return formatLocalTime(parseLocalTime(text));
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message });
    return z.NEVER;
  }
});

const ShortText = z.string().regex(
  /^[^\p{Cc}\p{Cf}\p{Cs}]{1,200}$/u,
  "must be short printable text",
);
const Unit = z.string().regex(/^[^\p{Cc}\p{Cf}\p{Cs}]{0,20}$/u, "must be short printable text");
const Value = z.number().min(-1e15).max(1e15);

/** The body of an alert whose stream says nothing else. */
const GenericBody: z.ZodType<Alert> = z.object({
  id: AlertId,
  stream: ShortText,
  key: ShortText,
  rule: ShortText,
  state: z.enum(["open", "resolved"]),
  opened: TimeText,
  at: TimeText,
  value: Value,
  column: ShortText,
  change: Value,
  min: Value,
  max: Value,
  mean: Value.exactOptional(),
  readings: z.int().min(0),
  unit: Unit.optional(),
  reason: z.enum(["new run", "silent"]).exactOptional(),
}).transform(({ column, unit = "", ...alert }) => ({ ...alert, quantity: column, unit }));

/**
 * Rounds a figure to 0.01, halves away from 0.
 *
 * A half as people write it is often a little less in binary (1.005 is 1.00499…): a millionth of a hundredth,
 * far more than such noise and far less than a thermometer tells, puts it back.
 */
export function hundredths(value: number): number {
  const rounded = Math.round(Math.abs(value) * 100 + 1e-6) / 100;
  return value < 0 && rounded > 0 ? -rounded : rounded;
}

/** Small figures have four digits, larger ones two decimals. */
function forPeople(value: number): number {
  return Math.abs(value) < 10 ? Number(value.toPrecision(4)) : hundredths(value);
}

/** Twelve digits: fewer than noise reaches, more than anything is measured with. */
function withoutNoise(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(12));
}

/** A figure with its unit: `93.2 %`. */
export function withUnit(value: number | string, unit: string): string {
  return unit === "" ? `${value}` : `${value} ${unit}`;
}

/**
 * The words of a stream whose alerts are like those of any other.
 *
 * @param different What it says otherwise.
 */
export function alertWords(different: Partial<AlertWords> = {}): AlertWords {
  return {
    key: "Key",
    keyName: (key) => key,
    ruleName: (rule) => rule,
    happened: ({ rule, quantity, min, max, unit }) =>
      `${rule}: ${quantity} ${forPeople(min)} to ${withUnit(forPeople(max), unit)}`,
    newRun: "a new run began",
    spanMs: () => 600_000,
    // The stream first, so that two streams under one run can't have the same.
    idOf: ({ stream, run, key, rule }, opener) => `${stream}/${run}/${key}/${rule}/${opener}`,
    rounded: forPeople,
    difference: withoutNoise,
    write: (alert) => {
      const { id, stream, key, rule, state, opened, at, value, quantity: column } = alert;
      const { change, min, max, mean, readings, unit, reason } = alert;
      const what = { id, stream, key, rule, state, opened, at, value, column };
      return {
        ...what,
        ...{ change, min, max, ...(mean === undefined ? {} : { mean }), readings },
        ...(unit === "" ? {} : { unit }),
        ...(reason ? { reason } : {}),
      };
    },
    body: GenericBody,
    sample: (id) => ({
      ...{ id, stream: "test", key: "key", rule: "high", state: "open" as const },
      ...{ opened: "2021-05-22T12:34:10", at: "2021-05-22T12:34:10", quantity: "value", unit: "" },
      ...{ value: 93, change: 20, min: 73, max: 93, readings: 5 },
    }),
    ...different,
  };
}

/** How long an alert has lasted, as a person says it; nothing where the recorded times don't tell. */
export function lastedText({ opened, at, reason }: Alert): string {
  // Another run's times say nothing about this one's end.
  const seconds = Math.round((parseLocalTime(at) - parseLocalTime(opened)) / 1000);
  return reason === "new run" || seconds < 0 ? "" : lengthText(seconds);
}

/** What has happened, of an open alert; not what is so now. */
export function happenedText(alert: Alert, words: AlertWords, spanMs: number): string {
  const { key, rule, value, unit, reason } = alert;
  const name = words.keyName(key);
  if (reason === "silent") {
    return `${name} ${rule}: no reading any more, the last was ${withUnit(value, unit)}`;
  }
  return `${name} ${words.happened(alert)}${spanMs > 0 ? ` in ${spanText(spanMs)}` : ""}`;
}

/**
 * What an alert says, in one line.
 *
 * @param spanMs Length of the window it looked at, in milliseconds.
 * @param options `lasted` adds to a resolved alert how long it was open.
 */
export function alertText(
  alert: Alert,
  words: AlertWords,
  { spanMs, lasted = false }: { spanMs: number; lasted?: boolean },
): string {
  const { key, rule, state, opened, value, unit, reason } = alert;
  const name = words.keyName(key);
  const now = `now ${withUnit(value, unit)}`;
  if (state === "open") {
    const happened = happenedText(alert, words, spanMs);
    return reason === "silent" ? happened : `${happened}, ${now}`;
  }
  const why = reason === "new run" ? `, because ${words.newRun}` : "";
  const length = lasted ? lastedText(alert) : "";
  const after = length === "" ? "" : ` after ${length}`;
  return `${name} ${rule} of ${timeOfDay(opened)} is over${after}${why}, ${now}`;
}
