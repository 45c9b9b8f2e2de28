/**
 * Sharing the messages of a queue: a worker takes them, decodes them, handles each once, acknowledges after the work,
 * and moves what can't be handled to the dead letters.
 */
import {
  Announcer,
  connect,
  type Connection,
  consume,
  CONSUMER_OPTIONS,
  deadQueue,
  type Delivery,
  DeliveryCount,
  IdleWatch,
  Publisher,
  type Queue,
  queueOf,
  type Verdict,
} from "./connection.ts";
import {
  counted,
  inert,
  integer,
  type Option,
  reasonOf,
  type Script,
  UsageError,
  withDefault,
} from "./script.ts";
import {
  deadHints,
  presenceOf,
  publishedAt,
  type QueueNames,
  startOfBody,
  type Stream,
  type WorkPanel,
} from "./streams.ts";
import { RecentIds } from "./worker/recent_ids.ts";
import { WorkStatistics } from "./worker/statistics.ts";

export { RecentIds } from "./worker/recent_ids.ts";

/** Ids remembered, so that a message delivered twice is handled once. */
const REMEMBERED_IDS = 10_000;

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

/** A message in hand. */
export interface InHand {
  readonly delivery: Delivery;
  /** Its id; `null` where it has none. */
  readonly id: string | null;
  /** The worker's name. */
  readonly worker: string;
  readonly redelivered: boolean;
  /** 1 for the first delivery. */
  readonly attempt: number;
  /** From publishing to the beginning of the work, in milliseconds; `undefined` if unknown. */
  readonly waitMs: number | undefined;
  readonly publisher: Publisher;
}

/** How the messages of a queue are handled. */
export interface Handling<Item> {
  readonly queue: Queue;
  /**
   * @throws {RangeError} If the delivery can't be decoded; the message says why.
   * @throws {UsageError} If the command line doesn't fit the messages: that ends the worker.
   */
  readonly decode: (delivery: Delivery) => Item;
  /** Does the work. */
  readonly handle: (item: Item, inHand: InHand) => Promise<void>;
  /** Kept up to date. */
  readonly counts: { handled: number; duplicates: number; dead: number };
  /** Queues that it publishes to. */
  readonly publishesTo?: readonly Queue[];
  /** An item in words, for the line that is printed when it is taken; without it there is none. */
  readonly taken?: (item: Item, inHand: InHand) => string;
  /** Called when it takes messages. */
  readonly onReady?: () => void;
  /** Called when an item is handled; and when a message has become a dead letter. */
  readonly onTaken?: (item: Item, inHand: InHand) => void;
  readonly onHandled?: (item: Item, inHand: InHand) => void;
  readonly onDead?: (delivery: Delivery, reason: string) => void;
  /** Added to the lines of the summary when something was handled. */
  readonly statistics?: () => string;
}

/** How the items of a stream are worked on. */
export interface Work<Item, K extends string, L extends K> {
  readonly stream: Stream<Item, K, unknown>;
  /** The queue that they are taken from. */
  readonly from: L;
  readonly handle: Handling<Item>["handle"];
  readonly taken: NonNullable<Handling<Item>["taken"]>;
  readonly publishesTo?: readonly Queue[];
}

type ConsumerScript = Script<typeof CONSUMER_OPTIONS & Partial<typeof WORKER_OPTIONS>>;
type WorkerScript<K extends string> = Script<
  typeof WORKER_OPTIONS & { readonly queue: Option<QueueNames<K>> }
>;

/**
 * Works on the items of a stream until Ctrl-C or the idle time ends it, and announces what it does.
 *
 * @throws {FailedError} If there is no broker, or it refuses.
 */
export async function work<Item, K extends string, L extends K>(
  script: WorkerScript<L>,
  { stream, from, handle, taken, publishesTo }: Work<Item, K, L>,
): Promise<void> {
  const { values, usage } = script;
  const { name, panel, queues } = stream;
  // Measurements can be worked on, too.
  const { groups, shown }: Pick<WorkPanel<Item>, "groups" | "shown"> = panel.kind === "work"
    ? panel
    : { shown: (item) => ({ text: stream.line(item) }) };
  const declared = queueOf(values.queue[from], queues[from].kind, values.queueType);
  const statistics = new WorkStatistics(groups ?? {});
  const counts = { handled: 0, duplicates: 0, dead: 0 };
  // Messages that no script of the collection has published: nothing has announced them.
  let others = 0;
  const totals = () => ({ ...counts, others, groups: { ...statistics.groups } });
  await using connection = await connect(script, "consume", values.name);
  const queue = queues[from].usersOwn ? await connection.asItIs(declared) : declared;
  await using announcer = new Announcer(connection, usage.script, values.name);
  const about = (item: Item, { id, worker, redelivered }: InHand) => ({
    ...{ id, worker, redelivered },
    ...shown(item),
  });
  let inHand: { item: Item; inHand: InHand; since: number } | undefined;
  await handleMessages(script, connection, {
    queue,
    decode: (delivery) => stream.decode(delivery, from),
    handle,
    counts,
    taken,
    ...(publishesTo ? { publishesTo } : {}),
    onReady: () =>
      announcer.present(`${name}.presence`, () => ({
        role: "worker",
        ...presenceOf(stream),
        queues: [queue.queue],
        inHand: inHand
          ? { ...about(inHand.item, inHand.inHand), forMs: performance.now() - inHand.since }
          : null,
        totals: totals(),
      })),
    onTaken(item, taken) {
      inHand = { item, inHand: taken, since: performance.now() };
      announcer.announce(`${name}.taken`, () => about(item, taken));
    },
    onHandled(item, handled) {
      const { waitMs, delivery } = handled;
      const { group } = shown(item);
      inHand = undefined;
      if (publishedAt(delivery) === undefined) others++;
      statistics.add(group, waitMs);
      announcer.announce(`${name}.handled`, () => ({
        ...about(item, handled),
        waitMs,
        publishedAt: publishedAt(delivery),
        totals: totals(),
      }));
    },
    onDead(delivery, reason) {
      if (publishedAt(delivery) === undefined) others++;
      announcer.announce(`${name}.dead`, () => ({
        ...{ id: delivery.messageId ?? null, queue: queue.queue, reason },
        body: startOfBody(delivery),
        totals: totals(),
      }));
    },
    ...(groups ? { statistics: () => statistics.toString() } : {}),
  });
}

/**
 * Handles the messages of a queue until Ctrl-C or the idle time ends it, and announces nothing.
 *
 * @throws {FailedError} If there is no broker, or it refuses.
 */
export async function handleQueue<Item>(
  script: ConsumerScript,
  handling: Omit<Handling<Item>, "counts">,
): Promise<void> {
  await using connection = await connect(script, "consume", script.values.name);
  const counts = { handled: 0, duplicates: 0, dead: 0 };
  await handleMessages(script, connection, { ...handling, counts });
}

async function handleMessages<Item>(
  { values, out, signal }: ConsumerScript,
  connection: Connection,
  handling: Handling<Item>,
): Promise<void> {
  const { name } = values;
  const { queue, counts, decode, taken, publishesTo = [] } = handling;
  const seen = new RecentIds(REMEMBERED_IDS);
  const deliveries = new DeliveryCount(queue);
  const hintOf = await deadHints();
  using publisher = await Publisher.open(
    connection,
    [...publishesTo, deadQueue(queue.queue)],
    { returned: "declare" },
  );

  const handle = async (delivery: Delivery): Promise<Verdict> => {
    const before = deliveries.before(delivery);
    // Some clients send an empty one: that is none.
    const id = delivery.messageId || null;
    if (id !== null && seen.has(id)) {
      counts.duplicates++;
      return "ack";
    }
    if (before > (values.maxDeliveries ?? Infinity)) {
      return { dead: `delivered ${before} times before, and never acknowledged` };
    }
    let item: Item;
    try {
      item = decode(delivery);
    } catch (error) {
      // The command line is wrong, not the message: that goes back to its queue.
      if (error instanceof UsageError) throw error;
      return { dead: reasonOf(error) };
    }
    const published = publishedAt(delivery);
    const waitMs = published === undefined ? undefined : Math.max(0, Date.now() - published);
    const { redelivered } = delivery;
    const attempt = before + 1;
    const inHand = { delivery, id, worker: name, redelivered, attempt, waitMs, publisher };
    if (taken) {
      out.event({ event: "taken", worker: name, id, redelivered, attempt }, () => {
        const again = redelivered ? out.paint("yellow", `  (redelivered, attempt ${attempt})`) : "";
        return `${out.paint("cyan", name)}  ${inert(taken(item, inHand))}${again}`;
      });
    }
    handling.onTaken?.(item, inHand);
    await handling.handle(item, inHand);
    counts.handled++;
    if (id !== null) seen.add(id);
    handling.onHandled?.(item, inHand);
    return "ack";
  };

  // Without a connection nothing can come.
  using idle = new IdleWatch(
    values.exitWhenIdle,
    () => connection.away,
    () => connection.refused,
  );
  await consume(connection, queue, handle, {
    prefetch: values.prefetch,
    dead: publisher,
    signal: AbortSignal.any([signal, idle.signal]),
    onActivity: (busy) => idle.touch(queue.queue, busy),
    onReady: () => {
      out.event(
        { event: "ready", pid: Deno.pid, name },
        () => `${name} takes from ${queue.queue}, ${values.prefetch} at a time; Ctrl-C stops`,
      );
      handling.onReady?.();
    },
    onDead: (delivery, reason) => {
      counts.dead++;
      const { messageId } = delivery;
      const id = messageId ?? null;
      out.problem(
        { event: "dead", queue: queue.queue, id, reason },
        () =>
          `${inert(messageId ?? "A message without id")} moved to ${
            deadQueue(queue.queue).queue
          }: ${reason}${hintOf(queue.queue)}`,
      );
      handling.onDead?.(delivery, reason);
    },
  });
  out.summary({ event: "summary", ...counts }, () => {
    const { handled, duplicates, dead } = counts;
    return `${name}: ${handled} handled, ${counted(duplicates, "duplicate")}, ` +
      counted(dead, "dead letter") +
      (handling.statistics && handled > 0 ? `\n${handling.statistics()}` : "");
  });
}
