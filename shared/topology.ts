/**
 * How every queue and exchange of the collection is declared, in one place.
 *
 * Queues are durable quorum queues: replicated on a cluster, and measured faster than classic ones here.
 * `--queue-type classic` declares the queues that older programs share plain, with no arguments at all, as those do;
 * what is ours alone stays as it is.
 */
import { oneOf, withDefault } from "./options.ts";
import { ALERT_QUEUES, HELPDESK_QUEUES, READING_QUEUES, TASK_QUEUES } from "./queue_names.ts";

export type QueueType = "quorum" | "classic";

/** What `queue.declare` gets. */
export interface Queue {
  readonly queue: string;
  readonly durable: true;
  readonly arguments?: Record<string, string | number | boolean>;
}

/** How the notifier can tell of an alert. */
export const NOTICE_KINDS = ["email", "text", "webhook"] as const;

export type NoticeKind = typeof NOTICE_KINDS[number];

/** The topic exchange on which scripts announce what they do; transient, and nobody has to listen. */
export const WATCH_EXCHANGE = "watch";

/** Replies that nobody reads must not fill the broker: the oldest go. */
const MAX_REPLIES = 10_000;

/**
 * Readings are judged in order, notices wait for their server, dead letters and saved states are looked at: none of
 * them is given up after some deliveries. As good as no limit: RabbitMQ 3.10 takes -1 for 0, and 4.x drops after 20
 * without it.
 */
const ENDLESS_DELIVERIES = 1_000_000;

const QUORUM = { "x-queue-type": "quorum" } as const;

/** The flag that says how shared queues are declared. */
export const QUEUE_TYPE_OPTION = {
  queueType: withDefault(
    "TYPE",
    oneOf<QueueType>("quorum", "classic"),
    "quorum",
    "how the queues that older programs share are declared: quorum, or classic as they do",
  ),
};

/** A queue that other programs may share: nothing but its type, so that tutorial programs fit. */
export function sharedQueue(queue: string, type: QueueType): Queue {
  return type === "classic"
    ? { queue, durable: true }
    : { queue, durable: true, arguments: QUORUM };
}

/** Where helpdesk workers send their replies; ours alone, so always a quorum queue. */
export function repliesQueue(queue: string): Queue {
  return {
    queue,
    durable: true,
    arguments: { ...QUORUM, "x-max-length": MAX_REPLIES },
  };
}

/** Where monitors send their alerts; ours alone, so always a quorum queue. */
export function alertQueue(queue: string): Queue {
  return { queue, durable: true, arguments: QUORUM };
}

/** The readings of a channel: one consumer is active, others stand by, so that windows are never shared. */
export function readingQueue(queue: string, type: QueueType): Queue {
  if (type === "classic") return sharedQueue(queue, type);
  return {
    queue,
    durable: true,
    arguments: {
      ...QUORUM,
      "x-single-active-consumer": true,
      "x-delivery-limit": ENDLESS_DELIVERIES,
    },
  };
}

/** What the active monitor of a channel remembers: one message, the newest. */
export function stateQueue(queue: string): Queue {
  return {
    queue: `${queue}.state`,
    durable: true,
    arguments: { ...QUORUM, "x-max-length": 1, "x-delivery-limit": ENDLESS_DELIVERIES },
  };
}

/**
 * The notices of one kind that wait to be sent; ours alone. One notifier sends, others stand by, so that they
 * leave in order.
 *
 * @param alerts The queue of the alerts that they come from.
 */
export function noticeQueue(kind: NoticeKind, alerts: string = ALERT_QUEUES.alerts): Queue {
  return {
    queue: `${alerts}.${kind}`,
    durable: true,
    arguments: {
      ...QUORUM,
      "x-single-active-consumer": true,
      "x-delivery-limit": ENDLESS_DELIVERIES,
    },
  };
}

/** Where messages of a queue go that can't be handled. */
export function deadQueue(queue: string): Queue {
  return {
    queue: `${queue}.dead`,
    durable: true,
    arguments: { ...QUORUM, "x-delivery-limit": ENDLESS_DELIVERIES },
  };
}

/**
 * The queues that dead letters may go back to: those that consumers read. Not the saved states, where a letter
 * would take the place of what a monitor knows.
 */
export function consumedQueues(): string[] {
  return allQueues("quorum").map(({ queue }) => queue)
    .filter((queue) => !/\.(dead|state)$/.test(queue));
}

/** The queues of dead letters. */
export function deadQueues(): string[] {
  return allQueues("quorum").map(({ queue }) => queue).filter((queue) => queue.endsWith(".dead"));
}

/** Every queue of the collection, for `deno task queues`. */
export function allQueues(type: QueueType): Queue[] {
  const readings = Object.values(READING_QUEUES);
  const read = [
    sharedQueue(HELPDESK_QUEUES.tickets, type),
    repliesQueue(HELPDESK_QUEUES.replies),
    sharedQueue(TASK_QUEUES.tasks, type),
    ...readings.map((queue) => readingQueue(queue, type)),
    alertQueue(ALERT_QUEUES.alerts),
  ];
  const states = readings.map((queue) => stateQueue(queue));
  const notices = NOTICE_KINDS.map((kind) => noticeQueue(kind));
  return [...read, ...notices, ...states, ...read.map(({ queue }) => deadQueue(queue))];
}
