/**
 * Confirmed publishing that survives the broker: what is not confirmed is sent again, in the order in which
 * it was published, on a new channel.
 *
 * Never on the old one: a channel opened while a cluster elects a queue's leader nacks for good. So a lost
 * connection, a nack and a confirm that takes too long all have the same cure.
 * After a nack, messages behind the one refused may be on the queue before it, where a monitor then counts it as a
 * duplicate. Seen with a queue that is full and rejects, which none of ours does.
 */
import { delay, STOP_MS, unlessAborted } from "./abort.ts";
import { type Channel, type Connection, type Properties, RETRY_MS } from "./connection.ts";
import { FailedError } from "./errors.ts";
import { codeOf, refusal } from "./refusals.ts";
import type { Queue } from "./topology.ts";

/** Enough in flight for the broker's full rate; more only costs memory (measured: 300 to 500). */
export const MAX_UNCONFIRMED = 300;

/** A confirm that takes longer, in milliseconds, counts as lost. */
const CONFIRM_TIMEOUT_MS = 30_000;

/** So many tries in a row come soon after each other: a queue gets a new leader within them. */
const QUICK_TRIES = 3;

/** The longest wait before another try, in milliseconds. */
const MAX_RETRY_MS = 5000;

/** How a message ended: on a queue, or sent back because its queue is missing. */
export type Outcome = "confirmed" | "returned";

/** A message for a queue, through the default exchange: persistent and mandatory. */
export interface Message {
  readonly queue: string;
  /** A Buffer, because the client sends anything else as JSON of its own. */
  readonly body: Buffer;
  /** `contentType`, `messageId`, `headers` and so on, as the client names them. */
  readonly properties: Properties;
}

export interface PublisherOptions {
  /**
   * What a returned message means: it failed, or the queue is to be declared and the message sent again.
   * @default "fail"
   */
  returned?: "fail" | "declare";
}

interface Unconfirmed {
  readonly message: Message;
  readonly settle: (outcome: Outcome) => void;
  readonly fail: (error: unknown) => void;
  /** The last that it was sent on. */
  channel: Channel | undefined;
  sentAt: number;
  returned: boolean;
  /** When it was published first, on the clock of `performance.now()`. */
  readonly since: number;
}

/** Publishes to some queues. `using` closes the channel. */
export class Publisher implements Disposable {
  readonly #connection: Connection;
  readonly #queues: readonly Queue[];
  readonly #onReturn: "fail" | "declare";
  /** In the order of publishing. */
  readonly #unconfirmed = new Set<Unconfirmed>();
  #confirmed: { entry: Unconfirmed; channel: Channel }[] = [];
  #judging = false;
  #channel: Channel | undefined;
  #renewing = false;
  /** How often in a row the broker has nacked or returned something. */
  #tries = 0;
  #told = false;
  #failure: unknown;
  readonly #closed = new AbortController();
  #wakeUps: (() => void)[] = [];
  readonly #timer: ReturnType<typeof setInterval>;

  private constructor(connection: Connection, queues: readonly Queue[], options: PublisherOptions) {
    this.#connection = connection;
    this.#queues = queues;
    this.#onReturn = options.returned ?? "fail";
    this.#timer = setInterval(() => this.#checkTimeout(), 1000);
  }

  /**
   * @param queues Declared at once and after every loss, before anything is published.
   * @throws {FailedError} If the broker refuses a queue for good.
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
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((settle, fail) => {
      const since = performance.now();
      const entry = {
        message,
        settle,
        fail,
        channel: undefined,
        sentAt: 0,
        returned: false,
        since,
      };
      this.#unconfirmed.add(entry);
      this.#send(entry);
    });
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
    this.#channel?.close().catch(() => {});
  }

  #open(): Promise<Channel> {
    return this.#connection.channel("publish", async (channel) => {
      for (const queue of this.#queues) await channel.queueDeclare(queue);
      await channel.confirmSelect();
      channel.on(
        "basic.return",
        (message) => this.#onReturned(channel, message.messageId, message.routingKey),
      );
      // Why the broker has closed it comes a little later, with what it rejects.
      channel.once("close", () =>
        setImmediate(() => {
          if (this.#channel === channel) this.#renew();
        }));
    });
  }

  #send(entry: Unconfirmed): void {
    const channel = this.#channel;
    // Without a channel the renewal sends everything that is unconfirmed, this included.
    if (!channel) return;
    const { queue, body, properties } = entry.message;
    entry.channel = channel;
    entry.sentAt = performance.now();
    entry.returned = false;
    channel.basicPublish(
      { ...properties, routingKey: queue, mandatory: true, durable: true },
      body,
    ).then(
      () => this.#onConfirmed(entry, channel),
      (error) => {
        if (channel !== this.#channel) return;
        // Else the channel is lost, with all that it carried.
        this.#renew(codeOf(error) === "NACK" ? entry : undefined, error);
      },
    );
  }

  /**
   * The return comes before the confirm, but the client tells of it by a later `setImmediate`: each entry is
   * judged in one that was asked for after its confirm.
   */
  #onConfirmed(entry: Unconfirmed, channel: Channel): void {
    this.#confirmed.push({ entry, channel });
    this.#judgeSoon();
  }

  #judgeSoon(): void {
    if (this.#judging) return;
    this.#judging = true;
    const ripe = this.#confirmed;
    this.#confirmed = [];
    setImmediate(() => {
      this.#judging = false;
      for (const { entry, channel } of ripe) {
        // Sent again meanwhile, it waits for that confirm.
        if (entry.channel === channel) this.#judge(entry);
      }
      this.#wake();
      if (this.#confirmed.length > 0) this.#judgeSoon();
    });
  }

  #judge(entry: Unconfirmed): void {
    if (entry.returned && this.#onReturn === "declare") this.#renew(entry);
    else if (this.#unconfirmed.delete(entry)) {
      this.#tries = 0;
      if (this.#unconfirmed.size === 0) this.#told = false;
      entry.settle(entry.returned ? "returned" : "confirmed");
    }
  }

  #onReturned(channel: Channel, messageId: string | undefined, queue: string): void {
    for (const entry of this.#unconfirmed) {
      if (entry.channel !== channel || entry.returned || entry.message.queue !== queue) continue;
      if (entry.message.properties.messageId !== messageId) continue;
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
    if (unwanted && this.#tries > QUICK_TRIES) this.#tell(unwanted.message.queue);
    this.#reopen().catch((error) => this.#abandon(error));
  }

  async #reopen(): Promise<void> {
    let channel = this.#channel;
    this.#channel = undefined;
    do {
      // What else it carried may still be confirmed on it: a nack overtakes the confirms of messages before it.
      const longer = 2 ** Math.max(0, this.#tries - QUICK_TRIES);
      await delay(Math.min(RETRY_MS * longer, MAX_RETRY_MS), this.#closed.signal);
      channel?.close().catch(() => {});
      if (this.#closed.signal.aborted) return;
      channel = await this.#open();
    } while (!channel.active);
    if (this.#closed.signal.aborted) return void channel.close().catch(() => {});
    this.#channel = channel;
    this.#renewing = false;
    for (const entry of this.#unconfirmed) this.#send(entry);
  }

  #tell(queue: string): void {
    if (this.#told) return;
    this.#told = true;
    this.#connection.note(
      `RabbitMQ doesn't take messages for ${queue}, which may be full: trying again, at least ` +
        `every ${MAX_RETRY_MS / 1000} s`,
    );
  }

  #abandon(error: unknown): void {
    this.#failure ??= error;
    for (const entry of this.#unconfirmed) entry.fail(error);
    this.#unconfirmed.clear();
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

  #wake(): void {
    const waiting = this.#wakeUps;
    this.#wakeUps = [];
    for (const wake of waiting) wake();
  }
}
