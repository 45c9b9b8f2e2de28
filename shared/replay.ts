/**
 * What every producer does: replay a CSV into queues, at a pace, each row confirmed before it counts.
 *
 * A stream adds its columns, its messages and its words.
 */
import { delay } from "./abort.ts";
import { showAdminSite } from "./admin_site.ts";
import { brokerAddress } from "./broker_url.ts";
import { Connection } from "./connection.ts";
import { type Row, RowReader, type Source } from "./csv_replay.ts";
import { parseInstant } from "./local_time.ts";
import type { Format, Outgoing } from "./messages.ts";
import { type Pace, Schedule, waitUntil } from "./pace.ts";
import { counted } from "./output.ts";
import { Progress } from "./progress.ts";
import { Publisher } from "./publisher.ts";
import type { QueueNames } from "./queue_names.ts";
import { paceOf, type ReplayOptions } from "./replay_options.ts";
import type { Script } from "./script.ts";
import { Sender } from "./sender.ts";
import type { Queue, QueueType } from "./topology.ts";
import { Announcer } from "./watch.ts";

/** What a stream's producer adds. `K` are the keys of its queues. */
export interface Stream<T, K extends string = string> extends Source<T> {
  readonly task: string;
  readonly script: string;
  /** Routing key of its announcements, such as `helpdesk.ticket`. */
  readonly key: string;
  /** Declared before anything is published. */
  readonly queues: (names: QueueNames<K>, type: QueueType) => Queue[];
  /** What consumers remember of the queues: emptied with them by `--purge`. */
  readonly states?: (names: QueueNames<K>) => Queue[];
  /** Time between rows unless a flag says otherwise, in milliseconds. */
  readonly intervalMs: number;
  readonly messages: (item: T, format: Format, names: QueueNames<K>) => Outgoing[];
  /** A row in words. */
  readonly line: (item: T) => string;
}

/** From this speed on a terminal gets a progress bar instead of lines. */
const FAST_SPEED = 1000;

const CLOCK = { now: () => performance.now(), sleep: delay };

/**
 * Replays a stream's CSV.
 *
 * @returns The exit code: 1 if messages could not be confirmed, 2 if rows were malformed, else 0.
 * @throws {UsageError} If flags or file are wrong; nothing is published then.
 * @throws {FailedError} If there is no broker, or it refuses.
 */
export async function replay<T, K extends string>(
  script: Script<ReplayOptions<K>>,
  stream: Stream<T, K>,
): Promise<number> {
  const { values, out, signal } = script;
  const pace = paceOf(values, stream);
  const run = values.run ?? crypto.randomUUID().slice(0, 8);
  const reader = new RowReader(stream, { ...values, run, task: stream.task, signal });
  const blocks = reader.blocks();
  // A bad file is reported before anything is connected; standard input may take its time.
  const first = values.file === "-" ? undefined : await blocks.next();

  await using stack = new AsyncDisposableStack();
  const broker = values.dryRun ? undefined : await connect(script, stream, stack);
  const publisher = broker?.publisher;
  out.event({ event: "ready", pid: Deno.pid, name: stream.script }, () => {
    const queues = Object.values(values.queue).join(", ");
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
    stream,
    out,
    messages: (item) => stream.messages(item, values.format, values.queue),
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
  const play = async (rows: readonly Row<T>[]): Promise<boolean> => {
    for (const row of rows) {
      if (row.run !== pass) schedule.nextPass();
      pass = row.run;
      if ("item" in row) {
        const due = schedule.due("speed" in pace ? parseInstant(row.recorded) : undefined);
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
  let next = first ?? await blocks.next();
  // Not before the file has shown that it is one.
  if (values.purge && !next.done) await broker?.purge();
  while (!next.done && await play(next.value)) next = await blocks.next();
  await blocks.return(undefined);
  await publisher?.drained(signal);
  bar?.[Symbol.dispose]();
  return sender.finish(signal.aborted || (values.strict && sender.tally.rejected > 0));
}

/** Connects and declares the queues; `purge` empties them. */
async function connect<T, K extends string>(
  { values, out, signal }: Script<ReplayOptions<K>>,
  stream: Stream<T, K>,
  stack: AsyncDisposableStack,
): Promise<{ publisher: Publisher; announcer: Announcer; purge: () => Promise<void> }> {
  const address = brokerAddress(values.url, values);
  const options = { out, signal, name: stream.script };
  const connection = stack.use(await Connection.open(address, "publish", options));
  await showAdminSite(address, out, { open: values.admin });
  const states = values.purge ? stream.states?.(values.queue) ?? [] : [];
  const queues = [...stream.queues(values.queue, values.queueType), ...states];
  const publisher = stack.use(await Publisher.open(connection, queues));
  const purge = async () => {
    for (const { queue } of queues) {
      out.note(`Emptied ${queue} of ${counted(await connection.purge(queue), "message")}`);
    }
  };
  return { publisher, announcer: stack.use(new Announcer(connection, stream.script)), purge };
}

function isFast(pace: Pace): boolean {
  return "intervalMs" in pace ? pace.intervalMs === 0 : pace.speed >= FAST_SPEED;
}
