/**
 * Consuming: deliveries in order, each handled before it is acknowledged. The handler's verdict decides;
 * after every loss the queue is declared and subscribed to again.
 */
import { delay, STOP_MS, unlessAborted } from "../script.ts";
import type { Channel, Delivery } from "./channel.ts";
import { type Connection, RETRY_MS } from "./connection.ts";
import { deadLetter } from "./dead_letters.ts";
import { DeliveryBuffer } from "./delivery_buffer.ts";
import type { Publisher } from "./publisher.ts";
import type { Queue } from "./queue.ts";

/**
 * What becomes of a delivery: acknowledged, given back to the head of its queue, or moved to the dead letters
 * and then acknowledged. What is given back comes again at once: the handler has to wait, not the broker. A
 * handler that throws ends the consumer, and the broker gives the message to another one.
 */
export type Verdict = "ack" | "back" | { readonly dead: string };

/** How often a consumer that was stopped looks whether the broker holds it up, in milliseconds. */
const LOOK_MS = 250;

export interface ConsumeOptions {
  /** Unacknowledged deliveries at a time, 1 to 2000 (RabbitMQ's limit for quorum queues). */
  prefetch: number;
  /**
   * Takes the dead letters; its topology has their queue. What the handler publishes should go through it, too: a
   * consumer that was stopped gives up the delivery in hand when that isn't confirmed for 5 s.
   */
  dead: Publisher;
  /** The queue of the dead letters. @default {`<queue>.dead`} */
  deadQueue?: Queue;
  /** Ends the consumer: nothing new is taken, what is in hand is finished. */
  signal: AbortSignal;
  /** Called once, when the broker has accepted the consumer. */
  onReady?: () => void;
  /** Called with `true` when a delivery or a new channel keeps it busy, with `false` when it waits for deliveries. */
  onActivity?: (busy: boolean) => void;
  /** Called when a message has become a dead letter. */
  onDead?: (delivery: Delivery, reason: string) => void;
}

/**
 * Handles the messages of a queue, one at a time, until `signal` ends it.
 *
 * @throws {FailedError} If the broker refuses queue or consumer for good.
 * @throws What `handle` throws; its message goes back to the queue.
 */
export async function consume(
  connection: Connection,
  queue: Queue,
  handle: (delivery: Delivery) => Promise<Verdict>,
  options: ConsumeOptions,
): Promise<void> {
  const { signal, onActivity } = options;
  let ready = false;
  onActivity?.(true);
  while (!signal.aborted) {
    const buffer = new DeliveryBuffer();
    const consumer = await unlessAborted(subscribe(connection, queue, buffer, options), signal);
    if (!consumer) return;
    let abandoned = false;
    let wake = () => {};
    const abandon = () => {
      abandoned = true;
      wake();
    };
    let patience: ReturnType<typeof setInterval> | undefined;
    const stop = () => {
      withdraw(consumer, buffer);
      // Without its channel the delivery in hand is the broker's again: nothing to wait for.
      if (!consumer.channel.active) abandon();
      const stopped = performance.now();
      const look = () => {
        const since = options.dead.waitingSince;
        if (since !== undefined && performance.now() - Math.max(since, stopped) > STOP_MS) {
          abandon();
        }
      };
      patience = setInterval(look, LOOK_MS);
    };
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const { closed } = consumer.channel;
    closed.addEventListener("abort", () => signal.aborted && abandon());
    if (!ready) options.onReady?.();
    ready = true;
    onActivity?.(false);
    try {
      while (true) {
        const delivery = await buffer.take();
        if (!delivery) break;
        onActivity?.(true);
        const done = handle(delivery).then((verdict) =>
          settle(consumer, delivery, queue.queue, verdict, options)
        );
        // No AbortSignal: a listener for each delivery would cost as much as the rest of it.
        await new Promise<void>((resolve, reject) => {
          wake = resolve;
          if (abandoned) resolve();
          done.then(resolve, reject);
        });
        if (abandoned) return;
        if (buffer.size === 0) onActivity?.(false);
      }
    } finally {
      signal.removeEventListener("abort", stop);
      clearInterval(patience);
      consumer.acks.flush();
      // Not awaited: a frozen broker would hold us; the connection waits for it when it closes.
      consumer.channel.close();
    }
    onActivity?.(true);
    await delay(RETRY_MS, signal);
  }
}

interface Consumer {
  readonly channel: Channel;
  readonly consumerTag: string;
  readonly acks: Acks;
}

/**
 * Acknowledges. What is done with within one turn, as by a handler that doesn't wait, goes out as one ack: one
 * write, and one entry in the log of a quorum queue. Who is killed in that turn gets it delivered again.
 */
class Acks {
  readonly #channel: Channel;
  readonly #prefetch: number;
  #upTo: number | undefined;

  constructor(channel: Channel, prefetch: number) {
    this.#channel = channel;
    this.#prefetch = prefetch;
  }

  /** @param deliveryTag All before it must be done with, too. */
  add(deliveryTag: number): void {
    const waiting = this.#upTo !== undefined;
    this.#upTo = deliveryTag;
    // With prefetch 1 the broker waits for it.
    if (this.#prefetch === 1) this.flush();
    else if (!waiting) setImmediate(() => this.flush());
  }

  flush(): void {
    const deliveryTag = this.#upTo;
    this.#upTo = undefined;
    if (deliveryTag !== undefined) this.#channel.basicAck({ deliveryTag, multiple: true });
  }
}

async function subscribe(
  connection: Connection,
  queue: Queue,
  buffer: DeliveryBuffer,
  options: ConsumeOptions,
): Promise<Consumer> {
  let consumerTag = "";
  const channel = await connection.channel("consume", async (channel) => {
    await channel.queueDeclare(queue);
    await channel.basicQos(options.prefetch);
    consumerTag = await channel.basicConsume(
      { queue: queue.queue },
      (delivery) => buffer.put(delivery),
      // The broker cancels when the queue is deleted: declare and subscribe again.
      () => buffer.end(),
    );
  });
  return { channel, consumerTag, acks: new Acks(channel, options.prefetch) };
}

/** Stops deliveries, and gives back what nobody has looked at so that another consumer takes it now. */
async function withdraw({ channel, consumerTag }: Consumer, buffer: DeliveryBuffer): Promise<void> {
  buffer.end();
  try {
    await channel.basicCancel(consumerTag);
    for (const delivery of buffer.end()) channel.giveBack(delivery);
  } catch {
    // The channel is gone, and with it the deliveries: the broker has them back.
  }
}

async function settle(
  { channel, acks }: Consumer,
  delivery: Delivery,
  queue: string,
  verdict: Verdict,
  { dead, deadQueue, onDead }: ConsumeOptions,
): Promise<void> {
  if (typeof verdict === "object") {
    const letter = deadLetter(delivery, queue, verdict.dead, dead.frameBytes);
    await dead.publish(deadQueue ? { ...letter, queue: deadQueue.queue } : letter);
    onDead?.(delivery, verdict.dead);
  }
  if (verdict !== "back") return acks.add(delivery.deliveryTag);
  acks.flush();
  channel.giveBack(delivery);
}
