/**
 * Dead letters: a message that can't be handled moves to `<queue>.dead`, with its properties and headers that
 * say why, where it came from and when.
 */
import type { Delivery, Message } from "./channel.ts";
import { kept, NOT_KEPT, type Properties } from "./properties.ts";
import { deadQueue } from "./queue.ts";

/** A reason is one sentence, in characters; the note of what isn't kept is for people, too. */
const MAX_REASON = 1000;
const MAX_NOTE = 300;

/**
 * The dead letter for a delivery: its body byte for byte, of its properties what can be written again. What isn't as
 * it was is named in the header `not-kept`.
 *
 * @param queue Where the message was.
 * @param reason Why it can't be handled: one sentence.
 * @param frameBytes The largest frame that the broker takes.
 */
export function deadLetter(
  delivery: Delivery,
  queue: string,
  reason: string,
  frameBytes?: number,
): Message {
  const { headers: original = {}, ...properties } = propertiesOf(delivery);
  // CC would send copies elsewhere again.
  const { CC: _, BCC: __, [NOT_KEPT]: lostBefore, ...others } = original;
  const headers = Object.fromEntries(Object.entries(others).filter(([name]) => !isOfQueue(name)));
  const letter = kept({ ...properties, headers }, {
    reason: reason.slice(0, MAX_REASON),
    "original-queue": queue,
    "failed-at": new Date().toISOString(),
  }, frameBytes);
  const lost = [...typeof lostBefore === "string" ? [lostBefore] : [], ...letter.lost];
  const note = lost.length > 0 ? { [NOT_KEPT]: lost.join(", ").slice(0, MAX_NOTE) } : {};
  return {
    queue: deadQueue(queue).queue,
    body: delivery.body,
    properties: { ...letter.properties, headers: { ...letter.properties.headers, ...note } },
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
 * @param frameBytes The largest frame that the broker takes.
 */
export function originalMessage(letter: Delivery, queue: string, frameBytes?: number): Message {
  const { headers: all = {}, ...others } = propertiesOf(letter);
  const headers = Object.entries(all).filter(([name]) =>
    !OF_LETTERS.includes(name) && !isOfQueue(name)
  );
  const { properties } = kept(
    { ...others, headers: Object.fromEntries(headers) },
    {},
    frameBytes,
  );
  return { queue, body: letter.body, properties };
}

/** Headers that a message doesn't keep when it comes back. */
const OF_LETTERS = [
  "reason",
  "original-queue",
  "failed-at",
  NOT_KEPT,
  "CC",
  "BCC",
];

/** Whether it is a header in which a queue counts deliveries: it belongs to that queue. 4.3 has the second one. */
function isOfQueue(name: string): boolean {
  return name === "x-delivery-count" || name === "x-acquired-count";
}

/**
 * The properties to publish a message with again. `user-id` must be the publisher's own, and a message
 * kept for a look must not expire: neither is kept.
 */
function propertiesOf(delivery: Delivery): Properties {
  const { body: _, deliveryTag: __, redelivered: ___, routingKey: ____, ...properties } = delivery;
  const { userId: _____, expiration: ______, deliveryMode: _______, ...others } = properties;
  return others;
}
