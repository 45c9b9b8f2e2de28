/**
 * Dead letters: a message that can't be handled moves to `<queue>.dead`, with its properties and headers that
 * say why, where it came from and when.
 */
import type { AsyncMessage, Properties } from "./connection.ts";
import type { Message } from "./publisher.ts";
import { deadQueue } from "./topology.ts";

/** A message as it was delivered. */
export type Delivery = AsyncMessage;

/** How often quorum queues have delivered a message before: they count when a consumer dies holding it. */
export function deliveriesBefore(delivery: Delivery): number {
  const count = Number(delivery.headers?.["x-delivery-count"] ?? 0);
  return count > 0 ? count : delivery.redelivered ? 1 : 0;
}

/**
 * The dead letter for a delivery.
 *
 * @param queue Where the message was.
 * @param reason Why it can't be handled: one sentence.
 */
export function deadLetter(delivery: Delivery, queue: string, reason: string): Message {
  const { headers: original = {}, ...properties } = propertiesOf(delivery);
  // CC would send copies elsewhere again; x-delivery-count belongs to the queue it was counted in.
  const { CC: _, BCC: __, "x-delivery-count": ___, ...headers } = original;
  return {
    queue: deadQueue(queue).queue,
    body: bytesOf(delivery),
    properties: {
      ...properties,
      headers: {
        ...headers,
        reason,
        "original-queue": queue,
        "failed-at": new Date().toISOString(),
      },
    },
  };
}

/** The queue in which a dead letter was before; `undefined` when it doesn't say. */
export function originalQueue({ headers }: Delivery): string | undefined {
  const queue = headers?.["original-queue"];
  return typeof queue === "string" ? queue : undefined;
}

/**
 * The message that a dead letter was: its properties and headers but those that {@link deadLetter} has added.
 *
 * @param queue Where it goes.
 */
export function revived(letter: Delivery, queue: string): Message {
  const { headers: all = {}, ...properties } = propertiesOf(letter);
  const headers = Object.fromEntries(
    Object.entries(all).filter(([name]) => !OF_LETTERS.includes(name)),
  );
  const hasHeaders = Object.keys(headers).length > 0;
  return {
    queue,
    body: bytesOf(letter),
    properties: { ...properties, ...(hasHeaders ? { headers } : {}) },
  };
}

/** Headers that a message doesn't keep when it comes back. */
const OF_LETTERS = ["reason", "original-queue", "failed-at", "x-delivery-count", "CC", "BCC"];

/**
 * The body as bytes. The client has parsed JSON and text/plain already: JSON is written again, with the same values
 * as far as numbers go in JavaScript; everything else is as it came.
 */
export function bytesOf({ body, contentType }: Delivery): Buffer {
  if (Buffer.isBuffer(body)) return body;
  const text = contentType === "application/json" ? JSON.stringify(body) : String(body);
  return Buffer.from(text);
}

/**
 * The properties to publish a message with again. `user-id` must be the publisher's own, and a message
 * kept for a look must not expire: neither is kept.
 */
function propertiesOf(delivery: Delivery): Properties {
  const { contentType, contentEncoding, headers, priority, correlationId, replyTo } = delivery;
  const { messageId, timestamp, type, appId } = delivery;
  const all = {
    contentType,
    contentEncoding,
    headers,
    priority,
    correlationId,
    replyTo,
    messageId,
    timestamp,
    type,
    appId,
  };
  // An undefined timestamp is kept: it stops the client from setting one of its own.
  return Object.fromEntries(
    Object.entries(all).filter(([key, value]) => value !== undefined || key === "timestamp"),
  );
}
