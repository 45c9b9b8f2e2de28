import assert from "node:assert/strict";
import { WATCH_EXCHANGE } from "../../shared/topology.ts";
import { Announcer } from "../../shared/watch.ts";
import { TestBroker, within } from "./harness.ts";

const OPTIONS = { sanitizeOps: true, sanitizeResources: true };

/** Hears what is announced under a key. */
async function listen(broker: TestBroker, key: string) {
  const heard: { key: string; body: Record<string, unknown> }[] = [];
  const waiting: (() => void)[] = [];
  const channel = await broker.connection.channel("consume", async (channel) => {
    await channel.exchangeDeclare({ exchange: WATCH_EXCHANGE, type: "topic", durable: false });
    const { queue } = await channel.queueDeclare({ exclusive: true });
    await channel.queueBind({ queue, exchange: WATCH_EXCHANGE, routingKey: key });
    await channel.basicConsume({ queue, noAck: true }, ({ routingKey, body }) => {
      heard.push({ key: routingKey, body });
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
  using announcer = new Announcer(broker.connection, "helpdesk_worker", "ann");
  announcer.announce(`${stream}.handled`, () => ({ id: "r/1" }));
  await until(() => heard.length > 0);
  await stop();
  const [first] = heard;
  assert.equal(first?.key, `${stream}.handled`);
  const { at, ...rest } = first?.body ?? {};
  assert.deepEqual(rest, { script: "helpdesk_worker", name: "ann", id: "r/1" });
  assert.ok(Math.abs(Number(at) - Date.now()) < 60_000);
});

Deno.test("of many a sample is announced, and the last totals arrive", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const stream = `test-${crypto.randomUUID()}`;
  const { heard, until, stop } = await listen(broker, `${stream}.*`);
  using announcer = new Announcer(broker.connection, "helpdesk");
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
