/** A real broker for tests: queues of their own, gone afterwards. */
import {
  brokerAddress,
  Connection,
  deadQueue,
  type Delivery,
  type Message,
  type Queue,
  queueOf,
} from "../../shared/connection.ts";
import { Output } from "../../shared/script.ts";
import { testBrokerUrl } from "../test_broker.ts";

/** Longest wait for anything, in milliseconds. */
export const PATIENCE_MS = 20_000;

/** A connection to the tests' broker, and queues that are deleted when the test ends. */
export class TestBroker implements AsyncDisposable {
  readonly #names: string[] = [];

  private constructor(readonly connection: Connection) {}

  /** Fails with a sentence when there is no broker. */
  static async open(): Promise<TestBroker> {
    return new TestBroker(await connect());
  }

  /** A new quorum queue's parameters; scripts declare it. */
  queue(): Queue {
    const queue = queueOf(`test-${crypto.randomUUID()}`, "shared");
    this.#names.push(queue.queue, deadQueue(queue.queue).queue);
    return queue;
  }

  /** Consumes a queue, acknowledging at once, until it is told to stop. */
  async drain(queue: string): Promise<{ messages: Delivery[]; stop: () => Promise<void> }> {
    const messages: Delivery[] = [];
    const channel = await this.connection.channel("consume", async (channel) => {
      await channel.basicConsume({ queue }, (message) => {
        messages.push(message);
        channel.basicAck({ deliveryTag: message.deliveryTag });
      });
    });
    return { messages, stop: () => channel.close() };
  }

  /** Takes messages out of a queue, acknowledged; waits until there are so many. */
  async take(queue: string, count: number): Promise<Delivery[]> {
    if (count === 0) return [];
    const messages: Delivery[] = [];
    const all = Promise.withResolvers<void>();
    const channel = await this.connection.channel("consume", async (channel) => {
      await channel.basicConsume({ queue }, (message) => {
        messages.push(message);
        channel.basicAck({ deliveryTag: message.deliveryTag });
        if (messages.length === count) all.resolve();
      });
    });
    await within(all.promise, `${count} messages in ${queue}, there are ${messages.length}`);
    await channel.close();
    return messages;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#names) await this.connection.deleteQueue(name);
    await this.connection[Symbol.asyncDispose]();
  }
}

/** Connects to the tests' broker, through a proxy's port if one is given, with other parts of its URL if they are. */
export async function connect(
  port?: number,
  { onNote, ...parts }: { onNote?: (text: string) => void } & Parameters<typeof testBrokerUrl>[0] =
    {},
): Promise<Connection> {
  const url = testBrokerUrl({
    ...port === undefined ? {} : { host: `127.0.0.1:${port}` },
    ...parts,
  });
  const out = new Output({ script: "test", json: true, quiet: true, onClosed: () => {} });
  if (onNote) out.note = onNote;
  return await Connection.open(brokerAddress(url), "publish", {
    out,
    signal: new AbortController().signal,
    name: "test",
  });
}

/** The values in the order in which each came first. */
export function firstArrivals<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

/** Fails when something takes longer than the patience of tests. */
export async function within<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited in vain for ${what}`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks until a condition holds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A text message for a queue. */
export function textMessage(queue: Queue, text: string, messageId?: string): Message {
  return {
    queue: queue.queue,
    body: Buffer.from(text),
    properties: { contentType: "text/plain", ...(messageId === undefined ? {} : { messageId }) },
  };
}
