import assert from "node:assert/strict";
import {
  type Connection,
  consume,
  type ConsumeOptions,
  deadQueue,
  type Delivery,
  IdleWatch,
  Publisher,
  type Queue,
  type Verdict,
} from "../../shared/connection.ts";
import { textIn } from "../deliveries.ts";
import { BrokerProxy } from "../proxy.ts";
import { connect, TestBroker, textMessage, until, within } from "./harness.ts";

const OPTIONS = { sanitizeOps: true, sanitizeResources: true };

/** A consumer that runs until its signal, and what it was given. */
class Running {
  readonly deliveries: Delivery[] = [];
  readonly #stop = new AbortController();
  readonly #counts: { count: number; resolve: () => void }[] = [];
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;

  constructor(
    connection: Connection,
    queue: Queue,
    dead: Publisher,
    handle: (delivery: Delivery) => Promise<Verdict> = () => Promise.resolve("ack"),
    options: Partial<ConsumeOptions> = {},
  ) {
    const ready = Promise.withResolvers<void>();
    this.ready = ready.promise;
    this.ended = consume(connection, queue, (delivery) => {
      this.deliveries.push(delivery);
      for (const { count, resolve } of this.#counts) {
        if (this.deliveries.length >= count) resolve();
      }
      return handle(delivery);
    }, { prefetch: 1, dead, signal: this.#stop.signal, onReady: ready.resolve, ...options });
    this.ended.catch(ready.reject);
  }

  async got(count: number): Promise<void> {
    if (this.deliveries.length >= count) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#counts.push({ count, resolve });
    await within(promise, `${count} deliveries`);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await within(this.ended, "the consumer's end");
  }
}

async function setUp(broker: TestBroker) {
  const queue = broker.queue();
  const publisher = await Publisher.open(broker.connection, [queue, deadQueue(queue.queue)]);
  return { queue, publisher };
}

/** Waits until a consumer has declared its queue again, and gets what is published then. */
async function consumesAgain(
  { connection }: TestBroker,
  queue: Queue,
  publisher: Publisher,
  consumer: Running,
): Promise<void> {
  // Not by anybody else: RabbitMQ doesn't tell a consumer when the queue is back before it has noticed.
  const declared = async () => {
    while (!await connection.inspect(queue.queue));
  };
  await within(declared(), "the consumer to declare its queue");
  await within(publisher.publish(textMessage(queue, "x", "r/1")), "the confirm");
  await consumer.got(1);
  await consumer.stop();
}

Deno.test(
  "the verdict acknowledges, or moves to the dead letters with a reason",
  OPTIONS,
  async () => {
    await using broker = await TestBroker.open();
    const { queue, publisher } = await setUp(broker);
    using _ = publisher;
    await publisher.publish({
      queue: queue.queue,
      body: Buffer.from('{"a":1}'),
      properties: {
        contentType: "application/json",
        messageId: "r/1",
        correlationId: "c",
        appId: "app",
        type: "t",
        priority: 3,
        timestamp: new Date(1_600_000_000_000),
        expiration: "3600000",
        headers: { "published-at": 1_700_000_000_123, CC: ["elsewhere"] },
      },
    });
    await publisher.publish(textMessage(queue, "good", "r/2"));
    const consumer = new Running(
      broker.connection,
      queue,
      publisher,
      ({ messageId }) => Promise.resolve(messageId === "r/1" ? { dead: "no ticket" } : "ack"),
    );
    await consumer.got(2);
    await consumer.stop();
    assert.equal((await broker.connection.inspect(queue.queue))?.ready, 0);
    const [dead] = await broker.take(deadQueue(queue.queue).queue, 1);
    assert.ok(dead);
    const { "failed-at": failedAt, ...headers } = dead.headers ?? {};
    assert.deepEqual(headers, {
      "published-at": 1_700_000_000_123,
      reason: "no ticket",
      "original-queue": queue.queue,
    });
    assert.ok(Math.abs(Date.parse(String(failedAt)) - Date.now()) < 60_000, String(failedAt));
    assert.equal(textIn(dead), '{"a":1}');
    const { messageId, correlationId, appId, type, priority, timestamp, contentType, expiration } =
      dead;
    assert.deepEqual(
      { messageId, correlationId, appId, type, priority, timestamp, contentType, expiration },
      {
        messageId: "r/1",
        correlationId: "c",
        appId: "app",
        type: "t",
        priority: 3,
        timestamp: new Date(1_600_000_000_000),
        contentType: "application/json",
        expiration: undefined,
      },
    );
  },
);

Deno.test("bodies become dead letters byte for byte, JSON or not", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const { queue, publisher } = await setUp(broker);
  using _ = publisher;
  const messages: [Buffer, string?][] = [
    [Buffer.from([0, 255, 254, 10])],
    [Buffer.from([0, 255, 254, 10]), "text/plain"],
    [Buffer.from("{broken"), "application/json"],
    // As no JavaScript would write it.
    [
      Buffer.from(' { "n" : 12345678901234567890, "n":1.0,\r\n"\\u0041":1e999}\n'),
      "application/json",
    ],
    [Buffer.alloc(0), "application/octet-stream"],
  ];
  for (const [body, contentType] of messages) {
    const properties = contentType === undefined ? {} : { contentType };
    await publisher.publish({ queue: queue.queue, body, properties });
  }
  const consumer = new Running(
    broker.connection,
    queue,
    publisher,
    () => Promise.resolve({ dead: "garbage" }),
  );
  const dead = await (async () => {
    await consumer.got(messages.length);
    await consumer.stop();
    return await broker.take(deadQueue(queue.queue).queue, messages.length);
  })();
  assert.deepEqual(
    dead.map(({ body, contentType }) => [Buffer.from(body), contentType]),
    messages.map(([body, contentType]) => [body, contentType]),
  );
});

Deno.test("three consumers share thirty messages, ten each", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const { queue, publisher } = await setUp(broker);
  using _ = publisher;
  let onDelivery = () => {};
  const consumers = [0, 1, 2].map(() =>
    new Running(broker.connection, queue, publisher, () => {
      onDelivery();
      return Promise.resolve("ack");
    })
  );
  await Promise.all(consumers.map(({ ready }) => ready));
  for (let count = 1; count <= 30; count++) {
    const handled = Promise.withResolvers<void>();
    onDelivery = handled.resolve;
    await publisher.publish(textMessage(queue, "x", `r/${count}`));
    // The next one comes when this one is done, so that all three are free.
    await within(handled.promise, "a delivery");
  }
  assert.deepEqual(consumers.map(({ deliveries }) => deliveries.length), [10, 10, 10]);
  await Promise.all(consumers.map((consumer) => consumer.stop()));
});

Deno.test(
  "stopping finishes what is in hand and gives the rest back at once",
  OPTIONS,
  async () => {
    await using broker = await TestBroker.open();
    const { queue, publisher } = await setUp(broker);
    using _ = publisher;
    for (const id of ["r/1", "r/2", "r/3"]) await publisher.publish(textMessage(queue, id, id));
    const work = Promise.withResolvers<Verdict>();
    const slow = new Running(broker.connection, queue, publisher, () => work.promise, {
      prefetch: 10,
    });
    await slow.got(1);
    const ended = slow.stop();
    // The first is still in hand while another consumer gets the other two.
    const other = new Running(broker.connection, queue, publisher);
    await other.got(2);
    work.resolve("ack");
    await ended;
    await other.stop();
    assert.deepEqual(slow.deliveries.map(({ messageId }) => messageId), ["r/1"]);
    assert.deepEqual(other.deliveries.map(({ messageId }) => messageId).sort(), ["r/2", "r/3"]);
    assert.equal((await broker.connection.inspect(queue.queue))?.ready, 0);
  },
);

Deno.test("a handler that throws ends the consumer, and its message stays", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const { queue, publisher } = await setUp(broker);
  using _ = publisher;
  await publisher.publish(textMessage(queue, "x", "r/1"));
  const consumer = new Running(
    broker.connection,
    queue,
    publisher,
    () => Promise.reject(new TypeError("a mistake")),
  );
  await assert.rejects(within(consumer.ended, "the end"), TypeError);
  const [message] = await broker.take(queue.queue, 1);
  assert.equal(message?.messageId, "r/1");
  assert.equal(message?.redelivered, true);
});

Deno.test("what was done before a handler throws stays acknowledged", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const { queue, publisher } = await setUp(broker);
  using _ = publisher;
  for (const id of ["r/1", "r/2", "r/3"]) await publisher.publish(textMessage(queue, "x", id));
  const consumer = new Running(
    broker.connection,
    queue,
    publisher,
    ({ messageId }) =>
      messageId === "r/3" ? Promise.reject(new TypeError("a mistake")) : Promise.resolve("ack"),
    { prefetch: 10 },
  );
  await assert.rejects(within(consumer.ended, "the end"), TypeError);
  const [message] = await broker.take(queue.queue, 1);
  assert.equal(message?.messageId, "r/3");
});

Deno.test(
  "a connection cut in the middle of the work brings the message again",
  OPTIONS,
  async () => {
    await using broker = await TestBroker.open();
    const { queue, publisher } = await setUp(broker);
    using _ = publisher;
    using proxy = new BrokerProxy();
    await using connection = await connect(proxy.port);
    await publisher.publish(textMessage(queue, "x", "r/1"));
    const work = Promise.withResolvers<Verdict>();
    const consumer = new Running(
      connection,
      queue,
      publisher,
      (delivery) => delivery.redelivered ? Promise.resolve("ack") : work.promise,
    );
    await consumer.got(1);
    proxy.cut();
    work.resolve("ack");
    await consumer.got(2);
    await consumer.stop();
    assert.deepEqual(
      consumer.deliveries.map(({ redelivered }) => redelivered),
      [false, true],
    );
    assert.equal((await broker.connection.inspect(queue.queue))?.ready, 0);
  },
);

Deno.test(
  "stopping while the broker is away doesn't wait for the work in hand",
  OPTIONS,
  async () => {
    await using broker = await TestBroker.open();
    const { queue, publisher } = await setUp(broker);
    using _ = publisher;
    const proxy = new BrokerProxy();
    await using connection = await connect(proxy.port);
    await publisher.publish(textMessage(queue, "x", "r/1"));
    const never = new Promise<Verdict>(() => {});
    const consumer = new Running(connection, queue, publisher, () => never);
    await consumer.got(1);
    proxy[Symbol.dispose]();
    await consumer.stop();
    assert.deepEqual((await broker.take(queue.queue, 1)).map(({ messageId }) => messageId), [
      "r/1",
    ]);
  },
);

Deno.test(
  "a queue deleted under its consumer is declared and consumed again",
  OPTIONS,
  async () => {
    await using broker = await TestBroker.open();
    const { queue, publisher } = await setUp(broker);
    using _ = publisher;
    const consumer = new Running(broker.connection, queue, publisher);
    await consumer.ready;
    await broker.connection.deleteQueue(queue.queue);
    await consumesAgain(broker, queue, publisher, consumer);
  },
);

Deno.test(
  "a queue deleted while its consumer is told that it is one is consumed again",
  OPTIONS,
  async () => {
    await using broker = await TestBroker.open();
    const { queue, publisher } = await setUp(broker);
    using _ = publisher;
    using proxy = new BrokerProxy();
    await using connection = await connect(proxy.port);
    // The protocol's basic.consume-ok; basic.cancel comes in the same read.
    proxy.holdFrom(Uint8Array.of(0, 60, 0, 21));
    const consumer = new Running(connection, queue, publisher);
    await until("the answer", () => proxy.held > 0);
    const answer = proxy.held;
    await broker.connection.deleteQueue(queue.queue);
    await until("the cancel", () => proxy.held > answer);
    await proxy.release();
    await consumesAgain(broker, queue, publisher, consumer);
  },
);

Deno.test("an idle watch ends a consumer, but not while it works", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const { queue, publisher } = await setUp(broker);
  using _ = publisher;
  await publisher.publish(textMessage(queue, "x", "r/1"));
  const work = Promise.withResolvers<Verdict>();
  let over = false;
  // Long enough for the first delivery to come.
  using idle = new IdleWatch(1000, () => false);
  const consumer = new Running(broker.connection, queue, publisher, () => work.promise, {
    signal: idle.signal,
    onActivity: (busy) => idle.touch(queue.queue, busy),
  });
  consumer.ended.then(() => over = true);
  await consumer.got(1);
  // More than the idle time passes while the broker answers these.
  const since = performance.now();
  while (performance.now() - since < 1500) await broker.connection.inspect(queue.queue);
  assert.equal(over, false);
  assert.equal(idle.signal.aborted, false);
  work.resolve("ack");
  await within(consumer.ended, "the end");
  assert.equal((await broker.connection.inspect(queue.queue))?.ready, 0);
});

Deno.test("an idle watch ends a consumer whose queue is empty", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const { queue, publisher } = await setUp(broker);
  using _ = publisher;
  using idle = new IdleWatch(50, () => false);
  const consumer = new Running(broker.connection, queue, publisher, undefined, {
    signal: idle.signal,
    onActivity: (busy) => idle.touch(queue.queue, busy),
  });
  await within(consumer.ended, "the end");
  assert.deepEqual(consumer.deliveries, []);
});

Deno.test("an idle watch doesn't count the time without a channel", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  using proxy = new BrokerProxy();
  await using connection = await connect(proxy.port);
  const { queue, publisher } = await setUp(broker);
  using _ = publisher;
  const activity: boolean[] = [];
  proxy.down();
  const consumer = new Running(connection, queue, publisher, undefined, {
    onActivity: (busy) => activity.push(busy),
  });
  assert.deepEqual(activity, [true]);
  proxy.restore();
  await consumer.ready;
  assert.deepEqual(activity, [true, false]);
  proxy.down();
  await until("the loss", () => activity.length > 2);
  assert.deepEqual(activity, [true, false, true]);
  proxy.restore();
  await until("a channel", () => activity.length > 3);
  assert.deepEqual(activity, [true, false, true, false]);
  await consumer.stop();
});
