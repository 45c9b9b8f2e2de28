/**
 * How every queue is declared, in one place.
 *
 * Queues are durable quorum queues: replicated on a cluster, and measured faster than classic ones here.
 * `--queue-type classic` declares the queues that older programs share plain, with no arguments at all, as those do;
 * what is ours alone stays as it is.
 */
import { oneOf, withDefault } from "../script.ts";

export type QueueType = "quorum" | "classic";

/**
 * What a queue is for: `shared` with other programs by any number of workers, read in `order` by one consumer while
 * others stand by, `capped` at its newest messages because nobody has to read it, or `own`, ours alone.
 */
export type QueueKind = "shared" | "ordered" | "capped" | "own";

/** What `queue.declare` gets. */
export interface Queue {
  readonly queue: string;
  readonly durable: true;
  /** Whether it is there, and taken as it is. */
  readonly passive?: true;
  readonly arguments?: Record<string, string | number | boolean>;
}

/** A capped queue keeps so many messages. */
const MAX_CAPPED = 10_000;

/**
 * Readings are judged in order, notices wait for their server, dead letters and saved states are looked at: none of
 * them is given up after some deliveries. As good as no limit: RabbitMQ 3.10 takes -1 for 0, and 4.x drops after 20
 * without it.
 */
const NO_DELIVERY_LIMIT = { "x-delivery-limit": 1_000_000 } as const;

const QUORUM = { "x-queue-type": "quorum" } as const;

/** The flag that says how queues are declared that other programs may share. */
export const QUEUE_TYPE_OPTION = {
  queueType: withDefault(
    "TYPE",
    oneOf<QueueType>("quorum", "classic"),
    "quorum",
    "how the queues that older programs share are declared: quorum, or classic as they do",
  ),
};

/**
 * The declaration of a queue.
 *
 * @param type Of queues that other programs share, `shared` and `ordered`; all others are quorum queues.
 */
export function queueOf(queue: string, kind: QueueKind, type: QueueType = "quorum"): Queue {
  if (type === "classic" && (kind === "shared" || kind === "ordered")) {
    return { queue, durable: true };
  }
  return { queue, durable: true, arguments: { ...QUORUM, ...ARGUMENTS[kind] } };
}

const ARGUMENTS: Record<QueueKind, Record<string, string | number | boolean>> = {
  // Nothing but its type, so that the programs of RabbitMQ's tutorials fit.
  shared: {},
  ordered: { "x-single-active-consumer": true, ...NO_DELIVERY_LIMIT },
  capped: { "x-max-length": MAX_CAPPED },
  own: {},
};

/** What the active monitor of a queue remembers: one message, the newest. */
export function stateQueue(queue: string): Queue {
  const one = { ...QUORUM, "x-max-length": 1, ...NO_DELIVERY_LIMIT };
  return { queue: `${queue}.state`, durable: true, arguments: one };
}

/** Where messages of a queue go that can't be handled. */
export function deadQueue(queue: string): Queue {
  return { queue: `${queue}.dead`, durable: true, arguments: { ...QUORUM, ...NO_DELIVERY_LIMIT } };
}
