import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { seededRandom } from "../../data/seeded_random.ts";
import { smokerRule } from "../../consumers/smoker_monitor.ts";
import {
  type BatchHandler,
  type BatchResult,
  type Connection,
  consumeWithState,
  deadQueue,
  type Delivery,
  type Queue,
  queueOf,
  type QueueType,
  stateQueue,
} from "../../shared/connection.ts";
import type { StatefulOptions } from "../../shared/connection/stateful_consumer.ts";
import { KeyJudge } from "../../shared/monitor/judge.ts";
import { QueueMonitor } from "../../shared/monitor/queue_monitor.ts";
import { FailedError } from "../../shared/script.ts";
import { SMOKER } from "../../shared/streams.ts";
import { jsonDelivery, jsonIn, textIn } from "../deliveries.ts";
import { BrokerProxy } from "../proxy.ts";
import { connect, PATIENCE_MS, TestBroker, within } from "./harness.ts";

const OPTIONS = { sanitizeOps: true, sanitizeResources: true };

/** What the counting handler saves: deliveries are numbered from 1, and each must be counted once, in order. */
interface Count {
  readonly last: number;
  readonly count: number;
  readonly sum: number;
}

const NOTHING: Count = { last: 0, count: 0, sum: 0 };

/** The state after the deliveries 1 to `n`. */
const countTo = (n: number): Count => ({ last: n, count: n, sum: n * (n + 1) / 2 });

/** A queue with its state, the queue that outcomes go to and all their dead letters; gone afterwards. */
class HelpdeskDemo implements AsyncDisposable {
  readonly queue: Queue;
  readonly state: Queue;
  readonly out: Queue;
  readonly connection: Connection;
  readonly #broker: TestBroker;

  private constructor(broker: TestBroker, type: QueueType) {
    this.#broker = broker;
    this.connection = broker.connection;
    this.queue = queueOf(broker.queue().queue, "ordered", type);
    this.state = stateQueue(this.queue.queue);
    this.out = queueOf(broker.queue().queue, "shared");
  }

  static async open(type: QueueType = "quorum"): Promise<HelpdeskDemo> {
    const scene = new HelpdeskDemo(await TestBroker.open(), type);
    const channel = await scene.connection.channel("publish", async (channel) => {
      for (const queue of [scene.queue, scene.state, scene.out]) await channel.queueDeclare(queue);
    });
    await channel.close();
    return scene;
  }

  /** Publishes the numbers as deliveries, confirmed, in order. */
  async publish(numbers: Iterable<number>): Promise<void> {
    await this.put(this.queue.queue, [...numbers].map((number) => Buffer.from(`${number}`)));
  }

  async put(queue: string, bodies: Buffer[]): Promise<void> {
    const channel = await this.connection.channel("publish", async (channel) => {
      await channel.confirmSelect();
    });
    await Promise.all(bodies.map((body) => channel.publish({ queue, body, properties: {} })));
    await channel.close();
  }

  async ready(queue: string): Promise<number> {
    return (await this.connection.inspect(queue))?.ready ?? 0;
  }

  /** Takes everything out of a queue. */
  async take(queue: string): Promise<Delivery[]> {
    return await this.#broker.take(queue, await this.ready(queue));
  }

  /** The saved state, of which there must be one message. */
  async saved(): Promise<unknown> {
    const messages = await this.take(this.state.queue);
    assert.equal(messages.length, 1, "messages in the state queue");
    return messages.map(jsonIn)[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.deleteQueue(this.state.queue);
    await this.#broker[Symbol.asyncDispose]();
  }
}

interface Hooks {
  /** Called at the beginning of every batch. */
  onBatch?: (batch: readonly Delivery[]) => void;
  onPublished?: () => void;
  onSaved?: () => void;
}

/** A consumer that counts, until it is stopped; what it did. */
class Counter {
  /** The states it was told to go on from. */
  readonly restored: unknown[] = [];
  /** Every number it was given, with whether the broker had delivered it before. */
  readonly seen: { number: number; redelivered: boolean }[] = [];
  /** Numbers counted, batches saved. */
  counted = 0;
  saves = 0;
  /** Where the numbers didn't follow each other: a state was lost, or an older one survived. */
  readonly gaps: string[] = [];
  readonly ended: Promise<void>;
  readonly ready: Promise<number>;
  readonly #stop = new AbortController();
  readonly #scene: HelpdeskDemo;
  readonly #hooks: Hooks;

  constructor(
    scene: HelpdeskDemo,
    { connection = scene.connection, hooks = {}, ...options }:
      & { connection?: Connection; hooks?: Hooks }
      & Partial<StatefulOptions> = {},
  ) {
    this.#scene = scene;
    this.#hooks = hooks;
    const ready = Promise.withResolvers<number>();
    this.ready = ready.promise;
    this.ended = consumeWithState(connection, {
      queue: scene.queue,
      stateQueue: scene.state,
      publishesTo: [scene.out],
      prefetch: 1000,
      exclusive: undefined,
      signal: this.#stop.signal,
      restore: (saved) => this.#restore(saved),
      isFirst: (delivery) => numberOf(delivery) === 1,
      onReady: ready.resolve,
      onActivity: () => {},
      ...options,
    });
    this.ended.catch(ready.reject);
  }

  /** Ends it without waiting for that. */
  abort(): void {
    this.#stop.abort();
  }

  async stop(): Promise<void> {
    this.abort();
    await within(this.ended, "the consumer's end");
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    await eventually(what, () => Promise.resolve(condition()));
  }

  #restore(saved: unknown): BatchHandler {
    this.restored.push(saved);
    let state = (saved ?? NOTHING) as Count;
    return {
      handle: (batch) => {
        this.#hooks.onBatch?.(batch);
        const published: number[] = [];
        const dead: BatchResult["dead"][number][] = [];
        let repeated = false;
        for (const delivery of batch) {
          const number = numberOf(delivery);
          this.seen.push({ number, redelivered: delivery.redelivered });
          if (Number.isNaN(number)) {
            dead.push({ delivery, reason: "no number" });
          } else if (number <= state.last) {
            repeated ||= !delivery.redelivered;
          } else {
            if (number !== state.last + 1) this.gaps.push(`${state.last} to ${number}`);
            state = { last: number, count: state.count + 1, sum: state.sum + number };
            published.push(number);
          }
        }
        const { out } = this.#scene;
        return {
          publish: published.map((number) => ({
            queue: out.queue,
            body: Buffer.from(`${number}`),
            properties: { messageId: `${number}` },
          })),
          dead,
          state: dead.length === batch.length ? null : state,
          repeated,
          onPublished: () => this.#hooks.onPublished?.(),
          onSaved: () => {
            this.saves++;
            this.counted += published.length;
            this.#hooks.onSaved?.();
          },
        };
      },
    };
  }
}

function numberOf(delivery: Delivery): number {
  return Number(textIn(delivery));
}

/** A monitor of the smoker's first queue. */
function smokerMonitor(listener: ConstructorParameters<typeof QueueMonitor>[1]): QueueMonitor {
  const { name: stream, panel, alerts: words } = SMOKER;
  return new QueueMonitor({
    measured: (delivery) => panel.measured(SMOKER.decode(delivery, "smoker")),
    key: "smoker",
    judgeOf: (key, state) =>
      new KeyJudge(
        { stream, key, quantities: panel.quantities, words },
        [smokerRule(key)],
        state,
      ),
    alertMessage: ({ id }) => assert.fail(`an alert ${id}`),
  }, listener);
}

/** Whole numbers, both ends included. */
function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** Waits until something asked again and again is true. */
async function eventually(
  what: string,
  condition: () => Promise<boolean>,
  timeoutMs = PATIENCE_MS,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!await condition()) {
    assert.ok(performance.now() < deadline, `Waited in vain for ${what}`);
    await pause(5);
  }
}

Deno.test("a state goes from one consumer to the next, delivery by delivery", OPTIONS, async () => {
  await using scene = await HelpdeskDemo.open();
  const first = new Counter(scene);
  await scene.publish(range(1, 700));
  await first.until("700 numbers", () => first.counted === 700);
  await first.stop();
  assert.deepEqual(first.restored, [undefined]);
  await scene.publish(range(701, 900));
  const second = new Counter(scene);
  await second.until("200 more", () => second.counted === 200);
  await second.stop();
  assert.deepEqual(second.restored, [countTo(700)]);
  assert.deepEqual([...first.gaps, ...second.gaps], []);
  assert.deepEqual(await scene.saved(), countTo(900));
  const published = (await scene.take(scene.out.queue)).map(numberOf);
  assert.deepEqual(published, range(1, 900));
  assert.equal(await scene.ready(scene.queue.queue), 0);
});

Deno.test("however many batches, the state queue holds one message", OPTIONS, async () => {
  await using scene = await HelpdeskDemo.open();
  const consumer = new Counter(scene, { prefetch: 1 });
  await scene.publish(range(1, 25));
  await consumer.until("25 numbers", () => consumer.counted === 25);
  await consumer.stop();
  assert.ok(consumer.saves >= 25);
  assert.deepEqual(await scene.saved(), countTo(25));
});

Deno.test("a batch whose state can't be saved is not acknowledged", OPTIONS, async () => {
  await using scene = await HelpdeskDemo.open();
  const consumer = new Counter(scene);
  await scene.publish([1]);
  await consumer.until("a saved batch", () => consumer.saves === 1);
  await scene.connection.deleteQueue(scene.state.queue);
  await scene.publish([2, 3]);
  await consumer.until("another", () => consumer.saves === 2);
  await consumer.stop();
  assert.deepEqual(
    consumer.seen.map(({ number, redelivered }) => [number, redelivered]),
    [[1, false], [2, false], [3, false], [2, true], [3, true]],
  );
  assert.deepEqual(consumer.restored, [undefined, undefined], "the state went with its queue");
  assert.deepEqual(await scene.saved(), { last: 3, count: 2, sum: 5 });
  assert.equal(await scene.ready(scene.queue.queue), 0);
});

Deno.test("a batch whose outcome can't be published is not saved", OPTIONS, async () => {
  await using scene = await HelpdeskDemo.open();
  const consumer = new Counter(scene);
  await consumer.ready;
  await scene.connection.deleteQueue(scene.out.queue);
  await scene.publish([1, 2, 3]);
  await consumer.until("a saved batch", () => consumer.saves > 0);
  await consumer.stop();
  assert.deepEqual(consumer.restored, [undefined, undefined], "nothing was saved before");
  assert.equal(consumer.saves, 1);
  assert.deepEqual((await scene.take(scene.out.queue)).map(numberOf), [1, 2, 3]);
  assert.deepEqual(await scene.saved(), countTo(3));
});

Deno.test("dead letters are there before their deliveries are acknowledged", OPTIONS, async () => {
  await using scene = await HelpdeskDemo.open();
  const dead = deadQueue(scene.queue.queue).queue;
  const consumer = new Counter(scene);
  await consumer.ready;
  await scene.connection.deleteQueue(dead);
  const bodies = ["1", "nonsense", "2", "\xff"].map((text) => Buffer.from(text, "latin1"));
  await scene.put(scene.queue.queue, bodies);
  await consumer.until("a saved batch", () => consumer.saves > 0);
  await consumer.stop();
  const letters = await scene.take(dead);
  assert.deepEqual(letters.map(({ body }) => Buffer.from(body)), [bodies[1], bodies[3]]);
  assert.deepEqual(letters.map(({ headers }) => headers?.reason), ["no number", "no number"]);
  assert.equal(letters[0]?.headers?.["original-queue"], scene.queue.queue);
  assert.deepEqual(await scene.saved(), countTo(2));
  assert.equal(await scene.ready(scene.queue.queue), 0);
});

Deno.test("a batch of nothing but dead letters leaves the state alone", OPTIONS, async () => {
  await using scene = await HelpdeskDemo.open();
  const consumer = new Counter(scene);
  await scene.put(scene.queue.queue, [Buffer.from("x"), Buffer.from("y")]);
  await consumer.until("a batch", () => consumer.saves === 1);
  await consumer.stop();
  assert.equal(await scene.ready(scene.state.queue), 0);
  assert.equal(await scene.ready(deadQueue(scene.queue.queue).queue), 2);
});

Deno.test(
  "a state is handed on as it is, a monitor takes a broken one for none",
  OPTIONS,
  async () => {
    const time = "2021-05-22T12:34:10";
    const runs = { run: "r", row: 4, priorRuns: [] };
    const good = { ...runs, window: [[0, 1]], episode: null };
    const broken: unknown[] = [
      null,
      5,
      "",
      [],
      {},
      "\ufffd{",
      { ...good, row: "4" },
      { ...good, window: [] },
      { ...good, window: [[0, null]] },
      { ...good, priorRuns: null },
      { ...good, episode: {} },
      { ...runs, windows: {} },
      { ...runs, windows: {}, episodes: null },
      { ...runs, windows: { fahrenheit: [[0, null]] }, episodes: {} },
      { ...runs, windows: {}, episodes: { drop: {} } },
    ];
    for (const state of broken) {
      const judged: string[] = [];
      const monitor = smokerMonitor({
        onJudged: ({ judgement }) => judged.push(judgement.verdict),
        onDead: (_, reason) => assert.fail(reason),
        onUnreadable: () => judged.push("unreadable"),
        onReported: () => judged.push("reported"),
      });
      const reading = { time, channel: "smoker", fahrenheit: 100 };
      const delivery = jsonDelivery(reading, { messageId: "r/2/smoker" });
      const result = monitor.restore(state).handle([delivery]);
      result.onPublished();
      assert.deepEqual(judged, ["unreadable", "judged", "reported"], JSON.stringify(state));
      assert.equal((result.state as { row: number }).row, 2);
    }

    await using scene = await HelpdeskDemo.open();
    // What isn't JSON is handed on as text.
    const states: [Buffer, unknown][] = [
      [Buffer.from("\xff{", "latin1"), "\ufffd{"],
      [Buffer.alloc(0), ""],
      [Buffer.from('{ "strange": [true] }'), { strange: [true] }],
    ];
    for (const [index, [body, expected]] of states.entries()) {
      await scene.put(scene.state.queue, [body]);
      const restored: unknown[] = [];
      const saved = Promise.withResolvers<void>();
      const consumer = new Counter(scene, {
        restore(state) {
          restored.push(state);
          const result = { state: { index }, repeated: false, publish: [], dead: [] };
          return {
            handle: () => ({ ...result, onPublished: () => {}, onSaved: saved.resolve }),
          };
        },
      });
      await scene.publish([2]);
      await within(saved.promise, "a saved batch");
      await consumer.stop();
      assert.deepEqual(restored, [expected]);
      assert.deepEqual(await scene.saved(), { index });
    }
  },
);

Deno.test("what comes again while the state is there is a duplicate", OPTIONS, async () => {
  await using scene = await HelpdeskDemo.open();
  const consumer = new Counter(scene);
  await scene.publish(range(1, 10));
  await consumer.until("10 numbers", () => consumer.counted === 10);
  await scene.publish(range(5, 15));
  await consumer.until("5 more", () => consumer.counted === 15);
  await scene.publish(range(1, 16));
  await consumer.until("another", () => consumer.counted === 16);
  await consumer.stop();
  assert.deepEqual(consumer.restored, [undefined]);
  assert.deepEqual(await scene.saved(), countTo(16));
  assert.deepEqual((await scene.take(scene.out.queue)).map(numberOf), range(1, 16));
});

Deno.test("what comes again after a purge of the state is handled anew", OPTIONS, async () => {
  await using scene = await HelpdeskDemo.open();
  const consumer = new Counter(scene);
  await scene.publish(range(1, 10));
  await consumer.until("10 numbers", () => consumer.counted === 10);
  await scene.connection.purge(scene.state.queue);
  await scene.publish(range(1, 12));
  await consumer.until("12 more", () => consumer.counted === 22);
  await consumer.stop();
  assert.deepEqual(consumer.restored, [undefined, undefined]);
  assert.deepEqual(await scene.saved(), countTo(12));
  const published = (await scene.take(scene.out.queue)).map(numberOf);
  assert.deepEqual(published, [...range(1, 10), ...range(1, 12)]);
});

Deno.test(
  "stopped while it looks for the state, it takes nothing for purged",
  OPTIONS,
  async () => {
    await using scene = await HelpdeskDemo.open();
    const first = new Counter(scene);
    await scene.publish(range(1, 10));
    await first.until("10 numbers", () => first.counted === 10);
    await first.stop();
    // Or it would be given the next ones, which then come redelivered.
    const gone = async () => (await scene.connection.inspect(scene.queue.queue))?.consumers === 0;
    await eventually("the first one to be gone", gone);
    let batches = 0;
    {
      await using connection = await connect();
      const second: Counter = new Counter(scene, {
        connection,
        prefetch: 1,
        hooks: { onBatch: () => ++batches === 2 && second.abort() },
      });
      // The first says that the state was read; the second is a repetition that makes it look again.
      await scene.publish([11, 5]);
      await within(second.ended, "the consumer's end");
      assert.deepEqual(second.restored, [countTo(10)], "it began anew although the state is there");
    }
    const back = async () => await scene.ready(scene.state.queue) === 1;
    await eventually("the state to be put back", back);
    assert.deepEqual(await scene.saved(), countTo(11));
    assert.deepEqual((await scene.take(scene.out.queue)).map(numberOf), range(1, 11));
  },
);

Deno.test("a state that a dead consumer still holds is waited for", OPTIONS, async () => {
  await using scene = await HelpdeskDemo.open();
  await scene.put(scene.state.queue, [Buffer.from(JSON.stringify(countTo(10)))]);
  const holder = await scene.connection.channel("consume", async (channel) => {
    assert.ok(await channel.basicGet(scene.state.queue));
  });
  const delivered = Promise.withResolvers<void>();
  const consumer = new Counter(scene, { onActivity: (busy) => busy && delivered.resolve() });
  await scene.publish([11]);
  await within(delivered.promise, "the delivery");
  // It looks for the first time 50 ms after the delivery, and goes on for a second.
  await pause(250);
  await holder.close();
  await consumer.until("a number", () => consumer.counted === 1);
  await consumer.stop();
  assert.deepEqual(consumer.restored, [countTo(10)]);
  assert.deepEqual(await scene.saved(), countTo(11));
});

Deno.test(
  "stopping finishes the batch, and the next consumer gets what follows",
  OPTIONS,
  async () => {
    await using scene = await HelpdeskDemo.open();
    await scene.publish(range(1, 2000));
    const standby: Counter[] = [];
    let next = 0;
    for (let batches = 1; next < 2000; batches = batches % 3 + 1) {
      let left = batches;
      const consumer: Counter = new Counter(scene, {
        prefetch: 100,
        hooks: {
          onSaved: () =>
            (--left === 0 || consumer.seen.at(-1)?.number === 2000) && consumer.abort(),
        },
      });
      await consumer.ready;
      standby.push(consumer);
      if (standby.length < 2) continue;
      const active = standby.shift() as Counter;
      await within(active.ended, "the consumer's end");
      const [first] = active.seen;
      assert.equal(first?.number, next + 1, "the first number");
      assert.deepEqual(active.gaps, []);
      next += active.counted;
      assert.ok(active.seen.length >= active.counted);
    }
    for (const consumer of standby) await consumer.stop();
    assert.deepEqual(await scene.saved(), countTo(2000));
    assert.deepEqual((await scene.take(scene.out.queue)).map(numberOf), range(1, 2000));
  },
);

Deno.test(
  "connections cut at random moments: every number is counted once, no state is lost",
  OPTIONS,
  async () => {
    const total = 400;
    await using scene = await HelpdeskDemo.open();
    const random = seededRandom(2021);
    const timers = new Set<ReturnType<typeof setTimeout>>();
    let cuts = 0;
    /** Cuts after a random time that may be anything from at once to the end of the batch. */
    const endanger = (proxy: BrokerProxy) => {
      if (random() > 0.25) return;
      const cut = () => {
        cuts++;
        proxy.cut();
      };
      const phase = random();
      if (phase < 0.1) return cut();
      if (phase < 0.5) return soon(Math.floor(random() * 20), cut);
      const timer = setTimeout(() => {
        timers.delete(timer);
        cut();
      }, random() * 12);
      timers.add(timer);
    };
    const consumers: Counter[] = [];
    {
      await using stack = new AsyncDisposableStack();
      for (let index = 0; index < 3; index++) {
        const proxy = stack.use(new BrokerProxy());
        const connection = stack.use(await connect(proxy.port));
        const hooks = {
          onBatch: () => endanger(proxy),
          onPublished: () => endanger(proxy),
          onSaved: () => endanger(proxy),
        };
        consumers.push(new Counter(scene, { connection, prefetch: 10, hooks }));
      }
      await scene.publish(range(1, total));
      const isLast = ({ seen }: Counter) => seen.at(-1)?.number === total;
      await eventually("the last", () => Promise.resolve(consumers.some(isLast)), 4 * PATIENCE_MS);
      for (const timer of timers) clearTimeout(timer);
      await Promise.all(consumers.map((consumer) => consumer.stop()));
    }
    // What was cut at the very end may not have been acknowledged.
    const last = new Counter(scene);
    await last.ready;
    await scene.publish([total + 1]);
    await last.until("one more", () => last.seen.some(({ number }) => number === total + 1));
    await last.stop();

    assert.ok(cuts > 20, `${cuts} cuts`);
    assert.deepEqual([...consumers, last].flatMap(({ gaps }) => gaps), []);
    assert.deepEqual(await scene.saved(), countTo(total + 1));
    const published = (await scene.take(scene.out.queue)).map(numberOf);
    assert.deepEqual([...new Set(published)], range(1, total + 1), "first arrivals, in order");
    assert.equal(await scene.ready(scene.queue.queue), 0);
    const restored = consumers.flatMap(({ restored }) =>
      restored.map((state) => (state as Count | undefined)?.last ?? 0)
    );
    assert.ok(new Set(restored).size > 10, `${restored}`);
  },
);

Deno.test("a classic queue takes one consumer, the second is told", OPTIONS, async () => {
  await using scene = await HelpdeskDemo.open("classic");
  const first = new Counter(scene, { exclusive: "refuse" });
  await first.ready;
  const second = new Counter(scene, { exclusive: "refuse" });
  await assert.rejects(within(second.ended, "the end"), (error: unknown) => {
    assert.ok(error instanceof FailedError);
    assert.match(error.message, new RegExp(`^${scene.queue.queue} has a monitor already`));
    return true;
  });
  await second.ready.catch(() => {});
  await scene.publish(range(1, 3));
  await first.until("3 numbers", () => first.counted === 3);
  await first.stop();
  assert.deepEqual(await scene.saved(), countTo(3));
});

Deno.test("`onReady` tells how many consumers were there before", OPTIONS, async () => {
  await using scene = await HelpdeskDemo.open();
  const first = new Counter(scene);
  assert.equal(await within(first.ready, "the first"), 0);
  const second = new Counter(scene);
  assert.equal(await within(second.ready, "the second"), 1);
  await scene.publish([1]);
  await first.until("a number", () => first.counted === 1);
  await first.stop();
  await scene.publish([2]);
  await second.until("a number", () => second.counted === 1);
  await second.stop();
  assert.deepEqual(await scene.saved(), countTo(2));
});

/** Does something so many turns of the event loop later. */
function soon(turns: number, work: () => void): void {
  if (turns === 0) work();
  else setImmediate(() => soon(turns - 1, work));
}
