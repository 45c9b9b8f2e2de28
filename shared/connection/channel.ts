/** A channel: the AMQP library's, with a signal of its end, and the forms of messages that the rest uses. */
import {
  type AMQPChannel,
  AMQPConsumer,
  AMQPError,
  type AMQPMessage,
  type MessageCount,
} from "@cloudamqp/amqp-client";
import { unlessAborted } from "../script.ts";
import type { Client } from "./client.ts";
import { persistent, type Properties } from "./properties.ts";

/** A message for a queue, through the default exchange, or for another exchange: persistent and mandatory. */
export interface Message {
  /** With `exchange` the routing key. */
  readonly queue: string;
  readonly exchange?: string;
  /** Whether it comes back when no queue takes it. @default true */
  readonly mandatory?: boolean;
  readonly body: Uint8Array;
  /** `contentType`, `messageId`, `headers` and so on. */
  readonly properties: Properties;
}

/** A message as it was delivered. */
export interface Delivery extends Properties {
  readonly body: Uint8Array;
  readonly deliveryTag: number;
  readonly redelivered: boolean;
  readonly routingKey: string;
}

/** What is known of a queue when it is declared. */
export interface QueueState {
  readonly queue: string;
  /** Ready messages. */
  readonly messageCount: number;
  readonly consumerCount: number;
}

/** How long the broker may take to close a channel, in milliseconds. */
const CLOSE_TIMEOUT_MS = 3000;

export class Channel {
  /** Called with each message that comes back, before its confirm. */
  onReturn: (message: { routingKey: string; messageId?: string }) => void = () => {};
  readonly #channel: AMQPChannel;
  readonly #unlimited: ReadonlySet<string>;
  readonly #connection: AbortSignal;
  readonly #closed = new AbortController();

  /**
   * Opens a channel of a connection.
   *
   * @param unlimited Queues that exist without a delivery limit: they are declared as they are.
   */
  static async open(client: Client, unlimited: ReadonlySet<string>): Promise<Channel> {
    // The library forgets who has asked when the connection is closed from here and the broker doesn't answer.
    const channel = await unlessAborted(client.channel(), client.ended);
    if (!channel) throw client.ended.reason;
    return new Channel(channel, client.ended, unlimited);
  }

  private constructor(
    channel: AMQPChannel,
    connection: AbortSignal,
    unlimited: ReadonlySet<string>,
  ) {
    this.#channel = channel;
    this.#connection = connection;
    this.#unlimited = unlimited;
    const onEnd = () => this.#closed.abort(connection.reason);
    connection.addEventListener("abort", onEnd);
    this.closed.addEventListener("abort", () => connection.removeEventListener("abort", onEnd));
    channel.onerror = (reason) => this.#closed.abort(new Error(reason));
    channel.onReturn = ({ routingKey, properties: { messageId } }) =>
      this.onReturn({ routingKey, ...messageId === undefined ? {} : { messageId } });
  }

  /** Aborted when it is closed, by whomever, or its connection ends; the reason says why. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** The largest frame that the broker takes, in bytes. */
  get frameBytes(): number {
    return this.#channel.connection.frameMax;
  }

  /** Whether it is open. */
  get active(): boolean {
    return !this.#channel.closed && !this.closed.aborted;
  }

  /** Closes it; resolves when the broker has, too. */
  async close(): Promise<void> {
    if (!this.active) return;
    const closing = this.#channel.close();
    this.#closed.abort(new Error("the channel was closed"));
    // The library forgets it when the connection is lost meanwhile, or the broker closes the channel, too.
    const over = AbortSignal.any([this.#connection, AbortSignal.timeout(CLOSE_TIMEOUT_MS)]);
    await unlessAborted(closing, over);
  }

  /** Asks the broker to confirm what is published from now on. */
  async confirmSelect(): Promise<void> {
    await this.#answer(this.#channel.confirmSelect());
  }

  /** @param count Unacknowledged deliveries at a time, for each consumer. */
  async basicQos(count: number): Promise<void> {
    await this.#answer(this.#channel.basicQos(count));
  }

  async queueDeclare(
    { queue = "", durable = false, exclusive = false, passive = false, arguments: args = {} }: {
      queue?: string;
      durable?: boolean;
      exclusive?: boolean;
      passive?: boolean;
      arguments?: Record<string, unknown>;
    },
  ): Promise<QueueState> {
    const options = { durable, exclusive, passive, autoDelete: false };
    const { "x-delivery-limit": _, ...others } = args;
    const { name, ...counts } = await this.#answer(
      this.#channel.queueDeclare(queue, options, this.#unlimited.has(queue) ? others : args),
    );
    return { queue: name, ...counts };
  }

  queuePurge(queue: string): Promise<MessageCount> {
    return this.#answer(this.#channel.queuePurge(queue));
  }

  queueDelete(queue: string): Promise<MessageCount> {
    return this.#answer(this.#channel.queueDelete(queue));
  }

  async queueBind(queue: string, exchange: string, routingKey: string): Promise<void> {
    await this.#answer(this.#channel.queueBind(queue, exchange, routingKey));
  }

  /** Declares a topic exchange that doesn't outlive the broker. */
  async exchangeDeclare(exchange: string): Promise<void> {
    await this.#answer(this.#channel.exchangeDeclare(exchange, "topic", { durable: false }));
  }

  /** Fails when there is no such exchange. */
  async exchangeInspect(exchange: string): Promise<void> {
    await this.#answer(this.#channel.exchangeDeclare(exchange, "topic", { passive: true }));
  }

  /**
   * Publishes to a queue, or to an exchange.
   *
   * @returns Settled when the broker has confirmed or nacked it ({@link isNack}); never, once the channel is closed
   * from here. Without {@link confirmSelect} resolved at once.
   * @throws {Error} If properties can't be written: see `kept()`.
   */
  publish({ exchange = "", queue, mandatory = true, body, properties }: Message): Promise<number> {
    return this.#channel.basicPublish(exchange, queue, body, persistent(properties), mandatory);
  }

  /** Publishes to an exchange, as JSON that needn't arrive. */
  announce(exchange: string, routingKey: string, body: unknown): void {
    const properties = { contentType: "application/json" };
    this.#channel.basicPublish(exchange, routingKey, JSON.stringify(body), properties)
      .catch(() => {});
  }

  /** Takes a message; `undefined` when there is none. */
  async basicGet(queue: string, { noAck = false } = {}): Promise<Delivery | undefined> {
    const message = await this.#answer(this.#channel.basicGet(queue, { noAck }));
    return message ? toDelivery(message) : undefined;
  }

  /**
   * Subscribes to a queue.
   *
   * @param onDelivery Called with each delivery. It must not throw: that would end the script.
   * @param onCancelled Called when the subscription has ended, by whomever.
   * @returns The consumer's tag.
   */
  async basicConsume(
    { queue, consumerTag: tag = crypto.randomUUID(), exclusive = false, noAck = false }: {
      queue: string;
      consumerTag?: string;
      exclusive?: boolean;
      noAck?: boolean;
    },
    onDelivery: (delivery: Delivery) => void,
    onCancelled: () => void = () => {},
  ): Promise<string> {
    const take = (message: AMQPMessage) => {
      if (this.active) onDelivery(toDelivery(message));
    };
    // The library's own is there a moment after the broker's answer: a cancel that comes with it would not be noticed.
    const first = new AMQPConsumer(this.#channel, tag, take);
    this.#channel.consumers.set(tag, first);
    const params = { tag, exclusive, noAck };
    const consumer = await this.#answer(this.#channel.basicConsume(queue, params, take));
    for (const one of [first, consumer]) one.wait().then(onCancelled, onCancelled);
    return tag;
  }

  async basicCancel(consumerTag: string): Promise<void> {
    await this.#answer(this.#channel.basicCancel(consumerTag));
  }

  /** Acknowledges a delivery, with `multiple` all before it, too. On a lost channel the broker has them back. */
  basicAck({ deliveryTag, multiple = false }: { deliveryTag: number; multiple?: boolean }): void {
    if (this.active) this.#channel.basicAck(deliveryTag, multiple);
  }

  /** Gives a delivery back to its queue, with `multiple` all before it, too. */
  giveBack({ deliveryTag, multiple = false }: { deliveryTag: number; multiple?: boolean }): void {
    if (this.active) this.#channel.basicNack(deliveryTag, true, multiple);
  }

  /** The broker's answer; the library may forget who has asked on a channel that is closed. */
  async #answer<T>(asked: Promise<T>): Promise<T> {
    const answer = await unlessAborted(asked.then((value) => ({ value })), this.closed);
    if (!answer) throw this.closed.reason;
    return answer.value;
  }
}

/** Whether what made a publish fail may pass: a nack, or the end of its channel; else the message can't be written. */
export function mayPass(error: unknown): boolean {
  return error instanceof AMQPError || isNack(error);
}

/** Whether the broker has nacked a message. */
export function isNack(error: unknown): boolean {
  return error instanceof Error && error.message === "Message rejected";
}

function toDelivery(message: AMQPMessage): Delivery {
  const { properties, body, deliveryTag, redelivered, routingKey } = message;
  // The library has set it before it hands a message over, if only to no bytes.
  return { ...properties, body: body as Uint8Array, deliveryTag, redelivered, routingKey };
}
