import assert from "node:assert/strict";
import { Announcer, PRESENCE_MS, watch } from "../../shared/connection.ts";
import { STREAMS } from "../../shared/streams.ts";
import { jsonIn } from "../deliveries.ts";
import { TestBroker, within } from "./harness.ts";

/** The topic exchange that scripts announce on, by its name: other programs listen there, too. */
const WATCH_EXCHANGE = "watch";

const OPTIONS = { sanitizeOps: true, sanitizeResources: true };

/** Hears what is announced under a key. */
async function listen(broker: TestBroker, key: string) {
  const heard: { key: string; body: Record<string, unknown> }[] = [];
  const waiting: (() => void)[] = [];
  const channel = await broker.connection.channel("consume", async (channel) => {
    await channel.exchangeDeclare(WATCH_EXCHANGE);
    const { queue } = await channel.queueDeclare({ exclusive: true });
    await channel.queueBind(queue, WATCH_EXCHANGE, key);
    await channel.basicConsume({ queue, noAck: true }, (message) => {
      heard.push({ key: message.routingKey, body: jsonIn(message) as Record<string, unknown> });
      for (const wake of waiting.splice(0)) wake();
    });
  });
  const until = async (condition: () => boolean) => {
    while (!condition()) {
      await within(new Promise<void>((wake) => waiting.push(wake)), "an announcement");
    }
  };
  return { heard, until, stop: () => channel.close() };
}

Deno.test("announcements say who, when and what", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const stream = `test-${crypto.randomUUID()}`;
  const { heard, until, stop } = await listen(broker, `${stream}.*`);
  await using announcer = new Announcer(broker.connection, "helpdesk_worker", "ann");
  announcer.announce(`${stream}.handled`, () => ({ id: "r/1" }));
  await until(() => heard.length > 0);
  await stop();
  const [first] = heard;
  assert.equal(first?.key, `${stream}.handled`);
  const { at, instance, ...rest } = first?.body ?? {};
  assert.match(String(instance), /^[0-9a-f]{8}$/);
  assert.deepEqual(rest, { script: "helpdesk_worker", name: "ann", id: "r/1" });
  assert.ok(Math.abs(Number(at) - Date.now()) < 60_000);
});

Deno.test("of many a sample is announced, and the last totals arrive", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const stream = `test-${crypto.randomUUID()}`;
  const { heard, until, stop } = await listen(broker, `${stream}.*`);
  await using announcer = new Announcer(broker.connection, "helpdesk");
  let total = 0;
  const timer = setInterval(() => {
    for (let count = 0; count < 100; count++) {
      total++;
      announcer.announce(`${stream}.ticket`, () => ({ total }));
    }
  }, 5);
  const started = performance.now();
  try {
    await until(() => total > 20_000);
  } finally {
    clearInterval(timer);
  }
  await until(() => heard.at(-1)?.body.total === total);
  await stop();
  const seconds = (performance.now() - started) / 1000;
  assert.ok(heard.length <= 202 * (Math.ceil(seconds) + 1), `${heard.length} in ${seconds} s`);
});

Deno.test(
  "a burst of 30 is announced whole, and what is rare is never left out",
  OPTIONS,
  async () => {
    await using broker = await TestBroker.open();
    const stream = `test-${crypto.randomUUID()}`;
    const { heard, until, stop } = await listen(broker, `${stream}.*`);
    {
      await using announcer = new Announcer(broker.connection, "smoker_monitor");
      for (let row = 1; row <= 30; row++) announcer.announce(`${stream}.row`, () => ({ row }));
      await until(() => heard.length === 30);
      for (let row = 31; row <= 1000; row++) announcer.announce(`${stream}.row`, () => ({ row }));
      announcer.announce(`${stream}.alert`, () => ({ row: "alert" }), { always: true });
    }
    await until(() => heard.some(({ key }) => key === `${stream}.alert`));
    await until(() => heard.some(({ body }) => body.row === 1000));
    await stop();
    const rows = heard.map(({ body }) => body.row);
    assert.deepEqual(rows.slice(0, 30), Array.from({ length: 30 }, (_, index) => index + 1));
    assert.ok(heard.length < 100, `${heard.length} announcements`);
  },
);

Deno.test(
  "a script says again and again that it is there, and at its end that it is gone",
  OPTIONS,
  async () => {
    await using broker = await TestBroker.open();
    const stream = `test-${crypto.randomUUID()}`;
    const { heard, until, stop } = await listen(broker, `${stream}.presence`);
    let handled = 0;
    const started = performance.now();
    {
      await using announcer = new Announcer(broker.connection, "helpdesk_worker", "ann");
      announcer.present(`${stream}.presence`, () => ({ totals: { handled } }));
      await until(() => heard.length === 1);
      handled = 5;
      await until(() => heard.length === 2);
    }
    assert.ok(performance.now() - started > PRESENCE_MS / 2);
    await until(() => heard.length === 3);
    await stop();
    assert.deepEqual(
      heard.map(({ body: { here, totals } }) => [here, totals]),
      [[true, { handled: 0 }], [true, { handled: 5 }], [false, { handled: 5 }]],
    );
  },
);

Deno.test(
  "what a script announces just before its end is heard, however short it was",
  OPTIONS,
  async () => {
    await using broker = await TestBroker.open();
    const stream = `test-${crypto.randomUUID()}`;
    const { heard, until, stop } = await listen(broker, `${stream}.task`);
    {
      await using announcer = new Announcer(broker.connection, "new_task");
      announcer.announce(`${stream}.task`, () => ({ row: 1 }));
    }
    await until(() => heard.length === 1);
    await stop();
  },
);

Deno.test(
  "`watch()` hears the streams it is told, through queues that end with it",
  OPTIONS,
  async () => {
    await using broker = await TestBroker.open();
    await using announcer = new Announcer(broker.connection, "test");
    const id = crypto.randomUUID();
    const streams = STREAMS.map(({ name }) => name);
    const keys = streams.map((stream) => `${stream}.presence`);
    const heard = new Set<string>();
    const all = Promise.withResolvers<void>();
    const ended = new AbortController();
    const ready = Promise.withResolvers<void>();
    const watching = watch(broker.connection, {
      streams,
      onAnnouncement(key, body) {
        if ((body as { id?: string }).id !== id) return;
        heard.add(key);
        if (heard.size === keys.length) all.resolve();
      },
      onReady: ready.resolve,
      signal: ended.signal,
    });
    await within(ready.promise, "its queues");
    for (const key of [`other-${id}.presence`, ...keys]) {
      announcer.announce(key, () => ({ id }), { always: true });
    }
    await within(all.promise, "announcements of every stream");
    assert.deepEqual([...heard].toSorted(), keys.toSorted());
    ended.abort();
    await watching;
  },
);
