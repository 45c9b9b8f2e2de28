/**
 * The connections to the broker. The AMQP client reconnects them, to any of several nodes; this module says
 * when they are away, opens channels that are set up again after every loss, and turns the broker's refusals
 * into sentences.
 *
 * One connection publishes, another consumes: a broker that blocks publishers (memory or disk alarm) must
 * not stop acknowledgements.
 */
import {
  type AsyncMessage,
  type Channel,
  Connection as Client,
  type Envelope,
} from "rabbitmq-client";
import { delay, unlessAborted } from "./abort.ts";
import { type BrokerAddress, hostList, requireNetPermission } from "./broker_url.ts";
import { FailedError } from "./errors.ts";
import { firstConnection } from "./first_connection.ts";
import type { Output } from "./output.ts";
import { codeOf, refusal } from "./refusals.ts";

export type { AsyncMessage, Channel, Client };

/** The properties of a message: what AMQP calls basic properties. */
export type Properties = Omit<
  Envelope,
  "exchange" | "routingKey" | "mandatory" | "immediate" | "durable" | "deliveryMode"
>;

/** Wait before a channel is opened again, in milliseconds. */
export const RETRY_MS = 200;

/** Seconds; a frozen peer is noticed after about twice that. RabbitMQ advises 5 to 20. */
const HEARTBEAT_S = 10;

/** A broker that takes longer than this to set up a channel is slow enough to be told of, in milliseconds. */
const SILENCE_MS = 10_000;

/** How long a closing connection may take before it is dropped, in milliseconds. */
const CLOSE_TIMEOUT_MS = 3000;

/** What a connection is for. */
export type Role = "publish" | "consume";

export interface ConnectOptions {
  /** Says when the broker goes and comes back. */
  out: Output;
  /** Ends the first attempts to connect. */
  signal: AbortSignal;
  /** Shown on RabbitMQ's admin site. */
  name: string;
}

/** The broker, as scripts see it. `await using` closes its connections. */
export class Connection implements AsyncDisposable {
  readonly #address: BrokerAddress;
  readonly #options: ConnectOptions;
  readonly #clients = new Map<Role, Promise<Client>>();
  readonly #away = new Set<Role>();
  #blocked = false;
  #silenceTold = false;
  readonly #closed = new AbortController();

  private constructor(address: BrokerAddress, options: ConnectOptions) {
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
      await connection.#client(role);
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

  /**
   * Opens a channel and sets it up, and tries again for as long as the broker is away.
   *
   * @param setup Declares what the channel needs; run again on every new channel.
   * @throws {FailedError} If the broker refuses for good (403, 404, 406), or the connection was closed.
   */
  async channel(role: Role, setup: (channel: Channel) => Promise<void>): Promise<Channel> {
    const client = await this.#client(role);
    while (true) {
      if (this.#closed.signal.aborted) throw new FailedError("The connection is closed");
      let channel: Channel | undefined;
      try {
        channel = await client.acquire({ emitErrorsFromChannel: true });
        // Every loss also ends in "close", and in the rejection of what was under way.
        channel.on("error", () => {});
        await this.#noteSilence(setup(channel));
        return channel;
      } catch (error) {
        channel?.close().catch(() => {});
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
  async once<T>(role: Role, work: (channel: Channel) => Promise<T>): Promise<T> {
    let result: { value: T } | undefined;
    const channel = await this.channel(role, async (channel) => {
      result = { value: await work(channel) };
    });
    await channel.close();
    return (result as unknown as { value: T }).value;
  }

  /** Removes the ready messages of a queue; says how many they were. */
  async purge(queue: string): Promise<number> {
    return (await this.once("publish", (channel) => channel.queuePurge(queue))).messageCount;
  }

  /** Deletes a queue with its messages; says how many were ready. */
  async deleteQueue(queue: string): Promise<number> {
    return (await this.once("publish", (channel) => channel.queueDelete(queue))).messageCount;
  }

  /**
   * Takes a name for as long as this connection lives: an exclusive queue, which only one connection can have.
   *
   * @returns Whether it is ours; otherwise another connection has it.
   */
  lock(queue: string): Promise<boolean> {
    return this.once(
      "consume",
      (channel) =>
        channel.queueDeclare({ queue, exclusive: true }).then(() => true, (error) => {
          if (codeOf(error) === "RESOURCE_LOCKED") return false;
          throw error;
        }),
    );
  }

  /** Looks at a queue without creating it; `undefined` if there is none. */
  inspect(queue: string): Promise<{ ready: number; consumers: number } | undefined> {
    // A passive declare of a missing queue closes its channel: never one that is in use.
    return this.once("publish", (channel) =>
      channel.queueDeclare({ queue, passive: true }).then(
        ({ messageCount, consumerCount }) => ({ ready: messageCount, consumers: consumerCount }),
        (error) => {
          if (codeOf(error) === "NOT_FOUND") return undefined;
          throw error;
        },
      ));
  }

  /** Closes what is open; a broker that doesn't answer is given 3 s. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await Promise.all([...this.#clients.values()].map(async (opening) => {
      const client = await opening.catch(() => undefined);
      if (!client) return;
      const patience = new AbortController();
      const timer = setTimeout(() => patience.abort(), CLOSE_TIMEOUT_MS);
      await unlessAborted(client.close().catch(() => {}), patience.signal);
      clearTimeout(timer);
      // A destroyed client never ends its close(): don't wait for that.
      client.unsafeDestroy();
    }));
  }

  #client(role: Role): Promise<Client> {
    let client = this.#clients.get(role);
    if (!client) this.#clients.set(role, client = this.#connect(role));
    return client;
  }

  async #connect(role: Role): Promise<Client> {
    const { hosts, username, password, vhost, tls, certificates } = this.#address;
    const { out, signal, name } = this.#options;
    const [first] = hosts;
    const client = new Client({
      hostname: first?.hostname ?? "localhost",
      port: first?.port ?? 5672,
      ...(hosts.length > 1 ? { hosts: hostList(this.#address).split(",") } : {}),
      username,
      password,
      vhost,
      // The client hands these on to node:tls, at every new connection; `ca` replaces Deno's own.
      tls: tls && certificates ? { ...certificates } : tls,
      // A reply, its confirm and the acknowledgement are small and wait for each other: Nagle makes each wait 40 ms.
      noDelay: true,
      heartbeat: HEARTBEAT_S,
      retryLow: RETRY_MS,
      retryHigh: 1000,
      connectionName: `${name} (${role})`,
    });
    let connected = false;
    client.on("error", () => connected && this.#lost(role));
    client.on("connection", () => connected && this.#restored(role));
    client.on("connection.blocked", (reason: string) => this.#setBlocked(role, reason));
    client.on("connection.unblocked", () => this.#setBlocked(role));
    await firstConnection(client, this.#address, { out, signal });
    connected = true;
    return client;
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

  #restored(role: Role): void {
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
