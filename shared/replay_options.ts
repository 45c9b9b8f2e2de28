/** The flags that all producers share. */
import { ADMIN_OPTION } from "./admin_site.ts";
import { URL_OPTION } from "./broker_url.ts";
import { UsageError } from "./errors.ts";
import type { Format } from "./messages.ts";
import {
  duration,
  flag,
  integer,
  number,
  oneOf,
  type Option,
  optional,
  pathWithDefault,
  plainName,
  type Values,
  withDefault,
} from "./options.ts";
import type { Pace } from "./pace.ts";
import type { QueueNames } from "./queue_names.ts";
import { OUTPUT_OPTIONS } from "./script.ts";
import { QUEUE_TYPE_OPTION } from "./topology.ts";

/** How a CSV is read. */
export const CSV_OPTIONS = {
  columns: optional("MAP", columnMap, "other header names, as in name=Who,time=Stamp"),
  delimiter: withDefault("CHAR", delimiter, ",", "what separates cells; tab for a tab"),
};

/** The flags of a producer; `file` and `interval` are what it does without them, `queue` its flag of that name. */
export function replayOptions<K extends string>(
  file: string,
  interval: string,
  queue: Option<QueueNames<K>>,
) {
  return {
    file: pathWithDefault("PATH", file, "CSV to replay, - for standard input"),
    interval: optional(
      "TIME",
      duration,
      `time between rows: 5s, 250ms, 2m; 0 is as fast as confirmed (default ${interval})`,
    ),
    speed: optional(
      "FACTOR",
      number(0, { open: true }),
      "recorded pace, so many times as fast; excludes --interval",
    ),
    skip: withDefault("N", integer(0), "0", "leave out the first N rows"),
    limit: optional("N", integer(1), "stop after N rows (default all)"),
    loop: flag("begin again at the end, until Ctrl-C; not from -"),
    run: optional("ID", plainName, "name of this pass, in message ids (default random)"),
    ...CSV_OPTIONS,
    format: withDefault(
      "FORMAT",
      oneOf<Format>("json", "text"),
      "json",
      "json, or text as older programs send",
    ),
    strict: flag("stop at the first malformed row"),
    purge: flag("empty the queues first: their ready messages, and saved states"),
    dryRun: flag(
      "show the messages, without a broker: nothing is sent, and only a typed pace is kept",
    ),
    queue,
    ...ADMIN_OPTION,
    ...URL_OPTION,
    ...QUEUE_TYPE_OPTION,
    ...OUTPUT_OPTIONS,
  };
}

export type ReplayOptions<K extends string = string> = ReturnType<typeof replayOptions<K>>;

/**
 * The pace that the flags ask for; a dry run waits for nothing unless they do.
 *
 * @param stream Its time between rows when no flag says so, in milliseconds; whether rows have recorded times.
 * @throws {UsageError} If flags exclude each other, or the recorded pace of rows without times is asked for.
 */
export function paceOf(
  { interval, speed, loop, file, dryRun }: Values<ReplayOptions>,
  stream: { intervalMs: number; timeColumn?: string },
): Pace {
  if (speed !== undefined && stream.timeColumn === undefined) {
    throw new UsageError("--speed needs recorded times, and these rows have none: give --interval");
  }
  if (interval !== undefined && speed !== undefined) {
    throw new UsageError("--interval and --speed exclude each other: give one of them");
  }
  if (loop && file === "-") {
    throw new UsageError("--loop can't begin again with standard input: give a file");
  }
  if (speed !== undefined) return { speed };
  return { intervalMs: interval ?? (dryRun ? 0 : stream.intervalMs) };
}

function columnMap(value: string): Record<string, string> {
  const pairs = value.split(",").map((pair) => /^([^=]+)=(.+)$/.exec(pair.trim())?.slice(1));
  if (!pairs.every((pair) => pair !== undefined)) {
    throw new RangeError("must look like name=Who,time=Stamp");
  }
  return Object.fromEntries(pairs);
}

function delimiter(value: string): string {
  const character = value === "tab" || value === "\\t" ? "\t" : value;
  if ([...character].length !== 1 || /["\r\n]/.test(character)) {
    throw new RangeError("must be one character, or tab");
  }
  return character;
}
