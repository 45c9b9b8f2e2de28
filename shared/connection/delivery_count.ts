/**
 * How often a message was delivered before: the worker's limit on messages that are never acknowledged.
 *
 * A quorum queue counts by itself, whoever took the message. A classic queue doesn't: there a process knows only of
 * its own deliveries, and only of the message that it had in hand when its channel ended.
 */
import type { Delivery } from "./channel.ts";
import type { Queue } from "./queue.ts";

/** Counts for one consumer of a queue. */
export class DeliveryCount {
  readonly #queueCounts: boolean;
  #last: Delivery | undefined;
  /** Deliveries of the last one before. */
  #before = 0;

  constructor(queue: Queue) {
    this.#queueCounts = queue.arguments?.["x-queue-type"] === "quorum";
  }

  /** Deliveries before this one, as far as it can be known. To be asked once for each delivery, in order. */
  before(delivery: Delivery): number {
    const { redelivered, headers, deliveryTag } = delivery;
    // What comes for the first time has no count, whatever its publisher has written there.
    if (!redelivered) {
      this.#before = 0;
    } else if (this.#queueCounts && typeof headers?.["x-delivery-count"] === "number") {
      this.#before = Math.max(1, headers["x-delivery-count"]);
    } else {
      const last = this.#last;
      // Tags grow within a channel, and begin again with the next one.
      const again = last !== undefined && deliveryTag <= last.deliveryTag && isSame(last, delivery);
      this.#before = again ? this.#before + 1 : 1;
    }
    this.#last = delivery;
    return this.#before;
  }
}

/** Whether both are the same message: the same id, or where there is none the same body. */
function isSame(one: Delivery, other: Delivery): boolean {
  if (one.messageId || other.messageId) return one.messageId === other.messageId;
  return one.body.length === other.body.length &&
    one.body.every((byte, index) => byte === other.body[index]);
}
