/**
 * The connections to the broker. They come back when they are lost, to any of several nodes; this module says when they
 * are away, opens channels that are set up again after every loss, and turns the broker's refusals into sentences.
 *
 * One connection publishes, another consumes: a broker that blocks publishers (memory or disk alarm) must
 * not stop acknowledgements.
 */
import { delay, FailedError, type Output } from "../script.ts";
import { type BrokerAddress, hostList, requireNetPermission } from "./address.ts";
import type { Channel, Delivery, Message } from "./channel.ts";
import { Link } from "./link.ts";
import type { Properties } from "./properties.ts";
import { QueueAdministration, type Role } from "./administration.ts";
import { describe, refusal } from "./refusals.ts";

export { kept, NOT_KEPT } from "./properties.ts";
export { isNack, mayPass } from "./channel.ts";
export type { Channel, Delivery, Message, Properties, Role };

/** Wait before a channel is opened again, in milliseconds. */
export const RETRY_MS = 200;

/** A broker that takes longer than this to set up a channel is slow enough to be reported, in milliseconds. */
const SILENCE_MS = 10_000;

/** What RabbitMQ says of a queue of dead letters, or of a saved state, that has no delivery limit. */
const UNLIMITED = /inequivalent arg 'x-delivery-limit' for queue '([^']+\.(?:dead|state))'/;

export interface ConnectOptions {
  /** Says when the broker goes and comes back. */
  out: Output;
  /** Ends the first attempts to connect. */
  signal: AbortSignal;
  /** Shown on RabbitMQ's admin site. */
  name: string;
}

/** The broker, as scripts see it. `await using` closes its connections. */
export class Connection extends QueueAdministration implements AsyncDisposable {
  readonly #address: BrokerAddress;
  readonly #options: ConnectOptions;
  readonly #links = new Map<Role, Promise<Link>>();
  readonly #away = new Set<Role>();
  /** Queues of ours that exist without a delivery limit. */
  readonly #unlimited = new Set<string>();
  #blocked = false;
  #refused = false;
  #silenceTold = false;
  readonly #closed = new AbortController();

  private constructor(address: BrokerAddress, options: ConnectOptions) {
    super();
    this.#address = address;
    this.#options = options;
  }

  /**
   * Connects for one role; the other is connected when it is first needed.
   *
   * @throws {UsageError} If the script may not reach the host.
   * @throws {FailedError} If nothing answers within 10 s, or the broker refuses user or vhost.
   */
  static async open(
    address: BrokerAddress,
    role: Role,
    options: ConnectOptions,
  ): Promise<Connection> {
    await requireNetPermission(address);
    const connection = new Connection(address, options);
    try {
      await connection.#link(role);
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    }
    return connection;
  }

  /** Says how the work goes on. */
  note(text: string): void {
    this.#options.out.note(text);
  }

  /** Whether the broker has stopped publishers for an alarm of its own. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Whether a connection that was there is lost at the moment. */
  get away(): boolean {
    return this.#away.size > 0;
  }

  /** Whether the broker, which was lost, is back and refuses user or vhost. */
  get refused(): boolean {
    return this.#refused;
  }

  /**
   * Opens a channel and sets it up, and tries again for as long as the broker is away.
   *
   * @param setup Declares what the channel needs; run again on every new channel.
   * @throws {FailedError} If the broker refuses for good (403, 404, 406), or the connection was closed.
   */
  async channel(role: Role, setup: (channel: Channel) => Promise<void>): Promise<Channel> {
    const link = await this.#link(role);
    while (true) {
      if (this.#closed.signal.aborted) throw new FailedError("The connection is closed");
      let channel: Channel | undefined;
      try {
        channel = await link.channel(this.#unlimited);
        await this.#noteSilence(setup(channel));
        return channel;
      } catch (error) {
        channel?.close();
        if (this.#isUnlimited(error)) continue;
        const refused = refusal(error);
        if (refused) throw refused;
      }
      await delay(RETRY_MS, this.#closed.signal);
    }
  }

  /**
   * Does something on a channel of its own, which is closed again.
   *
   * @throws {FailedError} If the broker refuses it for good.
   */
  override async once<T>(role: Role, work: (channel: Channel) => Promise<T>): Promise<T> {
    let result: { value: T } | undefined;
    const channel = await this.channel(role, async (channel) => {
      result = { value: await work(channel) };
    });
    await channel.close();
    return (result as unknown as { value: T }).value;
  }

  /** Closes what is open; a broker that doesn't answer is given 3 s. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await Promise.all([...this.#links.values()].map(async (opening) => {
      await (await opening.catch(() => undefined))?.close();
    }));
  }

  protected override isUnlimited(queue: string): boolean {
    return this.#unlimited.has(queue);
  }

  #link(role: Role): Promise<Link> {
    let link = this.#links.get(role);
    if (!link) this.#links.set(role, link = this.#connect(role));
    return link;
  }

  #connect(role: Role): Promise<Link> {
    const { out, signal, name } = this.#options;
    return Link.open(this.#address, `${name} (${role})`, {
      out,
      signal,
      listener: {
        onLost: () => this.#lost(role),
        onRestored: () => this.#restored(role),
        onRefused: (why) => this.#onRefused(why),
        onBlocked: (reason) => this.#setBlocked(role, reason),
      },
    });
  }

  /**
   * Whether a declare was refused for a queue that earlier versions made without a delivery limit: what is in it must
   * not be lost, so it is taken as it is.
   */
  #isUnlimited(error: unknown): boolean {
    const [, queue] = UNLIMITED.exec(describe(error)) ?? [];
    if (queue === undefined || this.#unlimited.has(queue)) return false;
    this.#unlimited.add(queue);
    this.#options.out.aside(
      `${queue} is of an earlier version: RabbitMQ 4 drops what lies in it after 20 deliveries, and each look is ` +
        `one. Once it is empty: deno task queues --delete ${queue}`,
    );
    return true;
  }

  /** Says once that the broker, which is there, doesn't answer what it is asked. */
  async #noteSilence(answer: Promise<void>): Promise<void> {
    const timer = setTimeout(() => {
      if (this.#closed.signal.aborted || this.away || this.#blocked || this.#silenceTold) return;
      this.#silenceTold = true;
      this.#options.out.note(
        `RabbitMQ at ${hostList(this.#address)} hasn't answered for ${
          SILENCE_MS / 1000
        } s, still ` +
          "waiting: a queue may be without its leader, as when too few nodes of a cluster run",
      );
    }, SILENCE_MS);
    await answer.finally(() => clearTimeout(timer));
  }

  #lost(role: Role): void {
    if (this.#closed.signal.aborted || this.#away.has(role)) return;
    this.#away.add(role);
    if (role === "publish") this.#blocked = false;
    if (this.#away.size === 1) {
      this.#options.out.problem(
        { event: "disconnected" },
        () => `Lost RabbitMQ at ${hostList(this.#address)}: trying again until it is back`,
      );
    }
  }

  #onRefused(why: FailedError): void {
    if (!this.#refused) this.#options.out.error(`${why.message}. Trying again until it doesn't`);
    this.#refused = true;
  }

  #restored(role: Role): void {
    this.#refused = false;
    if (!this.#away.delete(role) || this.#away.size > 0) return;
    this.#options.out.problem(
      { event: "reconnected" },
      () => `RabbitMQ at ${hostList(this.#address)} is back`,
    );
  }

  #setBlocked(role: Role, reason?: string): void {
    if (role !== "publish") return;
    this.#blocked = reason !== undefined;
    this.#options.out.note(
      reason === undefined
        ? "RabbitMQ accepts messages again"
        : `RabbitMQ has an alarm (${reason}) and accepts no messages: waiting, nothing is lost`,
    );
  }
}
