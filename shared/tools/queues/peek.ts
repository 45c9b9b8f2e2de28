/** Looking at the next messages of a queue, which stay in it. */
import { type Connection, type Delivery, DeliveryBuffer } from "../../connection.ts";

/** Messages that are looked at. */
export const PEEKED = 10;

/** Characters of a body that are shown. */
const MAX_BODY = 1000;

/** How long a message may take that is ready, in milliseconds: another consumer may have got it meanwhile. */
const QUIET_MS = 1000;

export interface Peeked {
  readonly id: string | null;
  readonly contentType: string | null;
  /** Its first characters. */
  readonly body: string;
}

/**
 * The next messages of a queue, in order. They are held unacknowledged for a moment and given back: for a quorum queue
 * that may count as a delivery.
 *
 * @returns None where a single active consumer has the queue.
 * @throws {FailedError} If the broker refuses.
 */
export async function peek(connection: Connection, queue: string): Promise<Peeked[]> {
  const { ready = 0 } = await connection.inspect(queue) ?? {};
  const buffer = new DeliveryBuffer();
  const found: Delivery[] = [];
  // Not more than are shown: the others stay ready for their consumers.
  const channel = await connection.channel("consume", (channel) => channel.basicQos(PEEKED));
  channel.closed.addEventListener("abort", () => buffer.end());
  try {
    await channel.basicConsume({ queue }, (delivery) => buffer.put(delivery));
    while (found.length < Math.min(PEEKED, ready)) {
      const delivery = await buffer.take(QUIET_MS);
      if (!delivery) break;
      found.push(delivery);
    }
  } finally {
    // Closing gives back what is unacknowledged in its order; `basic.nack` would put it behind the others.
    await channel.close();
  }
  return found.map(shown);
}

function shown({ messageId, contentType, body }: Delivery): Peeked {
  // A character has four bytes at most.
  const text = new TextDecoder().decode(body.subarray(0, MAX_BODY * 4));
  return {
    id: messageId || null,
    contentType: contentType || null,
    body: text.length > MAX_BODY ? text.slice(0, MAX_BODY) : text,
  };
}
