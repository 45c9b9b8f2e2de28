/**
 * Replays the rows of any CSV as JSON into a queue, or through an exchange, each confirmed by the broker.
 *
 *     deno task csv:produce --stream data/bike-trips.stream.json
 *     deno task csv:init data/orders.csv | deno task csv:produce --stream - --interval 0
 *     deno task csv:produce --file - --queue orders --delimiter ';' --decimal , < orders.csv
 *     deno task csv:produce --file - --exchange amq.topic --routing-key 'metrics.{host}' < metrics.csv
 *
 * Needs the network for the broker, `data/` to read, `logs/` to write with `--log`, the browser to run with `--admin`.
 */
import { replay, replayOptions } from "../shared/replay.ts";
import { flag, ofProject, path, run, type Script, UsageError } from "../shared/script.ts";
import {
  type CsvDescription,
  csvStream,
  describedBy,
  DESCRIPTION_OPTIONS,
  STREAM_OPTION,
} from "../shared/streams.ts";

const { queue, exchange, routingKey, delimiter, decimal, types, id } = DESCRIPTION_OPTIONS;
const time = {
  ...DESCRIPTION_OPTIONS.time,
  help: "the column of the recorded time (default, for --speed: the first that holds times only)",
};

const usage = {
  task: "csv:produce",
  script: "csv",
  summary:
    "Replays the rows of any CSV as JSON, as fast as the broker confirms unless told otherwise.\n" +
    "A cell that is a number becomes one, an empty cell null, anything else text.",
  options: {
    ...STREAM_OPTION,
    ...replayOptions(csvStream({ queue: "rows" })),
    file: path("PATH", "CSV to replay, - for standard input"),
    ...{ queue, exchange, routingKey, delimiter, decimal, time, types, id },
    unroutedOk: flag("with --exchange: a row that no queue takes is fine; else it has failed"),
  },
};

type CsvScript = Script<typeof usage.options>;

/** @throws {UsageError} If flags and description don't say what goes where, or contradict each other. */
function requireUsable(
  values: CsvScript["values"],
  { queue, exchange, id, value }: CsvDescription,
): void {
  if (queue === undefined && exchange === undefined) {
    throw new UsageError("Where to? Give --queue NAME, or --exchange NAME with --routing-key KEY");
  }
  if (values.queue !== undefined && values.exchange !== undefined) {
    throw new UsageError("--queue and --exchange exclude each other: give one of them");
  }
  if (exchange === undefined && (values.routingKey !== undefined || values.unroutedOk)) {
    const flag = values.unroutedOk ? "--unrouted-ok" : "--routing-key";
    throw new UsageError(`${flag} goes with --exchange`);
  }
  if (id !== undefined && value !== undefined) {
    throw new UsageError(
      "id and value exclude each other: a monitor knows from the rows' numbers what it has judged",
    );
  }
  if (exchange !== undefined && values.purge) {
    throw new UsageError("--purge empties a queue: with --exchange there is none");
  }
}

async function produce(script: CsvScript): Promise<number> {
  const { values } = script;
  const described = await describedBy({ ...values, interval: undefined });
  // Where a file names both, consumers read the queue and rows go to the exchange; a typed --queue wins over that.
  const toQueue = values.queue !== undefined && values.exchange === undefined;
  const description: CsvDescription = toQueue
    ? { ...described, exchange: undefined, routingKey: undefined }
    : described;
  requireUsable(script.values, description);
  const stream = csvStream(description);
  const file = values.file ?? (description.file && ofProject(description.file));
  if (file === undefined) throw new UsageError("Which CSV? Give --file PATH, - for standard input");
  if (file === "-" && values.stream === "-") {
    throw new UsageError("--stream and --file can't both come from standard input");
  }
  const { exchange, delimiter = "," } = description;
  return replay(
    {
      ...script,
      values: { ...values, file, delimiter, queue: { rows: stream.queues.rows.name } },
    },
    stream,
    exchange === undefined ? undefined : { name: exchange, unroutedOk: values.unroutedOk },
  );
}

if (import.meta.main) await run(usage, produce);
