/** The smart smoker: the temperatures of a cook, a queue for each channel, and the alerts of its monitor. */
import { z } from "zod";
import { type Alert, AlertId, type AlertWords, alertWords, hundredths, TimeText } from "./alert.ts";
import { check, RecordedTime, valueOf } from "./codec.ts";
import { formatClassTime, formatLocalTime } from "./local_time.ts";
import type { Stream } from "./stream.ts";

/** The names of the channels, in their order. */
const CHANNEL_NAMES = { "smoker": "Smoker", "food-a": "Food A", "food-b": "Food B" } as const;

export type SmokerChannel = keyof typeof CHANNEL_NAMES;

export const CHANNELS = Object.keys(CHANNEL_NAMES) as SmokerChannel[];

/** The class's windows, in milliseconds: 2.5 minutes of the smoker, 10 of a food. */
export const SMOKER_SPAN_MS = 150_000;
export const FOOD_SPAN_MS = 600_000;

/** °F that a thermometer can show: from absolute zero to far beyond any fire. */
const Fahrenheit = z.number().min(-460).max(10_000);

const Temperature = z.object({ fahrenheit: Fahrenheit });

const Channel = z.enum(["smoker", "food-a", "food-b"]);

const ReadingBody = z.object({ time: RecordedTime, channel: Channel, ...Temperature.shape });

/** One temperature of one channel; its time in ms on the recording's own calendar. */
export type Reading = z.infer<typeof ReadingBody>;

/** A row of the CSV: a time, and for each channel a temperature or none. */
export interface Temperatures {
  readonly time: number;
  readonly readings: readonly Reading[];
}

/** The body of a smoker's alert, which has the class's words for some fields and doesn't name its stream. */
const AlertBody: z.ZodType<Alert> = z.object({
  id: AlertId,
  channel: Channel,
  rule: z.enum(["drop", "stall"]),
  state: z.enum(["open", "resolved"]),
  opened: TimeText,
  at: TimeText,
  fahrenheit: Fahrenheit,
  change: z.number().min(-20_000).max(20_000),
  min: Fahrenheit,
  max: Fahrenheit,
  readings: z.int().min(0),
  reason: z.literal("new run").exactOptional(),
}).transform(({ channel, fahrenheit, ...alert }) => ({
  ...alert,
  ...{ stream: "smoker", key: channel, quantity: "fahrenheit", unit: "°F", value: fahrenheit },
}));

const ALERTS: AlertWords = alertWords({
  key: "Channel",
  keyName: (key) => (CHANNEL_NAMES as Record<string, string>)[key] ?? key,
  ruleName: (rule) =>
    rule === "drop" ? "drop (the smoker fell fast)" : "stall (the food stopped warming)",
  happened: ({ rule, max, min, value }) =>
    rule === "drop"
      ? `dropped ${hundredths(max - value)} °F`
      : `stalled: ${hundredths(max - min)} °F of change`,
  newRun: "a new cook began",
  spanMs: (key) => key === "smoker" ? SMOKER_SPAN_MS : FOOD_SPAN_MS,
  idOf: ({ run, key, rule }, opener) => `${run}/${key}/${rule}/${opener}`,
  rounded: hundredths,
  difference: hundredths,
  write: ({ id, key: channel, rule, state, opened, at, value, ...figures }) => {
    const { change, min, max, readings, reason } = figures;
    const what = { id, channel, rule, state, opened, at, fahrenheit: value };
    return { ...what, ...{ change, min, max, readings }, ...(reason ? { reason } : {}) };
  },
  body: AlertBody,
  sample: (id) => ({
    ...{ id: `${id}/smoker/drop/5`, stream: "smoker", key: "smoker", rule: "drop" },
    ...{ state: "open", opened: "2021-05-22T12:34:10", at: "2021-05-22T12:34:10" },
    ...{ quantity: "fahrenheit", unit: "°F", value: 103.5, change: -16.6 },
    ...{ min: 103.5, max: 120.1, readings: 5 },
  }),
});
export const SMOKER = {
  name: "smoker",
  title: "Smart smoker",
  queues: {
    "smoker": { name: "01-smoker", kind: "ordered", monitored: true },
    "food-a": { name: "02-food-A", kind: "ordered", monitored: true },
    "food-b": { name: "02-food-B", kind: "ordered", monitored: true },
  },
  decode(delivery, channel) {
    const value = valueOf(delivery, (text) => {
      // As programs write it, or have Python print it: with brackets, with quotes, with a space.
      const parts = text.trim().replace(/^[[(]|[\])]$/g, "").split(",")
        .map((part) => part.trim().replace(/^'(.*)'$/s, "$1"));
      const [time, fahrenheit] = parts;
      if (!time || fahrenheit === undefined || parts.length !== 2) {
        throw new RangeError("neither JSON nor a reading like 05/22/21 12:34:10,103.5");
      }
      return { time, channel, fahrenheit: numberOf(fahrenheit) };
    });
    const reading = check(ReadingBody, value);
    if (reading.channel !== channel) {
      throw new RangeError(`a reading of ${reading.channel} in this queue`);
    }
    return reading;
  },
  encode({ time, channel, fahrenheit }, format) {
    return format === "text"
      ? { body: `${formatClassTime(time, { padded: true })},${fahrenheit}` }
      : {
        body: JSON.stringify({ time: formatLocalTime(time), channel, fahrenheit }),
        contentType: "application/json",
      };
  },
  line: readingText,
  panel: {
    kind: "series",
    key: "channel",
    keys: CHANNEL_NAMES,
    quantities: [{ name: "fahrenheit", unit: "°F" }],
    measured: ({ channel, time, fahrenheit }) => ({ key: channel, time, values: [fahrenheit] }),
  },
  csv: {
    file: "data/smoker-temps.csv",
    interval: "30s",
    columns: {
      "time": ["Time (UTC)"],
      "smoker": ["Channel1"],
      "food-a": ["Channel2"],
      "food-b": ["Channel3"],
    },
    timeColumn: "time",
    row([, ...cells], time) {
      const readings = CHANNELS.flatMap((channel, index) => {
        const cell = cells[index]?.trim() ?? "";
        return cell === "" ? [] : [{ time, channel, fahrenheit: temperatureOf(cell) }];
      });
      return { time, readings };
    },
    messages: ({ readings }) =>
      readings.map((item) => ({ to: item.channel, part: item.channel, item })),
    line: ({ time, readings }) =>
      `${formatLocalTime(time).replace("T", " ")}  ` + readings.map(readingText).join("  "),
  },
  alerts: ALERTS,
} satisfies Stream<Reading, SmokerChannel, Temperatures>;

function readingText({ channel, fahrenheit }: Reading): string {
  return `${channel} ${fahrenheit.toFixed(1)} °F`;
}

/** @throws {RangeError} If the text is no temperature. */
function temperatureOf(text: string): number {
  return check(Temperature, { fahrenheit: numberOf(text) }).fahrenheit;
}

/** @throws {RangeError} If the text is no decimal number. */
function numberOf(text: string): number {
  const trimmed = text.trim();
  if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(trimmed)) {
    throw new RangeError(`unreadable temperature ${JSON.stringify(trimmed.slice(0, 40))}`);
  }
  return Number(trimmed);
}
