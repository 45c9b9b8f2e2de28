/**
 * Producing: a stream's CSV replayed into queues, at a pace, or single items; each message confirmed before it counts.
 */
import {
  Announcer,
  connect,
  type Connection,
  Publisher,
  type Queue,
  queueOf,
  type QueueType,
  showAdminSite,
  stateQueue,
} from "./connection.ts";
import { type NewItemOptions, paceOf, type ReplayOptions } from "./replay/options.ts";
import { type Pace, Schedule, waitUntil } from "./replay/pace.ts";
import { type Row as ReadRow, RowReader } from "./replay/rows.ts";
import { type ExchangeTarget, Sender } from "./replay/sender.ts";
import { counted, delay, Progress, type Script } from "./script.ts";
import {
  type CsvForm,
  publishedNews,
  type QueueNames,
  type Stream,
  type StreamQueue,
} from "./streams.ts";

export { CSV_OPTIONS, newItemOptions, replayOptions } from "./replay/options.ts";
export { type CsvRecord, readCsv } from "./replay/csv.ts";
export { openCsv, reportRejected, RowReader } from "./replay/rows.ts";
export { type ExchangeTarget, idOf } from "./replay/sender.ts";

/** From this speed on a terminal gets a progress bar instead of lines. */
const FAST_SPEED = 1000;

const CLOCK = { now: () => performance.now(), sleep: delay };

/** A stream that has a CSV. */
type Replayed<Item, K extends string, Row> = Stream<Item, K, Row> & {
  readonly csv: CsvForm<Item, K, Row>;
};

/**
 * Replays a stream's CSV.
 *
 * @param exchange Where all of it goes, if not to the stream's queues; it must exist.
 * @returns The exit code: 1 if messages could not be confirmed, 2 if rows were malformed, else 0.
 * @throws {UsageError} If flags or file are wrong: before anything is published, or after the summary.
 * @throws {FailedError} If there is no broker, or it refuses.
 */
export async function replay<Item, K extends string, L extends K, Row>(
  script: Script<ReplayOptions<L>>,
  stream: Replayed<Item, K, Row>,
  exchange?: ExchangeTarget,
): Promise<number> {
  const { values, out, signal, usage } = script;
  const { csv } = stream;
  const pace = paceOf(values, csv);
  const run = values.run ?? crypto.randomUUID().slice(0, 8);
  const reader = new RowReader(csv, {
    ...values,
    run,
    timed: values.speed !== undefined,
    task: usage.task,
    signal,
  });
  const blocks = reader.blocks();
  // A bad file is reported before anything is connected; standard input may take its time.
  const first = values.file === "-" ? undefined : await blocks.next();

  await using stack = new AsyncDisposableStack();
  const broker = values.dryRun ? undefined : await toBroker(script, stream, stack, exchange);
  const publisher = broker?.publisher;
  out.event({ event: "ready", pid: Deno.pid, name: usage.script }, () => {
    const queues = exchange ? `exchange ${exchange.name}` : Object.values(values.queue).join(", ");
    const dry = values.dryRun ? " (dry run: nothing is sent)" : "";
    const source = values.file === "-" ? "standard input" : values.file;
    return `Replaying ${source} into ${queues}${dry}, run ${run}; Ctrl-C stops`;
  });
  out.flush();
  // A dry run is for its lines.
  const bar = out.terminal && !out.quiet && isFast(pace) && !values.dryRun
    ? stack.use(new Progress(out, values.loop ? undefined : reader.size))
    : undefined;
  const sender = new Sender({
    ...broker,
    usage,
    out,
    messages: csv.messages,
    encode: (item) => stream.encode(item, values.format),
    queues: values.queue as QueueNames<K>,
    exchange,
    line: csv.line,
    announced: publishedNews(stream, csv.messages),
    start: { run, row: values.skip + 1 },
    onRow: ({ rows, confirmed }) => {
      bar?.update(rows, confirmed, reader.bytesRead);
      return bar === undefined;
    },
  });

  let now = CLOCK.now();
  const schedule = new Schedule(pace, now);
  let pass = run;
  /** Whether there is more to come. No await and no look at the clock for a row that is due anyway. */
  const play = async (rows: readonly ReadRow<Row>[]): Promise<boolean> => {
    for (const row of rows) {
      if (row.run !== pass) schedule.nextPass();
      pass = row.run;
      if ("item" in row) {
        const due = schedule.due(row.instant);
        if (due > now && due > (now = CLOCK.now())) await waitUntil(due, CLOCK, signal);
        if (publisher?.isFull) await publisher.room(signal);
        if (signal.aborted || sender.refused !== undefined) return false;
        sender.send(row, row.item);
      } else {
        sender.reject(row);
        if (values.strict) return false;
      }
      if (sender.tally.rows === values.limit) return false;
    }
    return true;
  };
  // What was sent is still confirmed and summed up when the rest can't be read.
  let unreadable: unknown;
  const read = async (): ReturnType<typeof blocks.next> => {
    try {
      return await blocks.next();
    } catch (error) {
      if (sender.tally.rows === 0) throw error;
      unreadable = error;
      return { done: true, value: undefined };
    }
  };
  let next = first ?? await read();
  // Not before the file has shown that it is one.
  if (values.purge && !next.done) await broker?.purge();
  while (!next.done && await play(next.value)) next = await read();
  await blocks.return(undefined);
  await publisher?.drained(signal);
  bar?.[Symbol.dispose]();
  const isStrict = values.strict && sender.tally.rejected > 0;
  const code = sender.finish(signal.aborted || isStrict || unreadable !== undefined);
  if (unreadable !== undefined) throw unreadable;
  return code;
}

/** Connects and declares the queues, or looks for the exchange; `purge` empties the queues. */
async function toBroker<K extends string, L extends K>(
  script: Script<ReplayOptions<L>>,
  { queues: declared }: { readonly queues: Readonly<Record<K, StreamQueue>> },
  stack: AsyncDisposableStack,
  exchange: ExchangeTarget | undefined,
): Promise<{ publisher: Publisher; announcer: Announcer; purge: () => Promise<void> }> {
  const { values, out, usage } = script;
  const connection = stack.use(await connect(script, "publish"));
  await showAdminSite(script, { open: values.admin });
  const named = exchange ? [] : Object.entries<string>(values.queue) as [L, string][];
  const states = named.filter(([key]) => values.purge && declared[key].monitored)
    .map(([, queue]) => stateQueue(queue));
  const own = await queuesOf(declared, named, values.queueType, connection);
  const queues = [...own, ...states];
  const publisher = stack.use(
    await Publisher.open(connection, queues, { exchange: exchange?.name }),
  );
  const purge = async () => {
    for (const { queue } of queues) {
      out.note(`Emptied ${queue} of ${counted(await connection.purge(queue), "message")}`);
    }
    // A monitor may watch a user's own queue, whatever its rows are said to be.
    for (const [key, name] of named) {
      const { queue } = stateQueue(name);
      const { usersOwn, monitored } = declared[key];
      if (usersOwn && !monitored && await connection.inspect(queue)) await connection.purge(queue);
    }
  };
  return { publisher, announcer: stack.use(new Announcer(connection, usage.script)), purge };
}

/** The declarations of the queues that have these names. */
function queuesOf<K extends string, L extends K>(
  declared: Readonly<Record<K, StreamQueue>>,
  names: readonly (readonly [L, string])[],
  type: QueueType,
  connection: Connection,
): Promise<Queue[]> {
  return Promise.all(names.map(([key, name]) => {
    const queue = queueOf(name, declared[key].kind, type);
    return declared[key].usersOwn ? connection.asItIs(queue) : queue;
  }));
}

/** What a script publishes that come from no file. */
export interface NewItems<Item, K extends string, L extends K> {
  readonly stream: Stream<Item, K, unknown>;
  /** The queue that they go to. */
  readonly to: L;
  readonly items: Iterable<Item> | AsyncIterable<Item>;
  /** The line of one that is confirmed. */
  readonly line: (item: Item) => string;
}

/**
 * Publishes items that come from no file, until `signal`.
 *
 * @returns The exit code: 1 if one could not be confirmed.
 * @throws {FailedError} If there is no broker, or it refuses.
 */
export async function publishNew<Item, K extends string, L extends K>(
  script: Script<NewItemOptions<L>>,
  { stream, to, items, line }: NewItems<Item, K, L>,
): Promise<number> {
  const { values, out, signal, usage } = script;
  const run = values.run ?? crypto.randomUUID().slice(0, 8);
  await using connection = await connect(script, "publish");
  const named = Object.entries<string>(values.queue) as [L, string][];
  const queues = await queuesOf(stream.queues, named, values.queueType, connection);
  using publisher = await Publisher.open(connection, queues);
  await using announcer = new Announcer(connection, usage.script);
  await showAdminSite(script, { open: values.admin });
  out.event({ event: "ready", pid: Deno.pid, name: usage.script });
  const messages = (item: Item) => [{ to, item }];
  const sender = new Sender<Item, L, Item>({
    usage,
    out,
    messages,
    encode: (item) => stream.encode(item, "json"),
    queues: values.queue,
    line,
    announced: publishedNews(stream, messages),
    resumable: false,
    start: { run, row: 1 },
    publisher,
    announcer,
    onRow: () => true,
  });
  let row = 0;
  for await (const item of items) {
    await publisher.room(signal);
    if (signal.aborted || sender.refused !== undefined) break;
    sender.send({ run, row: ++row }, item);
  }
  await publisher.drained(signal);
  return sender.finish(signal.aborted);
}

function isFast(pace: Pace): boolean {
  return "intervalMs" in pace ? pace.intervalMs === 0 : pace.speed >= FAST_SPEED;
}
