/** The queues of alerts: where monitors send them, and where each kind of notice waits for its server. */
import { z } from "zod";
import { type Delivery, type Queue, queueOf } from "../connection.ts";
import { type Alert, type AlertWords, alertWords } from "./alert.ts";
import { check, valueOf } from "./codec.ts";
import { DATA_STREAMS } from "./list.ts";
import type { Stream, StreamQueue } from "./stream.ts";

/** How the notifier can report an alert. */
export const NOTICE_KINDS = ["email", "text", "webhook"] as const;

export type NoticeKind = typeof NOTICE_KINDS[number];

const ALERT_QUEUE = "alert_queue";

/** One notifier sends, others stand by, so that notices leave in order. */
function waiting(kind: NoticeKind): StreamQueue {
  return { name: `${ALERT_QUEUE}.${kind}`, kind: "ordered", deadElsewhere: true };
}

export const ALERTS = {
  name: "alerts",
  title: "Alerts",
  queues: {
    alerts: { name: ALERT_QUEUE, kind: "own" },
    email: waiting("email"),
    text: waiting("text"),
    webhook: waiting("webhook"),
  },
  decode: decodeAlert,
  encode: (alert: Alert) => ({
    body: JSON.stringify(wordsOf(alert.stream).write(alert)),
    contentType: "application/json",
  }),
  line: ({ id, state }: Alert) => `${id}/${state}`,
  panel: {
    kind: "work",
    item: "alert",
    shown: ({ id, state }) => ({ text: `${id}/${state}` }),
  },
} satisfies Stream<Alert, "alerts" | NoticeKind>;

/**
 * The queue in which the notices of one kind wait; ours alone.
 *
 * @param alerts The queue of the alerts that they come from.
 */
export function noticeQueue(kind: NoticeKind, alerts: string = ALERT_QUEUE): Queue {
  return queueOf(`${alerts}.${kind}`, "ordered");
}

const OTHER = alertWords();

/** The words of a stream's alerts; those of one that isn't declared are the same for all. */
export function wordsOf(stream: string): AlertWords {
  return DATA_STREAMS.find(({ name }) => name === stream)?.alerts ?? OTHER;
}

/** Of an alert that doesn't name its stream. */
const FIRST_STREAM = "smoker";

const Named = z.object({ stream: z.string().default(FIRST_STREAM) });

/** @throws {RangeError} If the delivery is no alert. */
function decodeAlert(delivery: Delivery): Alert {
  const value = valueOf(delivery, () => {
    throw new RangeError("an alert must be JSON");
  });
  return check(wordsOf(check(Named, value).stream).body, value);
}
