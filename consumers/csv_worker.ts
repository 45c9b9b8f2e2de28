/**
 * A worker for the rows of any CSV, and for JSON of any origin: takes messages from a queue, shows some of their columns,
 * and acknowledges each when its time is over. Start it in several terminals: the workers share the messages.
 *
 *     deno task csv:work --queue orders --show Nr,Kunde
 *     deno task csv:work --stream data/orders.stream.json --handle 250ms
 *
 * Needs the network for the broker, `data/` to read for `--stream`, `logs/` to write with `--log`.
 */
import { delay, duration, reasonOf, run, type Script } from "../shared/script.ts";
import { UsageError, withDefault } from "../shared/script.ts";
import {
  cellOf,
  type CsvRow,
  type CsvStream,
  csvStream,
  describedBy,
  DESCRIPTION_OPTIONS,
  STREAM_OPTION,
} from "../shared/streams.ts";
import { work, WORKER_OPTIONS } from "../shared/worker.ts";

const { queue, show } = DESCRIPTION_OPTIONS;

const usage = {
  task: "csv:work",
  script: "csv_worker",
  summary:
    "Takes the rows of a CSV, or any JSON objects, from a queue, one at a time, and shows them.\n" +
    "Any number of workers share the messages; what a dead one held goes to another.",
  options: {
    ...STREAM_OPTION,
    queue,
    show,
    handle: withDefault("TIME", duration, "1s", "time that a message takes"),
    ...WORKER_OPTIONS,
  },
};

/** The error line lists columns up to this length, in characters. */
const MAX_LISTED = 400;

/**
 * The stream, where a message that lacks one of some columns is a dead letter. Where the very first one does, the names
 * are taken to be mistyped: that ends the worker before the whole queue becomes dead letters.
 */
function requiring(stream: CsvStream, columns: readonly string[]): CsvStream {
  let isFirst = true;
  return {
    ...stream,
    decode(delivery, key) {
      const row: CsvRow = stream.decode(delivery, key);
      try {
        for (const column of columns) cellOf(row, column);
      } catch (error) {
        if (!isFirst) throw error;
        const all = Array.from(row.keys(), (name) => JSON.stringify(name)).join(", ") || "none";
        const listed = all.length > MAX_LISTED ? `${all.slice(0, MAX_LISTED)}…` : all;
        throw new UsageError(`--show: ${reasonOf(error)} in the first message; it has ${listed}`);
      }
      isFirst = false;
      return row;
    },
  };
}

async function main(script: Script<typeof usage.options>): Promise<void> {
  const { out, values } = script;
  const description = await describedBy(values);
  if (description.queue === undefined) {
    throw new UsageError("From where? Give --queue NAME, or --stream FILE with a queue in it");
  }
  const stream = csvStream(description);
  if (stream.queues.rows.monitored) {
    out.note("A monitor reads this queue: of several workers one is active, the others stand by");
  }
  const queue = { rows: description.queue };
  await work({ ...script, values: { ...values, queue } }, {
    stream: requiring(stream, description.show ?? []),
    from: "rows",
    taken: stream.line,
    async handle(row, { id, worker, redelivered, attempt }) {
      // Even a timer of 0 takes milliseconds.
      if (values.handle > 0) await delay(values.handle);
      const body = Object.fromEntries(row);
      out.event({ event: "message", worker, id, body, redelivered, attempt });
    },
  });
}

if (import.meta.main) await run(usage, main);
