/**
 * The notifier's part at the broker: alerts are passed on into a queue for each kind of notice, and each of these
 * is emptied by a sender of its own. So a server that is away holds back its own kind only, and what was sent
 * isn't sent again, also after a restart.
 */
import {
  type BrokerAddress,
  Connection,
  consume,
  deadQueue,
  type Delivery,
  IdleWatch,
  Publisher,
  type Queue,
  queueOf,
  type Verdict,
} from "../connection.ts";
import { counted, inert, later, type Output, reasonOf, STOP_MS, unlessAborted } from "../script.ts";
import { deadHints, NOTICE_KINDS, noticeQueue } from "../streams.ts";
import { RecentIds } from "../worker.ts";
import { Backlog } from "./backlog.ts";
import { decodeNotice, headline, type Notice, noticeMessage } from "./notices.ts";
import { NoticeQueue, REMEMBERED_KEYS } from "./queue.ts";
import type { NoticeSender } from "./sender.ts";

export interface NotifierOptions {
  readonly name: string;
  readonly address: BrokerAddress;
  /** The name of the queue of alerts; those of the notices follow it. */
  readonly alerts: string;
  /** Notices of alerts published before are not sent, in ms since 1970. @default {-Infinity} */
  readonly notBefore?: number | undefined;
  /** Alerts held at a time. */
  readonly prefetch: number;
  /** Ends it when there was nothing to do for so long, in milliseconds. */
  readonly exitWhenIdle: number | undefined;
  /** The first wait after a failure, in milliseconds; it doubles up to 5 min. */
  readonly retryMs: number;
  /** A notice is given up so long after its alert was published, in milliseconds. */
  readonly giveUpMs: number;
  readonly out: Output;
  readonly signal: AbortSignal;
}

/**
 * Sends notices until the signal or the idle time ends it.
 *
 * @throws {FailedError} If there is no broker, or it refuses.
 */
export async function notify(
  senders: readonly NoticeSender[],
  options: NotifierOptions,
): Promise<void> {
  const { name, alerts, prefetch, out, signal } = options;
  await using connection = await Connection.open(options.address, "consume", {
    out,
    signal,
    name: `alert_notifier ${name}`,
  });
  const incoming = queueOf(alerts, "own");
  const queues = senders.map(({ kind }) => noticeQueue(kind, alerts));
  const dead = deadQueue(alerts);
  const hintOf = await deadHints();
  // The alerts' own queue too: what is wrong with it is reported before anything is sent.
  const topology = [incoming, ...queues, dead];
  using publisher = await Publisher.open(connection, topology, { returned: "declare" });
  using idle = new IdleWatch(
    options.exitWhenIdle,
    () => isHeldBack(connection, [incoming, ...queues]),
    () => connection.refused,
  );
  const failed = new AbortController();
  const ended = AbortSignal.any([signal, idle.signal, failed.signal]);
  using late = later(ended, STOP_MS);
  const hurry = late.signal;
  const counts = { handled: 0, duplicates: 0, dead: 0 };
  const onDuplicate = () => void counts.duplicates++;
  const { notBefore } = options;
  const backlog = await Backlog.count(connection, incoming, queues, { notBefore, out });

  const unready = new Set([incoming, ...queues].map(({ queue }) => queue));
  const onReady = ({ queue }: Queue) => {
    if (!unready.delete(queue) || unready.size > 0) return;
    const ways = senders.map(({ kind, server }) => `${kind} (${server})`).join(", ");
    out.event(
      { event: "ready", pid: Deno.pid, name },
      () => `${name} sends alerts by ${ways}; Ctrl-C stops`,
    );
  };
  const take = (
    queue: Queue,
    handle: (delivery: Delivery) => Promise<Verdict>,
    { prefetch }: { prefetch: number },
  ) =>
    consume(connection, queue, handle, {
      prefetch,
      dead: publisher,
      deadQueue: dead,
      signal: ended,
      onReady: () => onReady(queue),
      onActivity: (busy) => idle.touch(queue.queue, busy),
      onDead({ messageId }, reason) {
        counts.dead++;
        const id = messageId || null;
        out.problem(
          { event: "dead", queue: alerts, id, reason },
          () =>
            `${inert(id ?? "A message without id")} moved to ${dead.queue}: ${reason}${
              hintOf(alerts)
            }`,
        );
      },
    }).catch((error) => {
      failed.abort();
      throw error;
    });
  const noticesOf = (sender: NoticeSender) => {
    const { kind: by, server } = sender;
    return new NoticeQueue(sender, {
      ...options,
      signal: ended,
      hurry,
      backlog,
      onDuplicate,
      onSent(notice, answer) {
        counts.handled++;
        const { id, state } = notice.alert;
        out.event(
          { event: "notice", id, state, by },
          () => `${by.padEnd(7)}  ${headline(notice)}  (${answer})`,
        );
      },
      onWaiting({ alert: { id, state } }, reason, waitMs) {
        const seconds = Math.round(waitMs / 100) / 10;
        out.problem(
          { event: "waiting", id, state, by, reason, seconds },
          () => `${by}: ${server}: ${reason}; trying again in ${seconds} s`,
        );
      },
    });
  };

  await tellOfOthers(connection, alerts, queues, out);
  const passOn = passingOn(senders, publisher, { alerts, hurry, backlog, onDuplicate });
  const ends = await Promise.allSettled([
    take(incoming, passOn, { prefetch }),
    ...senders.map((sender) => {
      const notices = noticesOf(sender);
      return take(noticeQueue(sender.kind, alerts), (delivery) => notices.handle(delivery), {
        prefetch: 1,
      });
    }),
  ]);
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  const { skipped } = backlog;
  const leftOut = notBefore === undefined ? {} : { skipped };
  out.summary({ event: "summary", ...counts, ...leftOut }, () => {
    const { handled, duplicates, dead } = counts;
    return `${name}: ${counted(handled, "notice")} sent, ${counted(duplicates, "duplicate")}, ` +
      counted(dead, "dead letter") + (skipped > 0 ? `, ${skipped} skipped` : "");
  });
}

/** Puts an alert into the queue of each kind; one that came before is not passed on again. */
function passingOn(
  senders: readonly NoticeSender[],
  publisher: Publisher,
  { alerts, hurry, backlog, onDuplicate }: {
    alerts: string;
    hurry: AbortSignal;
    backlog: Backlog;
    onDuplicate: () => void;
  },
): (delivery: Delivery) => Promise<Verdict> {
  const passed = new RecentIds(REMEMBERED_KEYS);
  return async (delivery) => {
    let notice: Notice;
    try {
      notice = decodeNotice(delivery);
    } catch (error) {
      return { dead: reasonOf(error) };
    }
    if (passed.has(notice.key)) {
      onDuplicate();
      return "ack";
    }
    if (backlog.skips(notice)) return "ack";
    const messages = senders.map(({ kind }) => noticeMessage(notice, kind, alerts));
    const published = Promise.all(messages.map((message) => publisher.publish(message)));
    if (!await unlessAborted(published, hurry)) return "back";
    passed.add(notice.key);
    return "ack";
  };
}

/** Whether it is quiet though there is something to do: for want of the broker, or of a turn. */
async function isHeldBack(connection: Connection, queues: readonly Queue[]): Promise<boolean> {
  try {
    if (connection.away) return true;
    for (const { queue } of queues) {
      if (((await connection.inspect(queue))?.ready ?? 0) > 0) return true;
    }
    return false;
  } catch {
    // The connection is being closed.
    return true;
  }
}

/** Tells of notices that wait for a kind that isn't configured any more. */
async function tellOfOthers(
  connection: Connection,
  alerts: string,
  queues: readonly Queue[],
  out: Output,
): Promise<void> {
  for (const kind of NOTICE_KINDS) {
    const { queue } = noticeQueue(kind, alerts);
    if (queues.some((other) => other.queue === queue)) continue;
    const ready = (await connection.inspect(queue))?.ready ?? 0;
    if (ready === 0) continue;
    out.note(`${queue} holds ${counted(ready, "notice")}, but ${kind} isn't set up: they wait`);
  }
}
