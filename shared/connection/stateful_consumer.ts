/**
 * Consuming with a memory that the broker keeps: one small message in a queue of its own, where the newest
 * replaces the older. A consumer that starts or takes over reads it before its first delivery and goes on from
 * there, so no delivery is lost or counted twice, whoever dies when.
 *
 * Deliveries are handled in batches, each in this order: publish what follows from it (confirmed), save the
 * state (confirmed), acknowledge. All of it goes through the one channel that consumes: a consumer that has
 * lost its queue to another can't save an older state over the newer one.
 */
import { delay, FailedError, later, STOP_MS, unlessAborted } from "../script.ts";
import { type Channel, type Delivery, mayPass, type Message } from "./channel.ts";
import { type Connection, RETRY_MS } from "./connection.ts";
import { deadLetter } from "./dead_letters.ts";
import { DeliveryBuffer } from "./delivery_buffer.ts";
import { deadQueue, type Queue } from "./queue.ts";
import { refusal } from "./refusals.ts";

/** What comes of a batch. */
export interface BatchResult {
  /** Published before the state is saved, in this order. */
  readonly publish: readonly Message[];
  /** Deliveries that can't be handled, with the reason. */
  readonly dead: readonly { readonly delivery: Delivery; readonly reason: string }[];
  /** The state after the batch, as JSON; `null` when there is none to save. */
  readonly state: unknown;
  /** Whether something came again that was handled before, as after a purge of the state. */
  readonly repeated: boolean;
  /** Called when all is published, before the state is saved. */
  readonly onPublished: () => void;
  /** Called when the state is saved. */
  readonly onSaved: () => void;
}

/** Handles the deliveries of one queue, one batch after the other. */
export interface BatchHandler {
  handle(batch: readonly Delivery[]): BatchResult;
}

export interface StatefulOptions {
  readonly queue: Queue;
  /** Holds the state: one message. */
  readonly stateQueue: Queue;
  /** Queues that the outcomes are published to. */
  readonly publishesTo: readonly Queue[];
  readonly prefetch: number;
  /**
   * Where the queue can't have a single active consumer: be its only one. `refuse` ends where there is one already,
   * `wait` stands by until it has gone: who reads is whose connection holds the name `<queue>.monitor`, as RabbitMQ 3.10
   * doesn't keep others from a quorum queue with an exclusive consumer.
   */
  readonly exclusive: "refuse" | "wait" | undefined;
  /** Called once when it has to wait for other consumers than monitors: each of them would get a share. */
  readonly onCrowded?: () => void;
  readonly signal: AbortSignal;
  /** Makes a handler that goes on from a saved state, `undefined` if there is none. */
  readonly restore: (saved: unknown) => BatchHandler;
  /** Whether a delivery is the very first of its kind, before which there can be no state. */
  readonly isFirst: (delivery: Delivery) => boolean;
  /** Called when the broker has accepted the consumer; `ahead` consumers were there before. */
  readonly onReady: (ahead: number) => void;
  /** Called when deliveries come and when they are done with. */
  readonly onActivity: (busy: boolean) => void;
}

/** Deliveries of this time, in milliseconds, make a batch, unless it is full before. */
const BATCH_MS = 50;
const MAX_BATCH = 500;

/** How often one that stands by asks whether the only consumer has gone, in milliseconds. */
const WAIT_MS = 1000;

/** A consumer that has just died may still hold the state for so long, in milliseconds. */
const STATE_PATIENCE_MS = 1000;

/**
 * Consumes a queue until `signal`.
 *
 * At the end the channel is closed, not cancelled: a cancel would hand a standby later deliveries before the
 * unacknowledged ones.
 *
 * @throws {FailedError} If the broker refuses a queue for good, or the queue has another exclusive consumer.
 */
export async function consumeWithState(
  connection: Connection,
  options: StatefulOptions,
): Promise<void> {
  const { signal } = options;
  using hurry = later(signal, STOP_MS);
  for (let first = true; !signal.aborted; first = false) {
    const buffer = new DeliveryBuffer();
    const channel = await unlessAborted(subscribe(connection, options, buffer, first), signal);
    if (!channel) return;
    const stop = () => void buffer.end();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      await handleAll(connection, channel, buffer, options, hurry.signal);
    } finally {
      signal.removeEventListener("abort", stop);
      options.onActivity(false);
      channel.close();
    }
    await delay(RETRY_MS, signal);
  }
}

/** Handles batches until the buffer has ended or the channel is lost. */
async function handleAll(
  connection: Connection,
  channel: Channel,
  buffer: DeliveryBuffer,
  { queue, stateQueue, prefetch, signal, restore, isFirst, onActivity }: StatefulOptions,
  hurry: AbortSignal,
): Promise<void> {
  const publish = (messages: readonly Message[]) =>
    unlessAborted(publishAll(channel, messages), hurry);
  const savedState = (patienceMs: number) =>
    unlessAborted(loadState(connection, stateQueue.queue, patienceMs), signal);
  let handler: BatchHandler | undefined;
  while (true) {
    const [first, ...others] = await buffer.takeBatch(Math.min(MAX_BATCH, prefetch), BATCH_MS);
    if (!first) return;
    onActivity(true);
    const batch = [first, ...others];
    if (!handler) {
      const saved = await savedState(isFirst(first) ? 0 : STATE_PATIENCE_MS);
      if (signal.aborted) return;
      handler = restore(saved?.state);
    }
    let result = handler.handle(batch);
    if (result.repeated) {
      const saved = await savedState(0);
      // Stopped while looking, nothing is known: the batch stays unacknowledged.
      if (signal.aborted) return;
      if (!saved) {
        // The state was purged: somebody begins anew, under the same names.
        handler = restore(undefined);
        result = handler.handle(batch);
      }
    }
    const dead = result.dead.map(({ delivery, reason }) =>
      deadLetter(delivery, queue.queue, reason, channel.frameBytes)
    );
    if (!await publish([...result.publish, ...dead])) return;
    result.onPublished();
    const state = stateMessage(stateQueue, result.state);
    if (state && !await publish([state])) return;
    if (!channel.active) return;
    channel.basicAck({ deliveryTag: batch.at(-1)?.deliveryTag ?? 0, multiple: true });
    result.onSaved();
    onActivity(false);
  }
}

async function subscribe(
  connection: Connection,
  options: StatefulOptions,
  buffer: DeliveryBuffer,
  first: boolean,
): Promise<Channel> {
  const { queue, stateQueue, publishesTo, prefetch, exclusive } = options;
  while (true) {
    let ahead = 0;
    try {
      if (exclusive === "wait") await becomeOnly(connection, options);
      const channel = await connection.channel("consume", async (channel) => {
        for (const other of [stateQueue, ...publishesTo, deadQueue(queue.queue)]) {
          await channel.queueDeclare(other);
        }
        ahead = (await channel.queueDeclare(queue)).consumerCount;
        await channel.confirmSelect();
        await channel.basicQos(prefetch);
        const take = (delivery: Delivery) => {
          options.onActivity(true);
          buffer.put(delivery);
        };
        await channel.basicConsume(
          { queue: queue.queue, exclusive: exclusive !== undefined },
          take,
          () => buffer.end(),
        );
      });
      options.onReady(ahead);
      return channel;
    } catch (error) {
      if (!exclusive || !/exclusive/.test(String(error))) throw error;
      if (first && exclusive === "refuse") {
        throw new FailedError(
          `${queue.queue} has a monitor already: classic queues allow one only. ` +
            "With quorum queues, the default, a second one stands by",
          { cause: error },
        );
      }
      // Our own consumer of before a loss may still be counted.
      await delay(exclusive === "wait" ? WAIT_MS : RETRY_MS, options.signal);
      if (options.signal.aborted) throw error;
    }
  }
}

/** Waits until no other monitor holds the queue's name, and nobody else consumes the queue. */
async function becomeOnly(connection: Connection, options: StatefulOptions): Promise<void> {
  const { queue: { queue }, signal, onReady, onCrowded } = options;
  let standsBy = false;
  let isCrowded = false;
  while (!signal.aborted) {
    const isFirst = await connection.lock(`${queue}.monitor`);
    const consumers = isFirst ? (await connection.inspect(queue))?.consumers ?? 0 : 0;
    if (isFirst && consumers === 0) return;
    // Each refusal is an error in RabbitMQ's log.
    if (!isFirst && !standsBy) onReady(1);
    if (isFirst && !isCrowded) onCrowded?.();
    standsBy ||= !isFirst;
    isCrowded ||= isFirst;
    await delay(WAIT_MS, signal);
  }
}

/**
 * Looks at the saved state: takes it and closes the channel, which puts it back.
 *
 * @param patienceMs How long to look again while there is none, in milliseconds.
 */
async function loadState(
  connection: Connection,
  queue: string,
  patienceMs: number,
): Promise<{ state: unknown } | undefined> {
  const deadline = performance.now() + patienceMs;
  while (true) {
    const message = await connection.once("consume", (channel) => channel.basicGet(queue));
    const found = message && { state: parsed(message.body) };
    if (found || performance.now() >= deadline) return found;
    await delay(RETRY_MS / 4);
  }
}

/** Publishes and waits for the confirms; `false` when the channel is lost, nacks, or a queue is missing. */
async function publishAll(channel: Channel, messages: readonly Message[]): Promise<boolean> {
  if (messages.length === 0) return true;
  let returned = false;
  channel.onReturn = () => returned = true;
  try {
    await Promise.all(messages.map((message) => channel.publish(message)));
    return !returned;
  } catch (error) {
    const refused = refusal(error);
    if (refused) throw refused;
    if (!mayPass(error)) throw error;
    return false;
  }
}

/** What a saved state says; its text when it isn't JSON. */
function parsed(body: Uint8Array): unknown {
  const text = new TextDecoder().decode(body);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function stateMessage({ queue }: Queue, state: unknown): Message | undefined {
  if (state === null) return undefined;
  return {
    queue,
    body: Buffer.from(JSON.stringify(state)),
    properties: { contentType: "application/json" },
  };
}
