/**
 * What every worker does: take messages of one queue, decode them, handle each once, acknowledge after the
 * work, move what can't be handled to the dead letters.
 */
import { brokerAddress, URL_OPTION } from "./broker_url.ts";
import { Connection } from "./connection.ts";
import { consume, type Verdict } from "./consumer.ts";
import type { Delivery } from "./connection.ts";
import { DeliveryCount } from "./delivery_count.ts";
import { reasonOf } from "./errors.ts";
import { IdleWatch } from "./idle_watch.ts";
import { publishedAt } from "./messages.ts";
import {
  integer,
  type Option,
  optional,
  plainName,
  positiveDuration,
  withDefault,
} from "./options.ts";
import { counted, inert } from "./output.ts";
import { Publisher } from "./publisher.ts";
import { RecentIds } from "./recent_ids.ts";
import { OUTPUT_OPTIONS, type Script } from "./script.ts";
import { deadQueue, type Queue, QUEUE_TYPE_OPTION } from "./topology.ts";
import { Announcer } from "./watch.ts";

/** RabbitMQ's limit for a consumer of a quorum queue. */
const MAX_PREFETCH = 2000;

/** Ids remembered, so that a message delivered twice is handled once. */
const REMEMBERED_IDS = 10_000;

const NAME_OPTION: Option<string> = {
  value: "NAME",
  parse: plainName,
  namesLog: true,
  otherwise: () => `w${Deno.pid}`,
  help: "name in lines, replies and the log's file (default w<process id>)",
};

/** The flags of every consumer. */
export const CONSUMER_OPTIONS = {
  name: NAME_OPTION,
  prefetch: withDefault(
    "N",
    integer(1, MAX_PREFETCH),
    "1",
    "messages held at a time; 1 shares the work evenly",
  ),
  exitWhenIdle: optional(
    "TIME",
    positiveDuration,
    "end when nothing came for so long (default: run until Ctrl-C)",
  ),
  ...URL_OPTION,
  ...QUEUE_TYPE_OPTION,
  ...OUTPUT_OPTIONS,
};

/** The flags of a worker: a consumer whose messages can be fatal to it. */
export const WORKER_OPTIONS = {
  maxDeliveries: withDefault(
    "N",
    integer(1, 15),
    "5",
    "a message delivered more often than this before is a dead letter",
  ),
  ...CONSUMER_OPTIONS,
};

/** What a consumer of one queue adds. */
export interface Work<T> {
  readonly script: string;
  /** Its announcements are `<stream>.<handled>`, `<stream>.dead` and `<stream>.presence`. */
  readonly stream: string;
  readonly handled: string;
  readonly queue: Queue;
  /** Queues it publishes to. */
  readonly publishesTo?: readonly Queue[];
  /** Throws an error that says why when the delivery can't be decoded. */
  readonly decode: (delivery: Delivery) => T;
  /** An item in words, for the line that a worker prints when it takes one; without it there is none. */
  readonly taken?: (item: T, job: Job) => string;
  /** Does the work, and says what has been done: the fields of its announcement. */
  readonly handle: (item: T, job: Job) => Promise<Record<string, unknown>>;
  /** Added to the totals of its announcements. */
  readonly totals?: () => Record<string, unknown>;
  /** Added to the lines of the summary. */
  readonly statistics?: () => string;
}

/** What the work on one delivery needs. */
export interface Job {
  readonly delivery: Delivery;
  /** The consumer's name. */
  readonly name: string;
  /** 1 for the first delivery. */
  readonly attempt: number;
  readonly publisher: Publisher;
}

type ConsumerOptions = typeof CONSUMER_OPTIONS & Partial<typeof WORKER_OPTIONS>;

/**
 * Works until Ctrl-C or the idle time ends it.
 *
 * @throws {FailedError} If there is no broker, or it refuses.
 */
export async function work<T>(script: Script<ConsumerOptions>, job: Work<T>): Promise<void> {
  const { values, out } = script;
  const { name } = values;
  const { queue: queueName } = job.queue;
  const counts = { handled: 0, duplicates: 0, dead: 0 };
  const totals = () => ({ ...counts, ...job.totals?.() });
  const seen = new RecentIds(REMEMBERED_IDS);
  const deliveries = new DeliveryCount(job.queue);

  const options = { out, signal: script.signal, name: `${job.script} ${name}` };
  await using connection = await Connection.open(
    brokerAddress(values.url, values),
    "consume",
    options,
  );
  using publisher = await Publisher.open(
    connection,
    [...job.publishesTo ?? [], deadQueue(queueName)],
    { returned: "declare" },
  );
  await using announcer = new Announcer(connection, job.script, name);

  const handle = async (delivery: Delivery): Promise<Verdict> => {
    const before = deliveries.before(delivery);
    // Some clients send an empty one: that is none.
    const messageId = delivery.messageId || undefined;
    if (messageId !== undefined && seen.has(messageId)) {
      counts.duplicates++;
      return "ack";
    }
    if (before > (values.maxDeliveries ?? Infinity)) {
      return { dead: `delivered ${before} times before, and never acknowledged` };
    }
    let item: T;
    try {
      item = job.decode(delivery);
    } catch (error) {
      return { dead: reasonOf(error) };
    }
    const one = { delivery, name, attempt: before + 1, publisher };
    sayTaken(item, one);
    const done = await job.handle(item, one);
    counts.handled++;
    if (messageId !== undefined) seen.add(messageId);
    announcer.announce(`${job.stream}.${job.handled}`, () => ({
      id: messageId,
      publishedAt: publishedAt(delivery),
      ...done,
      totals: totals(),
    }));
    return "ack";
  };

  const sayTaken = (item: T, one: Job) => {
    const { taken } = job;
    if (!taken) return;
    const { attempt, delivery: { messageId, redelivered } } = one;
    out.event(
      { event: "taken", worker: name, id: messageId || null, redelivered, attempt },
      () => {
        const again = redelivered ? out.paint("yellow", `  (redelivered, attempt ${attempt})`) : "";
        return `${out.paint("cyan", name)}  ${inert(taken(item, one))}${again}`;
      },
    );
  };

  // Without a connection nothing can come.
  using idle = new IdleWatch(
    values.exitWhenIdle,
    () => connection.away,
    () => connection.refused,
  );
  await consume(connection, job.queue, handle, {
    prefetch: values.prefetch,
    dead: publisher,
    signal: AbortSignal.any([script.signal, idle.signal]),
    onActivity: (busy) => idle.touch(queueName, busy),
    onReady: () => {
      out.event(
        { event: "ready", pid: Deno.pid, name },
        () => `${name} takes from ${queueName}, ${values.prefetch} at a time; Ctrl-C stops`,
      );
      const presence = () => ({ handles: job.handled, totals: totals() });
      announcer.present(`${job.stream}.presence`, presence);
    },
    onDead: ({ messageId }, reason) => {
      counts.dead++;
      const id = messageId ?? null;
      out.problem(
        { event: "dead", queue: queueName, id, reason },
        () => `${inert(messageId ?? "A message without id")} moved to ${queueName}.dead: ${reason}`,
      );
      announcer.announce(
        `${job.stream}.dead`,
        () => ({ id, queue: queueName, reason, totals: totals() }),
      );
    },
  });
  out.summary({ event: "summary", ...counts }, () => {
    const { handled, duplicates, dead } = counts;
    return `${name}: ${handled} handled, ${counted(duplicates, "duplicate")}, ` +
      counted(dead, "dead letter") +
      (job.statistics && handled > 0 ? `\n${job.statistics()}` : "");
  });
}
