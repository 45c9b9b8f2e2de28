import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { seededRandom } from "../../data/seeded_random.ts";
import { brokerAddress, Connection, queueOf } from "../../shared/connection.ts";
import { type Event, Output } from "../../shared/script.ts";
import { namesOf, SMOKER } from "../../shared/streams.ts";
import { TaskProcess } from "../../shared/tools/demo/task_process.ts";
import {
  alertMessages,
  assertSame,
  e2e,
  eventsOf,
  eventually,
  rowOf,
  summaryOf,
  takeAlerts,
  takeRaw,
  Vhost,
} from "./harness.ts";
import { OwnCluster } from "../own_cluster.ts";

const QUEUES = namesOf(SMOKER);
const COOK = "data/smoker-temps.csv";
const READINGS = 3054;
const KILLS = 10;
const GARBAGE = 10_000;

/** Small batches, so that a replay has many moments to die in. */
const SMALL_BATCHES = ["--prefetch", "25"];

/** What an undisturbed run gives: the backtest, to which smoker_test.ts holds the replay. */
let undisturbed: Promise<{ events: Event[]; summary: Event }> | undefined;

function expected() {
  return undisturbed ??= (async () => {
    const process = new TaskProcess("smoker:monitor", ["--backtest", COOK, "--run", "r"]);
    const { code, stderr } = await process.ended;
    assert.equal(code, 0, stderr);
    return { events: process.events, summary: summaryOf(process) };
  })();
}

/** The replay whose readings are `r/…`. */
function replay(...args: string[]): string[] {
  return ["--file", COOK, "--run", "r", ...args];
}

/** Each reading event once, in the order of their first coming; the same reading again must be the same. */
function firstReadings(events: Event[]): Event[] {
  const readings = new Map<string, Event>();
  for (const event of eventsOf({ events }, "reading")) {
    const before = readings.get(String(event.id));
    assert.deepEqual(before ?? event, event, "the same reading again");
    if (!before) readings.set(String(event.id), event);
  }
  return [...readings.values()];
}

/** How many different readings events tell of. */
function judged(events: Event[]): number {
  return new Set(eventsOf({ events }, "reading").map(({ id }) => id)).size;
}

/** Ends a monitor by Ctrl-C, as a terminal under `deno task` does; its summary. */
async function stop(monitor: TaskProcess): Promise<Event> {
  await monitor.kill("INT");
  await monitor.kill("INT");
  const { code, stderr } = await monitor.ended;
  assert.equal(code, 0, stderr);
  return summaryOf(monitor);
}

/** Fails unless nothing is left but one state for each channel. */
async function assertEmpty(connection: Connection): Promise<void> {
  for (const queue of Object.values(QUEUES)) {
    await eventually(`${queue} to be empty`, async () => {
      const { ready, consumers } = await connection.inspect(queue) ?? {};
      return ready === 0 && consumers === 0;
    });
    assert.equal((await connection.inspect(`${queue}.state`))?.ready, 1);
    assert.equal((await connection.inspect(`${queue}.dead`))?.ready, 0);
  }
}

/** Fails unless events, alert messages and what is left in the queues are as if nothing had happened. */
async function assertUndisturbed(events: Event[], url: string): Promise<void> {
  const { events: wanted } = await expected();
  assertSame("reading", firstReadings(events), wanted);
  assert.deepEqual(await takeAlerts(url), alertMessages(wanted));
  await using connection = await Connection.open(brokerAddress(url), "publish", {
    out: new Output({ script: "test", quiet: true, onClosed: () => {} }),
    signal: new AbortController().signal,
    name: "test",
  });
  await assertEmpty(connection);
}

/** Fails unless every reading comes behind the one before, channel by channel. */
function assertInOrder(events: Event[]): void {
  const rows = new Map<unknown, number>();
  for (const { id, channel } of eventsOf({ events }, "reading")) {
    const row = rowOf({ event: "", id: String(id).split("/").slice(0, 2).join("/") });
    assert.ok(row > (rows.get(channel) ?? 0), `${id} after row ${rows.get(channel)}`);
    rows.set(channel, row);
  }
}

/** Adds up what several summaries count. */
function totals(summaries: Event[]) {
  const channels = summaries.flatMap(({ channels }) =>
    Object.entries(channels as Record<string, { readings: number; alertingReadings: number }>)
  );
  const sum = (numbers: unknown[]) =>
    numbers.reduce((total: number, one) => total + Number(one), 0);
  return {
    readings: sum(summaries.map(({ readings }) => readings)),
    late: sum(summaries.map(({ late }) => late)),
    duplicates: sum(summaries.map(({ duplicates }) => duplicates)),
    dead: sum(summaries.map(({ dead }) => dead)),
    judged: sum(channels.map(([, { readings }]) => readings)),
    alerting: sum(channels.map(([, { alertingReadings }]) => alertingReadings)),
  };
}

e2e("killed ten times at random readings: no alert is lost, repeated or different", async () => {
  await using vhost = await Vhost.create();
  const random = seededRandom(2021);
  const producer = vhost.start("smoker:produce", replay("--interval", "1ms"));
  const events: Event[] = [];
  for (let kill = 1; kill <= KILLS; kill++) {
    const monitor = await vhost.start("smoker:monitor", SMALL_BATCHES).ready();
    const share = (READINGS - judged(events)) / (KILLS + 2 - kill);
    const count = Math.ceil(random() * share);
    await monitor.until((events) => eventsOf({ events }, "reading").length >= count);
    // Anywhere in a batch, which takes some 60 ms.
    await pause(random() * 60);
    await monitor.kill("KILL");
    await monitor.ended;
    events.push(...monitor.events);
  }
  assert.ok(judged(events) < READINGS, "killed too late");
  const last = await vhost.start("smoker:monitor").ready();
  await last.until((more) => judged([...events, ...more]) === READINGS, { timeoutMs: 60_000 });
  await stop(last);
  assert.equal((await producer.ended).code, 0);
  await assertUndisturbed([...events, ...last.events], vhost.url);
});

for (const signal of ["KILL", "INT"] as const) {
  const ends = signal === "KILL" ? "is killed" : "is stopped";
  e2e(
    `a standby waits, and goes on with the next reading when the first monitor ${ends}`,
    async () => {
      await using vhost = await Vhost.create();
      const first = await vhost.start("smoker:monitor", SMALL_BATCHES).ready();
      const second = await vhost.start("smoker:monitor").ready();
      const producer = vhost.start("smoker:produce", replay("--interval", "1ms"));
      await first.until((events) => eventsOf({ events }, "reading").length >= 500);
      assert.deepEqual(eventsOf(second, "reading"), []);
      await first.kill(signal);
      const killed = performance.now();
      await second.until((events) => events.some(({ event }) => event === "reading"));
      // A connection that only its missing heartbeat gives away takes 20 s.
      assert.ok(performance.now() - killed < 10_000, "took over too late");
      await first.ended;
      await second.until((events) => judged([...first.events, ...events]) === READINGS);
      const summary = await stop(second);
      assert.equal((await producer.ended).code, 0);

      const { stderr } = await second.ended;
      for (const queue of Object.values(QUEUES)) {
        assert.match(stderr, new RegExp(`^${queue} has a monitor: standing by$`, "m"));
        assert.match(stderr, new RegExp(`^Took over ${queue}$`, "m"));
      }
      assertInOrder(second.events);
      if (signal === "INT") {
        const all = [...first.events, ...second.events];
        assertInOrder(all);
        const { summary: undisturbed } = await expected();
        assert.deepEqual(totals([summaryOf(first), summary]), totals([undisturbed]));
      }
      await assertUndisturbed([...first.events, ...second.events], vhost.url);
    },
  );
}

e2e("a frozen monitor is replaced, and does no harm when it thaws", async () => {
  await using vhost = await Vhost.create();
  const first = await vhost.start("smoker:monitor", SMALL_BATCHES).ready();
  const second = await vhost.start("smoker:monitor").ready();
  const producer = vhost.start("smoker:produce", replay("--interval", "1ms"));
  await first.until((events) => eventsOf({ events }, "reading").length >= 500);
  await first.kill("STOP");
  await second.until((events) => events.some(({ event }) => event === "reading"), {
    timeoutMs: 60_000,
  });
  await first.kill("CONT");
  await first.until((events) => events.some(({ event }) => event === "disconnected"));
  await second.until((events) => judged([...first.events, ...events]) === READINGS);
  await stop(second);
  await stop(first);
  assert.equal((await producer.ended).code, 0);
  assertInOrder(second.events);
  await assertUndisturbed([...first.events, ...second.events], vhost.url);
});

e2e("stopped by Ctrl-C and started again, all together judge each reading once", async () => {
  await using vhost = await Vhost.create();
  const producer = vhost.start("smoker:produce", replay("--interval", "1ms"));
  const events: Event[] = [];
  const summaries: Event[] = [];
  for (const count of [1, 300, 700]) {
    const monitor = await vhost.start("smoker:monitor", SMALL_BATCHES).ready();
    await monitor.until((events) => eventsOf({ events }, "reading").length >= count);
    summaries.push(await stop(monitor));
    events.push(...monitor.events);
  }
  const last = await vhost.start("smoker:monitor").ready();
  await last.until((more) => judged([...events, ...more]) === READINGS);
  summaries.push(await stop(last));
  events.push(...last.events);
  assert.equal((await producer.ended).code, 0);
  const { summary } = await expected();
  assert.deepEqual(totals(summaries), totals([summary]));
  assertInOrder(events);
  await assertUndisturbed(events, vhost.url);
});

e2e("a standby that is stopped ends in peace, whatever it is just doing", async () => {
  await using vhost = await Vhost.create();
  await vhost.start("smoker:monitor").ready();
  // So impatient that they look after the first one ten times a second.
  const standbys = Array.from(
    { length: 8 },
    () => vhost.start("smoker:monitor", ["--exit-when-idle", "100ms"]),
  );
  const ends = await Promise.all(standbys.map(async (standby, index) => {
    await standby.ready();
    await pause(70 + index * 6);
    await standby.kill("INT");
    return await standby.ended;
  }));
  for (const { code, stderr } of ends) {
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /error|at file:/i);
  }
});

e2e("a standby isn't idle while another monitor is active, and is when none is left", async () => {
  await using vhost = await Vhost.create();
  const first = await vhost.start("smoker:monitor").ready();
  const idleMs = 300;
  const standbys: TaskProcess[] = [];
  for (let count = 1; count <= 2; count++) {
    const args = ["--exit-when-idle", `${idleMs}ms`];
    standbys.push(await vhost.start("smoker:monitor", args).ready());
  }
  await pause(4 * idleMs);
  for (const { events } of standbys) {
    assert.deepEqual(events.map(({ event }) => event), ["ready"], "it ended as a standby");
  }
  await first.kill("KILL");
  for (const standby of standbys) {
    await standby.until((events) => events.at(-1)?.event === "summary");
    assert.equal((await standby.ended).code, 0);
  }
});

/** What is no reading of the smoker; `random` decides. */
function garbage(random: () => number): { body: Buffer; contentType?: string } {
  const pick = <T>(...choices: T[]): T => choices[Math.floor(random() * choices.length)] as T;
  const time = "2021-05-22T12:34:10";
  const json = (value: unknown) => JSON.stringify(value);
  const broken = [
    "",
    "{",
    '{"time":"2021-05-22T12:34:10","channel":"smoker","fahrenheit":NaN}',
    '{"time":"2021-05-22T12:34:10","channel":"smoker","fahrenheit":100',
    json({ time, channel: "smoker", fahrenheit: 100 }) + "}",
    "null",
    "true",
    "17",
    '"text"',
    "[]",
    json([time, 100]),
    json({}),
    json({ time, channel: "food-a", fahrenheit: 100 }),
    json({ time, channel: "oven", fahrenheit: 100 }),
    json({ time, channel: "smoker" }),
    json({ time, channel: "smoker", fahrenheit: null }),
    json({ time, channel: "smoker", fahrenheit: "100" }),
    json({ time, channel: "smoker", fahrenheit: 1e300 }),
    json({ time, channel: "smoker", fahrenheit: -1e300 }),
    json({ time, channel: "smoker", fahrenheit: 10_000.01 }),
    '{"time":"2021-05-22T12:34:10","channel":"smoker","fahrenheit":1e999}',
    json({ channel: "smoker", fahrenheit: 100 }),
    json({ time: "2021-02-30T12:34:10", channel: "smoker", fahrenheit: 100 }),
    json({ time: "yesterday", channel: "smoker", fahrenheit: 100 }),
    json({ time: 1621686850, channel: "smoker", fahrenheit: 100 }),
    "05/22/21 12:34:10",
    "05/22/21 12:34:10,",
    "05/22/21 12:34:10,hot",
    "05/22/21 12:34:10,NaN",
    "05/22/21 12:34:10,Infinity",
    "05/22/21 12:34:10,0x64",
    "05/22/21 12:34:10,99999999999",
    "05/22/21 25:34:10,100",
    "13/32/21 12:34:10,100",
    "05/22/21 12:34:10,100,100",
    ",",
    "x".repeat(3000),
    "[".repeat(3000),
    "\u0000",
  ];
  const types = [
    undefined,
    undefined,
    "application/json",
    "text/plain",
    "application/octet-stream",
  ];
  const contentType = pick(...types);
  const body = random() < 0.4
    ? Buffer.from(Array.from({ length: Math.floor(random() * 60) }, () => random() * 256))
    : Buffer.from(pick(...broken));
  return contentType === undefined ? { body } : { body, contentType };
}

e2e("ten thousand garbage bodies become dead letters, the alerts stay the same", async () => {
  await using vhost = await Vhost.create();
  const random = seededRandom(4);
  const monitor = await vhost.start("smoker:monitor").ready();
  const producer = vhost.start("smoker:produce", replay("--interval", "1ms"));
  const sent = Array.from({ length: GARBAGE }, () => garbage(random));
  {
    await using connection = await vhost.connect();
    const channel = await connection.channel("publish", async (channel) => {
      await channel.queueDeclare(queueOf("01-smoker", "ordered"));
      await channel.confirmSelect();
    });
    for (let from = 0; from < GARBAGE; from += 200) {
      await Promise.all(
        sent.slice(from, from + 200).map(({ body, ...properties }, index) =>
          channel.publish({
            queue: "01-smoker",
            body,
            properties: {
              ...properties,
              correlationId: `${from + index}`,
              headers: { kept: true },
              // Some have the id of a reading that is still to come.
              ...(index % 3 === 0 ? { messageId: `r/${from % 2461 + 1}/smoker` } : {}),
            },
          })
        ),
      );
    }
    await channel.close();
  }
  assert.equal((await producer.ended).code, 0);
  await monitor.until((events) =>
    judged(events) === READINGS && eventsOf({ events }, "dead").length === GARBAGE
  );
  const { summary: undisturbed, events } = await expected();
  assert.deepEqual(await stop(monitor), { ...undisturbed, dead: GARBAGE });
  assertSame("reading", monitor.events, events);
  assertSame("alert", monitor.events, events);
  assert.deepEqual(await takeAlerts(vhost.url), alertMessages(events));
  for (const { queue, reason } of eventsOf(monitor, "dead")) {
    assert.equal(queue, "01-smoker");
    assert.match(String(reason), /^.{5,}$/);
  }
  const dead = await takeRaw(vhost.url, "01-smoker.dead");
  assert.equal(dead.length, GARBAGE);
  assert.deepEqual(
    new Set(dead.map(({ correlationId }) => Number(correlationId))),
    new Set(sent.keys()),
  );
  for (const { body, correlationId, headers } of dead) {
    const { reason, kept, "original-queue": queue, "failed-at": failedAt } = headers;
    assert.deepEqual([kept, queue], [true, "01-smoker"]);
    assert.match(String(reason), /^.{5,}$/);
    assert.match(String(failedAt), /^\d{4}-.*Z$/);
    assert.deepEqual(body, sent[Number(correlationId)]?.body);
  }
  assert.deepEqual(await takeRaw(vhost.url, "02-food-A.dead"), []);
});

e2e(
  "a broker killed under replay and monitor: nothing is lost, repeated or different",
  async () => {
    await using broker = await OwnCluster.single(5698);
    const { env } = broker;
    const monitor = new TaskProcess("smoker:monitor", SMALL_BATCHES, { env });
    try {
      await monitor.ready();
      const beside = Object.values(QUEUES).flatMap((
        it,
      ) => [it, `${it}.state`, `${it}.dead`]);
      await broker.persisted(...[...beside, "alert_queue"].map((queue) => `%2F_${queue}`));
      const producer = new TaskProcess("smoker:produce", replay("--interval", "2ms"), { env });
      await monitor.until((events) => judged(events) >= 400);
      await broker.kill();
      const isAway = (events: Event[]) => events.some(({ event }) => event === "disconnected");
      await Promise.all([monitor, producer].map((process) => process.until(isAway)));
      assert.ok(judged(monitor.events) < READINGS);
      await broker.start();
      const { code, stderr } = await producer.ended;
      assert.equal(code, 0, stderr);
      await monitor.until((events) => judged(events) === READINGS);
      const { late, dead, readings, duplicates } = await stop(monitor);
      assert.deepEqual({ late, dead }, { late: 0, dead: 0 });
      assert.ok(Number(readings) + Number(duplicates) >= READINGS);
      await assertUndisturbed(monitor.events, broker.url);
    } finally {
      await monitor.end();
    }
  },
);

e2e(
  "classic queues: one monitor, which goes on after a kill, and a second one is refused",
  async () => {
    await using vhost = await Vhost.create();
    const classic = ["--queue-type", "classic"];
    const first = await vhost.start("smoker:monitor", [...classic, ...SMALL_BATCHES]).ready();
    const producer = vhost.start("smoker:produce", [...replay("--interval", "1ms"), ...classic]);
    const { code, stderr } = await vhost.start("smoker:monitor", classic).ended;
    assert.equal(code, 1);
    assert.match(stderr, /^0[12]-\S+ has a monitor already: classic queues allow one only.*\n$/);
    await first.until((events) => judged(events) >= 500);
    await first.kill("KILL");
    await first.ended;
    const second = await vhost.start("smoker:monitor", classic).ready();
    await second.until((events) => judged([...first.events, ...events]) === READINGS);
    await stop(second);
    assert.equal((await producer.ended).code, 0);
    assertInOrder(second.events);
    await assertUndisturbed([...first.events, ...second.events], vhost.url);
  },
);

e2e("queues of the other type are told with what to type", async () => {
  const types = ["quorum", "classic"];
  await Promise.all(types.map(async (type) => {
    await using vhost = await Vhost.create();
    const rows = ["--queue-type", type, "--limit", "1"];
    assert.equal((await vhost.run("smoker:produce", replay(...rows))).code, 0);
    const [other = ""] = types.filter((one) => one !== type);
    await Promise.all(["smoker:monitor", "smoker:produce"].map(async (task) => {
      const { code, stderr } = await vhost.start(task, ["--queue-type", other]).ended;
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^Queue (\S+) exists with other arguments .*deno task queues --delete \1\b.*\n$/,
      );
      assert.match(stderr, new RegExp(`or keep it: --queue-type ${type}\n$`));
    }));
  }));
});
