/** The flags that all producers share. */
import { ADMIN_OPTION, QUEUE_TYPE_OPTION, URL_OPTION } from "../connection.ts";
import {
  duration,
  flag,
  integer,
  number,
  oneOf,
  optional,
  OUTPUT_OPTIONS,
  pathWithDefault,
  plainName,
  UsageError,
  type Values,
  withDefault,
} from "../script.ts";
import {
  type CsvForm,
  delimiter,
  DESCRIPTION_OPTIONS,
  type Format,
  namesOf,
  type QueueNames,
  queueOption,
  type StreamQueue,
} from "../streams.ts";
import type { Pace } from "./pace.ts";

/** How a CSV is read. */
export const CSV_OPTIONS = {
  columns: optional("MAP", columnMap, "other header names, as in name=Who,time=Stamp"),
  delimiter: withDefault("CHAR", delimiter, ",", "what separates cells; tab for a tab"),
  timeFormat: DESCRIPTION_OPTIONS.timeFormat,
};

/** What of a stream its producer's flags depend on. */
interface OfStream<K extends string> {
  readonly queues: Readonly<Record<K, StreamQueue>>;
  readonly csv?: Pick<CsvForm<unknown, K, unknown>, "file" | "interval">;
}

/**
 * The flags of a producer.
 *
 * @param keys The queues that it publishes to; if it is one, `--queue` needs no key.
 */
export function replayOptions<K extends string, L extends K = K>(
  stream: OfStream<K>,
  ...keys: L[]
) {
  const { file = "-", interval = "0" } = stream.csv ?? {};
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
      "recorded pace, sped up by this factor; excludes --interval",
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
    queue: queueFlag(stream, keys),
    ...ADMIN_OPTION,
    ...URL_OPTION,
    ...QUEUE_TYPE_OPTION,
    ...OUTPUT_OPTIONS,
  };
}

export type ReplayOptions<K extends string = string> = ReturnType<typeof replayOptions<K, K>>;

/** The flags of a script that publishes items that come from no file. */
export function newItemOptions<K extends string, L extends K>(stream: OfStream<K>, ...keys: L[]) {
  return {
    run: optional("ID", plainName, "first part of the message ids (default random)"),
    queue: queueFlag(stream, keys),
    ...ADMIN_OPTION,
    ...URL_OPTION,
    ...QUEUE_TYPE_OPTION,
    ...OUTPUT_OPTIONS,
  };
}

export type NewItemOptions<K extends string = string> = ReturnType<typeof newItemOptions<K, K>>;

function queueFlag<K extends string, L extends K>(stream: OfStream<K>, keys: L[]) {
  const names: QueueNames<L> = namesOf(stream, ...keys);
  const [main, ...others] = Object.keys(names) as L[];
  return queueOption(names, main !== undefined && others.length === 0 ? { main } : {});
}

/**
 * The pace that the flags ask for; a dry run waits for nothing unless they do.
 *
 * @param csv Its time between rows when no flag says so; whether rows have recorded times.
 * @throws {UsageError} If flags exclude each other, or the recorded pace of rows without times is asked for.
 */
export function paceOf(
  { interval, speed, loop, file, dryRun, timeFormat }: Values<ReplayOptions>,
  csv: Pick<CsvForm<unknown, string, unknown>, "interval" | "timeColumn" | "anyHeader">,
): Pace {
  const hasTimes = csv.timeColumn !== undefined || csv.anyHeader !== undefined;
  if (timeFormat !== undefined && !hasTimes) {
    throw new UsageError("--time-format is for recorded times, and these rows have none");
  }
  if (speed !== undefined && !hasTimes) {
    throw new UsageError("--speed needs recorded times, and these rows have none: give --interval");
  }
  if (interval !== undefined && speed !== undefined) {
    throw new UsageError("--interval and --speed exclude each other: give one of them");
  }
  if (loop && file === "-") {
    throw new UsageError("--loop can't begin again with standard input: give a file");
  }
  if (speed !== undefined) return { speed };
  return { intervalMs: interval ?? (dryRun ? 0 : duration(csv.interval)) };
}

function columnMap(value: string): Record<string, string> {
  const pairs = value.split(",").map((pair) => /^([^=]+)=(.+)$/.exec(pair.trim())?.slice(1));
  if (!pairs.every((pair) => pair !== undefined)) {
    throw new RangeError("must look like name=Who,time=Stamp");
  }
  return Object.fromEntries(pairs);
}
