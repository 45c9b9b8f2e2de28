/**
 * Confirmed publishing that survives the broker: what is not confirmed is sent again, in the order in which
 * it was published, on a new channel.
 *
 * Never on the old one: a channel opened while a cluster elects a queue's leader nacks for good. So a lost
 * connection, a nack and a confirm that takes too long all have the same cure.
 * After a nack, messages behind the one refused may be on the queue before it, where a monitor then counts it as a
 * duplicate. Seen with a queue that is full and rejects, which none of ours does.
 */
import { delay, FailedError, reasonOf, STOP_MS, unlessAborted } from "../script.ts";
import { type Channel, isNack, mayPass, type Message } from "./channel.ts";
import { type Connection, RETRY_MS } from "./connection.ts";
import type { Queue } from "./queue.ts";
import { refusal } from "./refusals.ts";

/** Enough in flight for the broker's full rate; more only costs memory (measured: 300 to 500). */
export const MAX_UNCONFIRMED = 300;

/** A confirm that takes longer, in milliseconds, counts as lost. */
const CONFIRM_TIMEOUT_MS = 30_000;

/** So many tries in a row come soon after each other: a queue gets a new leader within them. */
const QUICK_TRIES = 3;

/** The longest wait before another try, in milliseconds. */
const MAX_RETRY_MS = 5000;

/** How a message ended: on a queue, or sent back because no queue takes it. */
export type Outcome = "confirmed" | "returned";

export interface PublisherOptions {
  /**
   * What a returned message means: it failed, or the queue is to be declared and the message sent again.
   * @default "fail"
   */
  returned?: "fail" | "declare";
  /** An exchange that must be there. */
  exchange?: string | undefined;
}

/** Called once with what became of a message, or with the error because of which nobody knows. */
export type OnSettled = (outcome: Outcome | undefined, error?: unknown) => void;

interface Unconfirmed {
  readonly message: Message;
  readonly onSettled: OnSettled;
  /** The last that it was sent on. */
  channel: Channel | undefined;
  sentAt: number;
  returned: boolean;
  /** When it was published first, on the clock of `performance.now()`. */
  readonly since: number;
}

/** Publishes to some queues, or to an exchange. `using` closes the channel. */
export class Publisher implements Disposable {
  readonly #connection: Connection;
  readonly #queues: readonly Queue[];
  readonly #onReturn: "fail" | "declare";
  readonly #exchange: string | undefined;
  /** In the order of publishing. */
  readonly #unconfirmed = new Set<Unconfirmed>();
  #channel: Channel | undefined;
  #renewing = false;
  /** How often in a row the broker has nacked or returned something. */
  #tries = 0;
  #told = false;
  #failure: unknown;
  readonly #closed = new AbortController();
  #wakeUps: (() => void)[] = [];
  #waking = false;
  readonly #timer: ReturnType<typeof setInterval>;

  private constructor(connection: Connection, queues: readonly Queue[], options: PublisherOptions) {
    this.#connection = connection;
    this.#queues = queues;
    this.#onReturn = options.returned ?? "fail";
    this.#exchange = options.exchange;
    this.#timer = setInterval(() => this.#checkTimeout(), 1000);
  }

  /**
   * @param queues Declared at once and after every loss, before anything is published.
   * @throws {FailedError} If the broker refuses a queue for good, or there is no such exchange.
   */
  static async open(
    connection: Connection,
    queues: readonly Queue[],
    options: PublisherOptions = {},
  ): Promise<Publisher> {
    const publisher = new Publisher(connection, queues, options);
    try {
      publisher.#channel = await publisher.#open();
    } catch (error) {
      clearInterval(publisher.#timer);
      throw error;
    }
    return publisher;
  }

  /** The largest frame that the broker takes, in bytes: the properties of a message must fit into one. */
  get frameBytes(): number | undefined {
    return this.#channel?.frameBytes;
  }

  /** Messages that the broker hasn't confirmed yet. */
  get unconfirmed(): number {
    return this.#unconfirmed.size;
  }

  /** When the oldest of them was published, on the clock of `performance.now()`. */
  get waitingSince(): number | undefined {
    const [oldest] = this.#unconfirmed;
    return oldest?.since;
  }

  /** Whether there is no {@link room} at the moment. */
  get isFull(): boolean {
    return this.#unconfirmed.size >= MAX_UNCONFIRMED;
  }

  /**
   * Publishes a message.
   *
   * Resolves once the broker has confirmed it, however often that takes a new channel. Wait for
   * {@link room} before: this doesn't hold anybody back.
   *
   * @throws {FailedError} If the broker refuses for good, or the publisher is closed before the confirm.
   */
  publish(message: Message): Promise<Outcome> {
    return new Promise((resolve, reject) =>
      this.send(message, (outcome, error) => outcome ? resolve(outcome) : reject(error))
    );
  }

  /** Publishes a message as {@link publish} does, without a promise: for producers of many. */
  send(message: Message, onSettled: OnSettled): void {
    if (this.#failure !== undefined) return onSettled(undefined, this.#failure);
    const now = performance.now();
    const entry = {
      message,
      onSettled,
      channel: undefined,
      sentAt: now,
      returned: false,
      since: now,
    };
    this.#unconfirmed.add(entry);
    this.#transmit(entry, now);
  }

  /** Waits until fewer than {@link MAX_UNCONFIRMED} messages are unconfirmed; `signal` ends the wait. */
  room(signal: AbortSignal): Promise<void> {
    return this.#below(MAX_UNCONFIRMED, signal);
  }

  /** Waits until nothing is unconfirmed; once `signal` is aborted for 5 s at most. */
  async drained(signal: AbortSignal): Promise<void> {
    await this.#below(1, signal);
    if (signal.aborted) await this.#below(1, AbortSignal.timeout(STOP_MS));
  }

  /** Gives up what is unconfirmed and closes the channel; the connection waits for that. */
  [Symbol.dispose](): void {
    this.#closed.abort();
    clearInterval(this.#timer);
    this.#abandon(new FailedError("The publisher was closed before the broker confirmed"));
    this.#channel?.close();
  }

  #open(): Promise<Channel> {
    return this.#connection.channel("publish", async (channel) => {
      for (const queue of this.#queues) await channel.queueDeclare(queue);
      if (this.#exchange !== undefined) await channel.exchangeInspect(this.#exchange);
      await channel.confirmSelect();
      channel.onReturn = ({ messageId, routingKey }) =>
        this.#onReturned(channel, messageId, routingKey);
      channel.closed.addEventListener("abort", () => {
        if (this.#channel === channel) this.#renew(undefined, channel.closed.reason);
      });
    });
  }

  #transmit(entry: Unconfirmed, now: number): void {
    const channel = this.#channel;
    // Without a channel the renewal sends everything that is unconfirmed, this included.
    if (!channel) return;
    entry.channel = channel;
    entry.sentAt = now;
    entry.returned = false;
    channel.publish(entry.message).then(
      () => this.#onConfirmed(entry, channel),
      (error) => this.#onFailed(entry, channel, error),
    );
  }

  #onConfirmed(entry: Unconfirmed, channel: Channel): void {
    // Sent again meanwhile, it waits for that confirm.
    if (entry.channel !== channel) return;
    if (entry.returned && this.#onReturn === "declare") return this.#renew(entry);
    if (!this.#unconfirmed.delete(entry)) return;
    this.#tries = 0;
    if (this.#unconfirmed.size === 0) this.#told = false;
    entry.onSettled(entry.returned ? "returned" : "confirmed");
    this.#wakeSoon();
  }

  #onFailed(entry: Unconfirmed, channel: Channel, error: unknown): void {
    if (channel !== this.#channel) return;
    if (isNack(error)) return this.#renew(entry);
    // The end of a channel, with all that it carried, is noticed by its signal.
    if (mayPass(error) || !this.#unconfirmed.delete(entry)) return;
    const why = `A message for ${entry.message.queue} can't be written: ${reasonOf(error)}`;
    entry.onSettled(undefined, new FailedError(why, { cause: error }));
    this.#wakeSoon();
  }

  #onReturned(channel: Channel, messageId: string | undefined, routingKey: string): void {
    for (const entry of this.#unconfirmed) {
      if (entry.channel !== channel || entry.returned || entry.message.queue !== routingKey) {
        continue;
      }
      // An empty id isn't written.
      if ((entry.message.properties.messageId || undefined) !== messageId) continue;
      entry.returned = true;
      return;
    }
  }

  /** @param unwanted A message that the broker has nacked or returned. */
  #renew(unwanted?: Unconfirmed, error?: unknown): void {
    const refused = error === undefined ? undefined : refusal(error);
    if (refused) return this.#abandon(refused);
    if (this.#closed.signal.aborted || this.#renewing || this.#failure !== undefined) return;
    this.#renewing = true;
    this.#tries = unwanted ? this.#tries + 1 : 0;
    if (unwanted && this.#tries > QUICK_TRIES) this.#tell(unwanted.message);
    this.#reopen().catch((error) => this.#abandon(error));
  }

  async #reopen(): Promise<void> {
    let channel = this.#channel;
    this.#channel = undefined;
    do {
      // What else it carried may still be confirmed on it: a nack overtakes the confirms of messages before it.
      const longer = 2 ** Math.max(0, this.#tries - QUICK_TRIES);
      await delay(Math.min(RETRY_MS * longer, MAX_RETRY_MS), this.#closed.signal);
      channel?.close();
      if (this.#closed.signal.aborted) return;
      channel = await this.#open();
    } while (!channel.active);
    if (this.#closed.signal.aborted) return void channel.close();
    this.#channel = channel;
    this.#renewing = false;
    const now = performance.now();
    for (const entry of this.#unconfirmed) this.#transmit(entry, now);
  }

  #tell({ exchange, queue }: Message): void {
    if (this.#told) return;
    this.#told = true;
    this.#connection.note(
      `RabbitMQ doesn't take messages for ${
        exchange ?? queue
      }, which may be full: trying again, at least ` +
        `every ${MAX_RETRY_MS / 1000} s`,
    );
  }

  #abandon(error: unknown): void {
    this.#failure ??= error;
    const given = [...this.#unconfirmed];
    this.#unconfirmed.clear();
    for (const { onSettled } of given) onSettled(undefined, error);
    this.#wake();
  }

  #checkTimeout(): void {
    const [oldest] = this.#unconfirmed;
    if (!oldest || !this.#channel) return;
    const now = performance.now();
    // A broker with an alarm confirms when it is over: nothing is lost meanwhile.
    if (this.#connection.blocked) oldest.sentAt = now;
    else if (now - oldest.sentAt > CONFIRM_TIMEOUT_MS) this.#renew();
  }

  async #below(count: number, signal: AbortSignal): Promise<void> {
    while (this.#unconfirmed.size >= count && this.#failure === undefined && !signal.aborted) {
      await unlessAborted(new Promise<void>((wake) => this.#wakeUps.push(wake)), signal);
    }
  }

  /** At the end of the turn: confirms come in bunches. */
  #wakeSoon(): void {
    if (this.#waking || this.#wakeUps.length === 0) return;
    this.#waking = true;
    setImmediate(() => {
      this.#waking = false;
      this.#wake();
    });
  }

  #wake(): void {
    const waiting = this.#wakeUps;
    this.#wakeUps = [];
    for (const wake of waiting) wake();
  }
}
