/**
 * Looking into a queue and leaving it as it was.
 *
 * A message that is taken and requeued alone moves behind others. So every letter stays unacknowledged until the
 * end, at the broker and not here, and then the channel is closed: all go back, oldest first. That counts as a delivery,
 * and `basic.nack` doesn't everywhere; but after it RabbitMQ 3.10 has more than 32 letters of a queue with a delivery
 * limit in any order. So it is for queues without one, whose letters RabbitMQ 4 drops after 20.
 */
import { type Channel, type Connection, type Delivery, DeliveryBuffer } from "../../connection.ts";
import { delay, FailedError, later, unlessAborted } from "../../script.ts";

/** RabbitMQ's limit for a consumer of a quorum queue; one more consumer holds as many more. */
const MAX_HELD_PER_CONSUMER = 2000;

/** Quiet for so long, the broker is asked whether there is more; milliseconds. */
const QUIET_MS = 100;

/** So often; then it is given up. */
const MAX_QUIET = 100;

/** So often where the broker says that no more is ready, though not all has come: a letter may be 100 MB. */
const MAX_UNDER_WAY = 20;

/**
 * How long the broker may take to queue again what was given back (200,000 letters: 6 s), how long it is waited for
 * after Ctrl-C, and how often it is asked; milliseconds.
 */
const GIVE_BACK_MS = 15_000;
const HURRIED_MS = 3000;
const POLL_MS = 20;

/** Tags of deliveries count in each channel from 1: ours are those of the first, then those of the second, and so on. */
const TAGS = 2 ** 32;

export interface ReaderOptions {
  /** Whether the queue has a delivery limit, so that looks may count. */
  readonly limited: boolean;
  /**
   * Whether some letters are removed between others that stay: the broker looks for each in all that its channel holds,
   * so each consumer has a channel of its own. Killed then, thousands of letters may come back in another order.
   */
  readonly picks: boolean;
}

/** What one consumer holds. */
interface Holder {
  readonly channel: Channel;
  /** Delivery tags of its channel, oldest first. */
  readonly held: Set<number>;
}

/** Takes the letters of a queue; `await using` gives back those that were not acknowledged, in their order. */
export class DeadLetterReader implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #queue: string;
  readonly #options: ReaderOptions;
  readonly #channel: Channel;
  readonly #buffer = new DeliveryBuffer();
  readonly #closed = new AbortController();
  /** The last one is that of now. */
  readonly #holders: Holder[] = [];
  #consumerTag: string | undefined;
  /** Hurries giving back. */
  #signal = new AbortController().signal;

  private constructor(
    connection: Connection,
    queue: string,
    channel: Channel,
    options: ReaderOptions,
  ) {
    this.#connection = connection;
    this.#queue = queue;
    this.#channel = channel;
    this.#options = options;
    this.#follow(channel);
  }

  /** @throws {FailedError} If the broker refuses. */
  static async open(
    connection: Connection,
    queue: string,
    options: ReaderOptions,
  ): Promise<DeadLetterReader> {
    return new DeadLetterReader(connection, queue, await openChannel(connection), options);
  }

  /**
   * The oldest letters, in order: `count` of them, fewer when others take some or `signal` is aborted.
   *
   * @throws {FailedError} If the connection is lost: everything unacknowledged is in its queue again.
   */
  async *letters(count: number, signal: AbortSignal): AsyncGenerator<Delivery> {
    this.#signal = signal;
    const there = await this.#lost(this.#ready());
    for (let taken = 0, quiet = 0; taken < count && !signal.aborted;) {
      this.requireOpen();
      if (this.#buffer.size === 0 && this.#isFull) await this.#lost(this.#nextConsumer());
      const delivery = await this.#buffer.take(QUIET_MS);
      if (delivery) {
        taken++;
        quiet = 0;
        yield delivery;
      } else if (!this.closed.aborted) {
        const ready = await this.#lost(this.#ready());
        const over = taken >= there || quiet > MAX_UNDER_WAY;
        if (ready === 0 && this.#buffer.size === 0 && over) return;
        if (++quiet > MAX_QUIET) {
          throw new FailedError(`${this.#queue} has letters, but RabbitMQ doesn't deliver them`);
        }
      }
    }
  }

  /** Aborted when the connection is lost: what is still unacknowledged then is in its queue again. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** @throws {FailedError} If the connection is lost. */
  requireOpen(): void {
    if (this.closed.aborted) throw lost();
  }

  /** Removes a letter from the queue. @returns `false` when the broker has it back already. */
  ack({ deliveryTag: tag }: Pick<Delivery, "deliveryTag">): boolean {
    const holder = this.#holders[Math.floor(tag / TAGS)];
    if (this.closed.aborted || !holder) return false;
    const deliveryTag = tag % TAGS;
    holder.channel.basicAck({ deliveryTag });
    holder.held.delete(deliveryTag);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using hurry = later(this.#signal, HURRIED_MS);
    const over = AbortSignal.any([hurry.signal, AbortSignal.timeout(GIVE_BACK_MS)]);
    // Without its channel the broker has them back already.
    if (!this.closed.aborted) await unlessAborted(this.#giveBack(over), over);
  }

  /** Ends when the letters are ready again: whoever looks next must find them. */
  async #giveBack(over: AbortSignal): Promise<void> {
    const count = this.#holders.reduce((sum, { held }) => sum + held.size, 0);
    // The broker's answer comes after what was acknowledged.
    await this.#cancel().catch(() => {});
    for (const { channel, held } of this.#options.limited ? [] : this.#holders) {
      const deliveryTag = [...held].at(-1);
      if (deliveryTag) channel.giveBack({ deliveryTag, multiple: true });
    }
    // One after the other, so that the oldest come first.
    for (const { channel } of this.#holders) await channel.close();
    await this.#channel.close();
    while (!over.aborted) {
      const state = await this.#connection.inspect(this.#queue).catch(() => undefined);
      if (!state || state.ready >= count) return;
      await delay(POLL_MS, over);
    }
  }

  get #isFull(): boolean {
    const now = this.#holders.at(-1);
    return now === undefined || now.held.size >= MAX_HELD_PER_CONSUMER;
  }

  /** One after the other: two at once would be served alternately, each with a share. */
  async #nextConsumer(): Promise<void> {
    await this.#cancel();
    const channel = this.#options.picks ? await openChannel(this.#connection) : this.#channel;
    if (this.#options.picks) this.#follow(channel);
    const held = new Set<number>();
    const index = this.#holders.push({ channel, held }) - 1;
    // When this script is killed, RabbitMQ gives back consumer after consumer in the order of their tags.
    const consumerTag = `letters-${String(index).padStart(6, "0")}`;
    await channel.basicConsume({ queue: this.#queue, consumerTag }, (delivery) => {
      held.add(delivery.deliveryTag);
      this.#buffer.put({ ...delivery, deliveryTag: index * TAGS + delivery.deliveryTag });
    });
    this.#consumerTag = consumerTag;
  }

  #follow({ closed }: Channel): void {
    closed.addEventListener("abort", () => {
      this.#buffer.end();
      this.#closed.abort();
    });
  }

  async #cancel(): Promise<void> {
    if (this.#consumerTag === undefined) return;
    await this.#holders.at(-1)?.channel.basicCancel(this.#consumerTag);
    this.#consumerTag = undefined;
  }

  async #ready(): Promise<number> {
    const state = await this.#channel.queueDeclare({ queue: this.#queue, passive: true });
    return state.messageCount;
  }

  async #lost<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw this.closed.aborted ? lost(error) : error;
    }
  }
}

function openChannel(connection: Connection): Promise<Channel> {
  return connection.channel("consume", (channel) => channel.basicQos(MAX_HELD_PER_CONSUMER));
}

function lost(cause?: unknown): FailedError {
  return new FailedError(
    "Lost RabbitMQ or the queue: nothing is lost, what was not acknowledged is in its queue again. " +
      "See what is there, then repeat the command",
    { cause },
  );
}
