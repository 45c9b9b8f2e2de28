import assert from "node:assert/strict";
import { seededRandom } from "../data/seeded_random.ts";
import type { BatchHandler, Delivery, Message } from "../shared/connection.ts";
import { KeyJudge } from "../shared/monitor/judge.ts";
import { QueueMonitor } from "../shared/monitor/queue_monitor.ts";
import { dropRule, type Rule, silentRule } from "../shared/monitor/rules.ts";
import { type Alert, alertWords, type Measurement } from "../shared/streams.ts";
import { deliveryOf, jsonDelivery, jsonIn } from "./deliveries.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

const START = Date.UTC(2021, 4, 22, 12);
const QUANTITIES = [{ name: "temperature", unit: "°C" }];
const DROP = dropRule({ name: "drop", threshold: 5, spanMs: 600_000 });

/** A monitor of a queue of all keys, or of one, and what it reported. */
function monitorOf(only?: string, rules: readonly Rule[] = [DROP]) {
  const reported: string[] = [];
  const watch = {
    measured({ body }: Delivery): Measurement {
      const [key, minute, value] = jsonIn({ body }) as [string, number, number | "far too much"];
      if (minute < 0) throw new RangeError("no such minute");
      const values = [value === "far too much" ? Infinity : value];
      return { key, time: START + minute * 60_000, values };
    },
    key: only,
    judgeOf: (key: string, state: ConstructorParameters<typeof KeyJudge>[2]) =>
      new KeyJudge(
        { stream: "greenhouse", key, quantities: QUANTITIES, words: alertWords() },
        rules,
        state,
      ),
    alertMessage: (alert: Alert): Message => ({
      queue: "alerts",
      body: new Uint8Array(),
      properties: { messageId: `${alert.id}/${alert.state}` },
    }),
  };
  const monitor = new QueueMonitor(watch, {
    onJudged: ({ id, key, judgement: { verdict } }) => reported.push(`${id} ${key} ${verdict}`),
    onDead: ({ messageId }, reason) => reported.push(`${messageId} dead: ${reason}`),
    onUnreadable: () => reported.push("unreadable"),
    onReported: (batch) => reported.push(`${batch.length} reported`),
  });
  return { monitor, reported };
}

/** A reading of a key. */
function reading(
  row: number,
  [key, minute, value]: [key: string, minute: number, value: number | string],
  { run = "r", redelivered = false } = {},
): Delivery {
  return jsonDelivery([key, minute, value], { messageId: `${run}/${row}`, redelivered });
}

/** Hands over a batch, as a consumer does when all goes well; the state goes through the broker as JSON. */
function handle(handler: BatchHandler, batch: Delivery[]) {
  const { publish, dead, state, repeated, onPublished, onSaved } = handler.handle(batch);
  onPublished();
  onSaved();
  return {
    published: publish.map(({ properties }) => properties.messageId),
    dead: dead.map(({ reason }) => reason),
    state: state === null ? null : JSON.parse(JSON.stringify(state)),
    repeated,
  };
}

test("each key of a queue has its own runs, window and episodes, in one state", () => {
  const { monitor, reported } = monitorOf();
  const handler = monitor.restore(undefined);
  const first = handle(handler, [
    reading(1, ["bed-1", 0, 30]),
    reading(1, ["bed-2", 5, 20]),
    reading(2, ["bed-1", 1, 20]),
    reading(1, ["bed-1", 2, 20]),
    reading(2, ["bed-2", 4, 10]),
    reading(3, ["bed-2", 6, 10], { run: "s" }),
  ]);
  assert.deepEqual(first.published, ["greenhouse/r/bed-1/drop/2/open"]);
  assert.equal(first.repeated, true);
  const opened = "2021-05-22T12:01:00";
  assert.deepEqual(first.state, {
    keys: {
      "bed-1": {
        ...{ run: "r", row: 2, priorRuns: [], window: [[START, 30], [START + 60_000, 20]] },
        episode: {
          ...{ id: "greenhouse/r/bed-1/drop/2", rule: "drop", opened },
          ...{ readings: 1, min: 20, max: 20 },
        },
      },
      "bed-2": {
        ...{ run: "s", row: 3, priorRuns: ["r"], window: [[START + 360_000, 10]] },
        episode: null,
      },
    },
  });
  assert.deepEqual(reported, [
    "r/1 bed-1 judged",
    "r/1 bed-2 judged",
    "r/2 bed-1 judged",
    "r/1 bed-1 duplicate",
    "r/2 bed-2 late",
    "s/3 bed-2 judged",
    "6 reported",
  ]);
  assert.deepEqual(monitor.summaries.get("bed-2"), {
    readings: 2,
    alertingReadings: 0,
    episodes: [],
  });
  const { readings, late, duplicates, dead } = monitor;
  assert.deepEqual({ readings, late, duplicates, dead }, {
    readings: 4,
    late: 1,
    duplicates: 1,
    dead: 0,
  });

  // Another monitor goes on with both.
  const successor = monitorOf();
  const next = handle(successor.monitor.restore(first.state), [
    reading(3, ["bed-1", 2, 40]),
    reading(4, ["bed-2", 7, 2], { run: "s" }),
  ]);
  assert.deepEqual(next.published, [
    "greenhouse/r/bed-1/drop/2/resolved",
    "greenhouse/s/bed-2/drop/4/open",
  ]);
  assert.deepEqual([...successor.monitor.summaries.keys()], ["bed-1", "bed-2"]);
});

test("the state of a queue with one key is that key's, as it was before there were several", () => {
  const saved = {
    ...{ run: "r", row: 6, priorRuns: ["q"], window: [[START, 30], [START + 60_000, 20]] },
    episode: {
      ...{ id: "r/bed-1/drop/6", rule: "drop", opened: "2021-05-22T12:01:00" },
      ...{ readings: 1, min: 20, max: 20 },
    },
  };
  const { monitor, reported } = monitorOf("bed-1");
  assert.deepEqual([...monitor.summaries.keys()], ["bed-1"], "before its first reading");
  const { published, state } = handle(monitor.restore(saved), [reading(7, ["bed-1", 2, 22])]);
  assert.deepEqual(published, []);
  assert.deepEqual(state, {
    ...saved,
    row: 7,
    window: [...saved.window, [START + 120_000, 22]],
    episode: { ...saved.episode, readings: 2, max: 22 },
  });
  assert.deepEqual(reported, ["r/7 bed-1 judged", "1 reported"]);
});

test("a state that can't be read is reported, and windows begin empty", () => {
  const one = { run: "r", row: 1, priorRuns: [], window: [[START, 30]], episode: null };
  const cases: [only: string | undefined, saved: unknown, readable: boolean][] = [
    [undefined, undefined, true],
    [undefined, { keys: {} }, true],
    [undefined, { keys: { "bed-1": one } }, true],
    [undefined, one, false],
    [undefined, { keys: { "bed-1": one, "bed-2": null } }, false],
    [undefined, { keys: [] }, false],
    [undefined, null, false],
    [undefined, "[]", false],
    ["bed-1", undefined, true],
    ["bed-1", one, true],
    ["bed-1", { keys: { "bed-1": one } }, false],
    ["bed-1", { ...one, window: [] }, false],
    ["bed-1", null, false],
  ];
  for (const [only, saved, readable] of cases) {
    const { monitor, reported } = monitorOf(only);
    const context = `${only} ${JSON.stringify(saved)}`;
    const handler = monitor.restore(saved);
    assert.deepEqual(reported, readable ? [] : ["unreadable"], context);
    const known = readable && JSON.stringify(saved)?.includes("30");
    const { published } = handle(handler, [reading(2, ["bed-1", 1, 20])]);
    assert.equal(published.length, known ? 1 : 0, context);
  }
});

test("what holds no reading is dead with its reason, and leaves no trace in the state", () => {
  const { monitor, reported } = monitorOf();
  const handler = monitor.restore(undefined);
  const bad = [
    reading(1, ["bed-1", -1, 0]),
    reading(2, ["bed-2", 0, "far too much"]),
    deliveryOf("[", { messageId: "r/3" }),
  ];
  const onlyDead = handle(handler, bad);
  assert.equal(onlyDead.state, null, "nothing has changed");
  assert.deepEqual(onlyDead.published, []);
  assert.deepEqual(onlyDead.dead.map((reason) => reason.split(/:| in JSON/)[0]), [
    "no such minute",
    "Cannot judge a reading",
    onlyDead.dead[2]?.split(/:| in JSON/)[0],
  ]);
  assert.equal(monitor.dead, 3);
  // A key whose only reading could not be judged doesn't spoil the state of the others.
  const { state } = handle(handler, [reading(4, ["bed-1", 0, 30]), ...bad]);
  assert.deepEqual(Object.keys(state.keys), ["bed-1"]);
  const successor = monitorOf();
  handle(successor.monitor.restore(state), [reading(5, ["bed-1", 1, 29])]);
  assert.deepEqual(successor.reported, ["r/5 bed-1 judged", "1 reported"]);
  assert.deepEqual(reported.slice(-5).map((line) => line.split(" ").slice(0, 3).join(" ")), [
    "r/4 bed-1 judged",
    "r/1 dead: no",
    "r/2 dead: Cannot",
    reported.at(-2)?.split(" ").slice(0, 3).join(" "),
    "1 reported",
  ]);
});

test("only what was saved is counted, and only once its alerts are out is it reported", () => {
  const { monitor, reported } = monitorOf();
  const batch = [reading(1, ["bed-1", 0, 30]), reading(2, ["bed-1", 1, 20])];
  const lost = monitor.restore(undefined).handle(batch);
  assert.equal(lost.publish.length, 1);
  assert.deepEqual([reported, monitor.readings, monitor.summaries.size], [[], 0, 0]);
  lost.onPublished();
  assert.equal(reported.length, 3);
  assert.equal(monitor.readings, 0);
  // The connection was lost before the state was saved: all comes again, and counts once.
  handle(monitor.restore(undefined), batch);
  assert.equal(monitor.readings, 2);
  const { readings, alertingReadings, episodes } = monitor.summaries.get("bed-1") ??
    assert.fail("no summary");
  assert.deepEqual([readings, alertingReadings, episodes.length], [2, 1, 1]);
});

test("a batch is repeated if a reading comes again that wasn't redelivered", () => {
  const cases: [Delivery, boolean][] = [
    [reading(2, ["bed-1", 1, 30]), false],
    [reading(1, ["bed-1", 1, 30]), true],
    [reading(1, ["bed-1", 1, 30], { redelivered: true }), false],
    [reading(9, ["bed-1", 1, 30], { run: "q" }), true],
    [reading(9, ["bed-1", 1, 30], { run: "q", redelivered: true }), false],
    [reading(9, ["bed-2", 1, 30], { run: "q" }), false],
  ];
  for (const [delivery, expected] of cases) {
    const { monitor } = monitorOf();
    const handler = monitor.restore(undefined);
    handle(handler, [reading(1, ["bed-1", 0, 30], { run: "q" }), reading(1, ["bed-1", 0, 30])]);
    assert.equal(handle(handler, [delivery]).repeated, expected, JSON.stringify(delivery));
  }
});

test("an empty message id is none", () => {
  const { monitor, reported } = monitorOf();
  handle(monitor.restore(undefined), [jsonDelivery(["bed-1", 0, 30], { messageId: "" })]);
  assert.deepEqual(reported, ["null bed-1 judged", "1 reported"]);
});

/** One looks like a number: its place in an object is another. */
const KEYS = ["bed-1", "bed-2", "7", "Über bed", "bed-3"];

test("a queue of many keys restored between any two batches goes on as if nothing had happened", () => {
  const random = seededRandom(31);
  const below = (end: number) => Math.floor(random() * end);
  const silent = silentRule({ name: "silent", afterMs: 240_000, spanMs: DROP.spanMs });
  const seen = { drop: 0, silent: 0 };
  for (let series = 0; series < 400; series++) {
    const rules = series % 2 === 0 ? [DROP] : [DROP, silent];
    // Some keys are left out for a while.
    let keys = KEYS;

    const undisturbed = monitorOf(undefined, rules);
    const expected = undisturbed.monitor.restore(undefined);
    const disturbed = monitorOf(undefined, rules);
    let handler = disturbed.monitor.restore(undefined);
    let saved: unknown;
    let row = 0;
    for (let count = 0; count < 30; count++) {
      if (random() < 0.3) keys = KEYS.filter(() => random() < 0.6);
      if (keys.length === 0) keys = KEYS;
      const batch = Array.from(
        { length: 1 + below(8) },
        () =>
          reading(++row - (random() < 0.1 ? 3 : 0), [
            keys[below(keys.length)] ?? "",
            Math.floor(row / 3) - (random() < 0.1 ? 4 : 0),
            20 + below(10),
          ], { run: random() < 0.02 ? "q" : row > 120 && random() < 0.2 ? "s" : "r" }),
      );
      const context = `series ${series}, batch ${count}`;
      const found = handle(handler, batch);
      assert.equal(JSON.stringify(found), JSON.stringify(handle(expected, batch)), context);
      for (const id of found.published) {
        if (id?.includes("/silent/")) seen.silent++;
        else seen.drop++;
      }
      if (found.state !== null) saved = found.state;
      if (random() < 0.4) handler = disturbed.monitor.restore(saved);
    }
    const { readings, late, duplicates } = disturbed.monitor;
    const wanted = undisturbed.monitor;
    assert.deepEqual([readings, late, duplicates], [
      wanted.readings,
      wanted.late,
      wanted.duplicates,
    ]);
    assert.deepEqual(disturbed.reported, undisturbed.reported);
  }
  assert.ok(seen.drop > 1000 && seen.silent > 500, JSON.stringify(seen));
});
