/** What the AMQP library leaves to its user, with a real broker: how channels end, and what is written and read. */
import assert from "node:assert/strict";
import { Channel, isNack, mayPass, type Message } from "../../shared/connection/channel.ts";
import { Client } from "../../shared/connection/client.ts";
import type { Delivery } from "../../shared/connection.ts";
import { FailedError } from "../../shared/script/errors.ts";
import { deadQueue } from "../../shared/connection/queue.ts";
import { freePort } from "../free_port.ts";
import { BrokerProxy } from "../proxy.ts";
import { askAdminSite, testBroker } from "../test_broker.ts";
import { connect, TestBroker, textMessage, until, within } from "./harness.ts";

const OPTIONS = { sanitizeOps: true, sanitizeResources: true };

/** As the broker writes methods in their frames: class and method. */
const CONNECTION_OPEN_OK = Uint8Array.of(0, 10, 0, 41);
const CHANNEL_OPEN_OK = Uint8Array.of(0, 20, 0, 11);
const CHANNEL_CLOSE = Uint8Array.of(0, 20, 0, 40);
const CHANNEL_CLOSE_OK = Uint8Array.of(0, 20, 0, 41);
const DECLARE_OK = Uint8Array.of(0, 50, 0, 11);
const DELIVER = Uint8Array.of(0, 60, 0, 60);

/** A delivery that nobody has got: who acknowledges it gets the channel closed. */
const UNKNOWN = { deliveryTag: 99 };

/** Whether this machine has IPv6. */
const hasIPv6 = (() => {
  try {
    using _ = Deno.listen({ hostname: "::1", port: 0 });
    return true;
  } catch {
    return false;
  }
})();

/** What was written in this turn of the event loop is on its way then. */
const turn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));

const nothing = () => Promise.resolve();

/** Waits until a channel is closed; why it was. */
async function closed(channel: Channel): Promise<unknown> {
  await until("the channel's end", () => channel.closed.aborted);
  return channel.closed.reason;
}

/** Asks the admin site, which must agree. */
async function admin(method: string, path: string, body?: unknown): Promise<void> {
  const answer = await askAdminSite(method, path, { body });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
}

/** A virtual host; deleted, the broker closes its connections. */
class Vhost implements AsyncDisposable {
  readonly name = `test-${crypto.randomUUID()} %2F`;
  readonly pathname = encodeURIComponent(this.name);
  readonly #path = `/vhosts/${this.pathname}`;

  static async create(): Promise<Vhost> {
    const vhost = new Vhost();
    await admin("PUT", vhost.#path);
    return vhost;
  }

  /** Deletes it, waits until that is known, and makes it anew. */
  async renew(isKnown: () => boolean): Promise<void> {
    await admin("DELETE", this.#path);
    await until("the end of the virtual host", isKnown);
    await admin("PUT", this.#path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await admin("DELETE", this.#path);
  }
}

Deno.test("a channel that the broker closes is closed, and says why", OPTIONS, async () => {
  await using connection = await connect();
  const channel = await connection.channel("publish", nothing);
  assert.equal(channel.active, true);
  channel.basicAck(UNKNOWN);
  assert.match(String(await closed(channel)), /PRECONDITION_FAILED - unknown delivery tag 99/);
  assert.equal(channel.active, false);
});

Deno.test("a channel that has ended can be closed, and takes no more", OPTIONS, async () => {
  await using connection = await connect();
  const ended = await connection.channel("publish", nothing);
  const refused = await connection.channel("publish", nothing);
  await Promise.all([ended.close(), ended.close()]);
  refused.basicAck(UNKNOWN);
  await closed(refused);
  for (const channel of [ended, refused]) {
    // What they leave unhandled fails the test.
    await channel.close();
    channel.basicAck({ deliveryTag: 1 });
    channel.giveBack({ deliveryTag: 1 });
    channel.announce("amq.topic", "test", {});
    await assert.rejects(within(channel.basicQos(1), "an answer"));
  }
});

Deno.test("closing a channel ends when its connection is lost", OPTIONS, async () => {
  using proxy = new BrokerProxy();
  await using connection = await connect(proxy.port);
  const channel = await connection.channel("publish", nothing);
  proxy.holdFrom(CHANNEL_CLOSE_OK);
  const since = performance.now();
  const closing = channel.close();
  await until("the broker's answer", () => proxy.held > 0);
  proxy.cut();
  await within(closing, "the end");
  const took = performance.now() - since;
  assert.ok(took < 2500, `${took} ms: it has waited for the answer`);
});

Deno.test("a channel that the broker closes at the same time is closed", OPTIONS, async () => {
  using proxy = new BrokerProxy();
  await using connection = await connect(proxy.port);
  const channel = await connection.channel("publish", nothing);
  proxy.holdFrom(CHANNEL_CLOSE);
  channel.basicAck(UNKNOWN);
  await until("the broker to close it", () => proxy.held > 0);
  const closing = channel.close();
  await proxy.release();
  await within(closing, "the end");
});

Deno.test("what is asked on a channel that is closed meanwhile fails", OPTIONS, async () => {
  using proxy = new BrokerProxy();
  await using connection = await connect(proxy.port);
  const channel = await connection.channel("publish", nothing);
  proxy.holdFrom(DECLARE_OK);
  const asked = channel.queueDeclare({ exclusive: true });
  await until("the broker's answer", () => proxy.held > 0);
  channel.close();
  proxy.cut();
  await assert.rejects(within(asked, "an answer"), /the channel was closed/);
});

Deno.test("what is delivered to a channel that is being closed comes again", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  using proxy = new BrokerProxy();
  await using connection = await connect(proxy.port);
  const queue = broker.queue();
  const deliveries: Delivery[] = [];
  const channel = await connection.channel("consume", async (channel) => {
    await channel.queueDeclare(queue);
    await channel.basicConsume(queue, (delivery) => deliveries.push(delivery));
  });
  proxy.holdFrom(DELIVER);
  const publishing = await broker.connection.channel("publish", nothing);
  await publishing.publish(textMessage(queue, "x", "r/1"));
  await until("the delivery", () => proxy.held > 0);
  const closing = channel.close();
  await proxy.release();
  await within(closing, "the channel's end");
  assert.deepEqual(deliveries, []);
  const [message] = await broker.take(queue.queue, 1);
  assert.deepEqual([message?.messageId, message?.redelivered], ["r/1", true]);
});

Deno.test("the end of a subscription is reported, by whomever it is", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  using proxy = new BrokerProxy();
  await using connection = await connect(proxy.port);
  const ends: Record<string, (channel: Channel, tag: string, queue: string) => unknown> = {
    "cancelled": (channel, tag) => channel.basicCancel(tag),
    "without its queue": (_, __, queue) => broker.connection.deleteQueue(queue),
    "the channel refused": (channel) => channel.basicAck(UNKNOWN),
    "the connection lost": () => proxy.cut(),
  };
  for (const [what, end] of Object.entries(ends)) {
    const queue = broker.queue();
    const ended = Promise.withResolvers<void>();
    let tag = "";
    const channel = await connection.channel("consume", async (channel) => {
      await channel.queueDeclare(queue);
      tag = await channel.basicConsume(queue, () => {}, ended.resolve);
    });
    await end(channel, tag, queue.queue);
    await within(ended.promise, `the end: ${what}`);
  }
});

Deno.test("who closes a connection may still acknowledge, in vain", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const queue = broker.queue();
  const connection = await connect();
  const delivered = Promise.withResolvers<Delivery>();
  const ended = Promise.withResolvers<void>();
  const channel = await connection.channel("publish", async (channel) => {
    await channel.queueDeclare(queue);
    await channel.basicConsume(queue, delivered.resolve, ended.resolve);
  });
  await channel.publish(textMessage(queue, "x", "r/1"));
  const delivery = await within(delivered.promise, "the delivery");
  // As a consumer does that notices the end of its subscription. What it leaves unhandled fails the test.
  const acknowledging = ended.promise.then(() => channel.basicAck(delivery));
  await connection[Symbol.asyncDispose]();
  await within(acknowledging, "the end");
  assert.equal((await broker.take(queue.queue, 1))[0]?.messageId, "r/1");
});

Deno.test(
  "closing a connection whose broker doesn't answer ends its channels",
  OPTIONS,
  async () => {
    using proxy = new BrokerProxy();
    const connection = await connect(proxy.port);
    const channel = await connection.channel("publish", nothing);
    proxy.holdFrom(CHANNEL_OPEN_OK);
    const opening = connection.channel("publish", nothing);
    opening.catch(() => {});
    await until("the broker to open it", () => proxy.held > 0);
    proxy.deafen();
    await within(connection[Symbol.asyncDispose](), "the end");
    assert.match(String(await closed(channel)), /the connection has ended/);
    assert.equal(channel.active, false);
    await assert.rejects(within(opening, "the channel that was asked for"), FailedError);
  },
);

Deno.test(
  "a connection that the broker closes in the read in which it opens it is made anew",
  OPTIONS,
  async () => {
    await using vhost = await Vhost.create();
    using proxy = new BrokerProxy();
    proxy.holdFrom(CONNECTION_OPEN_OK);
    const connecting = connect(proxy.port, vhost);
    await until("the broker to open it", () => proxy.held > 0);
    const opened = proxy.held;
    await vhost.renew(() => proxy.held > opened);
    await proxy.release();
    await using connection = await within(connecting, "a connection");
    await within(connection.inspect("test"), "an answer");
  },
);

Deno.test(
  "a channel that opens in the read in which its connection ends is closed",
  OPTIONS,
  async () => {
    await using vhost = await Vhost.create();
    using proxy = new BrokerProxy();
    await using connection = await connect(proxy.port, vhost);
    proxy.holdFrom(CHANNEL_OPEN_OK);
    const opening = connection.channel("publish", nothing);
    await until("the broker to open it", () => proxy.held > 0);
    const opened = proxy.held;
    await vhost.renew(() => proxy.held > opened);
    await proxy.release();
    const channel = await within(opening, "a channel");
    assert.match(String(await closed(channel)), /the connection has ended/);
    await within(connection.inspect("test"), "an answer on a new connection");
  },
);

Deno.test("a spoilt frame costs the connection, and nothing else", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  using proxy = new BrokerProxy();
  await using connection = await connect(proxy.port);
  const queue = broker.queue();
  const channel = await connection.channel("publish", nothing);
  proxy.spoil();
  await assert.rejects(within(channel.queueDeclare(queue), "an answer"));
  await within(connection.declare(queue), "an answer on a new connection");
});

Deno.test("a channel leaves nothing behind at its connection", OPTIONS, async () => {
  const address = testBroker();
  const [node] = address.hosts;
  assert.ok(node);
  const client = await new Client(address, node, "test").connect();
  const { ended } = client;
  let listeners = 0;
  const { addEventListener, removeEventListener } = ended;
  ended.addEventListener = (...args: unknown[]) => {
    listeners++;
    Reflect.apply(addEventListener, ended, args);
  };
  ended.removeEventListener = (...args: unknown[]) => {
    listeners--;
    Reflect.apply(removeEventListener, ended, args);
  };
  const channel = await Channel.open(client, new Set());
  assert.ok(listeners > 0);
  await channel.close();
  assert.equal(listeners, 0);
  await client.close();
});

Deno.test(
  "unconfirmed messages of any size are written in order, as they are",
  OPTIONS,
  async () => {
    // It reads nothing in the turn in which they are written: most of them have to wait.
    using proxy = new BrokerProxy();
    await using connection = await connect(proxy.port);
    const channel = await connection.channel("publish", nothing);
    const { queue } = await channel.queueDeclare({ exclusive: true });
    const sizes = Array.from(
      { length: 240 },
      (_, i) => [100, 60_000, 250_000, 0, 30_000][i % 5] ?? 0,
    );
    for (const [index, size] of sizes.entries()) {
      const body = new Uint8Array(size).fill(index);
      await channel.publish({ queue, body, properties: { messageId: `r/${index}` } });
    }
    for (const [index, size] of sizes.entries()) {
      const message = await within(channel.basicGet(queue, { noAck: true }), "a message");
      const { messageId, body = new Uint8Array() } = message ?? {};
      assert.deepEqual([messageId, body.length], [`r/${index}`, size]);
      assert.ok(body.every((byte) => byte === index), `the body of ${messageId}`);
    }
  },
);

Deno.test("binary headers stay as they were when other messages come", OPTIONS, async () => {
  await using connection = await connect();
  const channel = await connection.channel("publish", nothing);
  const { queue } = await channel.queueDeclare({ exclusive: true });
  const count = 500;
  const bytesOf = (index: number) => new Uint8Array(1500).fill(index);
  for (let index = 0; index < count; index++) {
    const headers = { bytes: bytesOf(index) };
    channel.publish({ queue, body: new Uint8Array(), properties: { headers } });
  }
  const deliveries: Delivery[] = [];
  await channel.basicConsume({ queue, noAck: true }, (delivery) => deliveries.push(delivery));
  await until("all messages", () => deliveries.length === count);
  for (const [index, { headers }] of deliveries.entries()) {
    assert.deepEqual(new Uint8Array(headers?.bytes as Uint8Array), bytesOf(index), `${index}`);
  }
});

Deno.test("user, password and virtual host are sent as they are", OPTIONS, async () => {
  await using vhost = await Vhost.create();
  const [user, password] = [`test-${crypto.randomUUID()} %41é`, "p%41/@:?#é "];
  const path = `/users/${encodeURIComponent(user)}`;
  await admin("PUT", path, { password, tags: "" });
  try {
    const permissions = { configure: ".*", write: ".*", read: ".*" };
    await admin("PUT", `/permissions/${vhost.pathname}/${encodeURIComponent(user)}`, permissions);
    const login = {
      username: encodeURIComponent(user),
      password: encodeURIComponent(password),
      pathname: vhost.pathname,
    };
    await using connection = await connect(undefined, login);
    assert.equal(await connection.lock("test"), true);
  } finally {
    await admin("DELETE", path);
  }
});

Deno.test({
  name: hasIPv6 ? "a broker is reached by its IPv6 address" : "IPv6 (skipped: there is no ::1)",
  ignore: !hasIPv6,
  ...OPTIONS,
  async fn() {
    using proxy = new BrokerProxy(undefined, "::1");
    await using connection = await connect(undefined, { host: `[::1]:${proxy.port}` });
    assert.equal(await connection.lock(`test-${crypto.randomUUID()}`), true);
    assert.ok(proxy.connections > 0);
  },
});

Deno.test("what is written waits for no answer to what was written before", OPTIONS, async () => {
  await using connection = await connect();
  const channel = await connection.channel("publish", nothing);
  const waits: number[] = [];
  for (let round = 0; round < 60; round++) {
    // The broker doesn't answer it.
    channel.announce("amq.topic", "test", {});
    await turn();
    const since = performance.now();
    await channel.basicQos(1);
    waits.push(performance.now() - since);
  }
  const median = waits.toSorted((a, b) => a - b)[30] ?? 0;
  assert.ok(median < 20, `${median} ms`);
});

Deno.test(
  "who is no broker gets no buffer for the frame that it seems to send",
  OPTIONS,
  async () => {
    const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    await using server = Deno.serve(options, () => new Response());
    const client = new Client(testBroker(), server.addr, "test");
    const before = Deno.memoryUsage().external;
    await assert.rejects(within(client.connect(), "the end of its answer"), /Connection ended/);
    const bytes = Deno.memoryUsage().external - before;
    client.drop();
    assert.ok(bytes < 100_000_000, `${bytes} bytes`);
  },
);

Deno.test("who can't connect gets the system's own error", OPTIONS, async () => {
  const node = { hostname: "127.0.0.1", port: freePort() };
  const client = new Client(testBroker(), node, "test");
  await assert.rejects(within(client.connect(), "an error"), { code: "ECONNREFUSED" });
});

Deno.test(
  "what makes a publish fail may pass, or is the message's own fault",
  OPTIONS,
  async () => {
    await using connection = await connect();
    const channel = await connection.channel("publish", (channel) => channel.confirmSelect());
    const full = { "x-max-length": 1, "x-overflow": "reject-publish" };
    const { queue } = await channel.queueDeclare({ exclusive: true, arguments: full });
    const message = { queue, body: new Uint8Array(), properties: {} };
    const failure = (message: Message) =>
      within(channel.publish(message), "a confirm").then(() => undefined, (error) => error);
    assert.equal(await failure(message), undefined);
    const nacked = await failure(message);
    const unwritable = await failure({ ...message, properties: { type: "x".repeat(256) } });
    channel.basicAck(UNKNOWN);
    await closed(channel);
    const lost = await failure(message);
    assert.deepEqual([nacked, unwritable, lost].map(isNack), [true, false, false]);
    assert.deepEqual([nacked, unwritable, lost].map(mayPass), [true, false, true]);
  },
);

Deno.test("letters' queues without a delivery limit are taken as they are", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const letters = deadQueue(broker.queue().queue);
  const { "x-delivery-limit": limit, ...others } = letters.arguments ?? {};
  assert.ok(limit, "they are declared with one");
  const earlier = await broker.connection.channel("publish", async (channel) => {
    await channel.queueDeclare({ ...letters, arguments: others });
    await channel.confirmSelect();
  });
  await earlier.publish(textMessage(letters, "x", "r/1"));
  assert.equal(await within(broker.connection.declare(letters), "an answer"), false);
  assert.deepEqual((await broker.take(letters.queue, 1)).map((it) => it.messageId), ["r/1"]);
});
