import assert from "node:assert/strict";
import { seededRandom } from "../../data/seeded_random.ts";
import { smokerRule, type SmokerRuleOptions } from "../../consumers/smoker_monitor.ts";
import { queueOf } from "../../shared/connection.ts";
import type { JudgedReading } from "../../shared/monitor.ts";
import { KeyJudge } from "../../shared/monitor/judge.ts";
import { QueueMonitor } from "../../shared/monitor/queue_monitor.ts";
import type { Event } from "../../shared/script.ts";
import {
  CHANNELS,
  formatLocalTime,
  namesOf,
  SMOKER,
  type SmokerChannel as Channel,
} from "../../shared/streams.ts";
import { TaskProcess } from "../../shared/tools/demo/task_process.ts";
import {
  alertMessages,
  assertSame,
  byChannel,
  e2e,
  eventsOf,
  eventually,
  summaryOf,
  takeAlerts,
  Vhost,
} from "./harness.ts";
import { textIn } from "../deliveries.ts";

const COOK = "data/smoker-temps.csv";
const HEADER = "time,smoker,food-a,food-b";
/** Windows of the last 5 and 20 readings, as the class has them. */
const COUNTING = ["--window", "readings"];
const START = Date.UTC(2021, 4, 22, 12);

/** Runs `--backtest` over a CSV, given as text or as a path in data/. */
async function backtest(csv: string, args: string[] = [], run = "r") {
  const input = csv.startsWith("data/") ? {} : { input: csv };
  const file = csv.startsWith("data/") ? csv : "-";
  const process = new TaskProcess("smoker:monitor", ["--backtest", file, "--run", run, ...args], {
    env: { AMQP_URL: "amqp://localhost:1" },
    ...input,
  });
  const { code, stderr } = await process.ended;
  assert.equal(stderr, "");
  assert.equal(code, 0);
  return { events: process.events, summary: summaryOf(process) };
}

/** Replays a CSV as fast as the broker confirms, in full. */
async function produce(vhost: Vhost, csv: string, ...args: string[]) {
  const input = csv.startsWith("data/") ? {} : { input: csv };
  const file = csv.startsWith("data/") ? csv : "-";
  const pace = args.some((arg) => arg === "--speed" || arg === "--interval")
    ? []
    : ["--interval", "0"];
  const all = ["--file", file, ...pace, "--run", "r", ...args];
  const produced = await vhost.run("smoker:produce", all, input);
  assert.equal(produced.code, 0, produced.stderr);
  return produced;
}

/** Publishes messages that none of our producers would send, in order. */
async function publish(
  vhost: Vhost,
  messages: { channel: Channel; body: string; messageId?: string }[],
): Promise<void> {
  await using connection = await vhost.connect();
  const channel = await connection.channel("publish", async (channel) => {
    for (const { name, kind } of Object.values(SMOKER.queues)) {
      await channel.queueDeclare(queueOf(name, kind));
    }
    await channel.confirmSelect();
  });
  await Promise.all(messages.map(({ channel: name, body, messageId }) =>
    channel.publish({
      queue: SMOKER.queues[name].name,
      body: Buffer.from(body),
      properties: messageId === undefined ? {} : { messageId },
    })
  ));
  await channel.close();
}

/** Waits until a monitor has judged so many readings in all and is done with them. */
async function settled(vhost: Vhost, monitor: TaskProcess, readings: number): Promise<void> {
  await monitor.until((events) => eventsOf({ events }, "reading").length >= readings);
  // What comes after the readings is in a later batch: once it is told of, theirs are saved and acknowledged.
  const before = eventsOf(monitor, "dead").length;
  await publish(vhost, CHANNELS.map((channel) => ({ channel, body: "settled?" })));
  await monitor.until((events) => eventsOf({ events }, "dead").length === before + CHANNELS.length);
}

/** Ends a monitor by Ctrl-C; its summary. */
async function stop(monitor: TaskProcess): Promise<Event> {
  await monitor.kill("INT");
  const { code, stderr } = await monitor.ended;
  assert.equal(code, 0, stderr);
  return summaryOf(monitor);
}

/** A CSV from rows of [seconds after noon, smoker, food A, food B]; what is left out is an empty cell. */
function csvOf(rows: [seconds: number, ...cells: (number | undefined)[]][]): string {
  const lines = rows.map(([seconds, ...cells]) =>
    [formatLocalTime(START + seconds * 1000), ...CHANNELS.map((_, i) => cells[i] ?? "")].join(",")
  );
  return [HEADER, ...lines].join("\n") + "\n";
}

/** The state and the rule's row of every alert event, in order, by channel. */
function alertsOf(events: Event[]): Record<string, string[]> {
  const all: Record<string, string[]> = {};
  for (const { channel, state, id, reason } of eventsOf({ events }, "alert")) {
    const text = `${state} ${id}${reason === undefined ? "" : ` (${reason})`}`;
    (all[String(channel)] ??= []).push(text);
  }
  return all;
}

// Live and backtested

const PATHS = [
  { mode: "readings", pace: ["--interval", "0"] },
  { mode: "time", pace: ["--interval", "0"] },
  { mode: "readings", pace: ["--speed", "30000"] },
] as const;

e2e("a replay gives the events, the alerts and the summary of the backtest", async () => {
  await Promise.all(PATHS.map(async ({ mode, pace }) => {
    await using vhost = await Vhost.create();
    const args = ["--window", mode];
    const monitor = await vhost.start("smoker:monitor", args).ready();
    const expected = await backtest(COOK, args);
    await produce(vhost, COOK, ...pace);
    await monitor.until((events) => eventsOf({ events }, "reading").length >= 3054);
    const summary = await stop(monitor);
    assertSame("reading", monitor.events, expected.events);
    assertSame("alert", monitor.events, expected.events);
    assert.deepEqual(JSON.stringify(summary), JSON.stringify(expected.summary));
    assert.equal(eventsOf(monitor, "alert").length, 12);
    assert.deepEqual(await takeAlerts(vhost.url), alertMessages(expected.events));
    await assertEmpty(vhost);
  }));
});

/** Nothing is left but one saved state for each channel. */
async function assertEmpty(vhost: Vhost): Promise<void> {
  await using connection = await vhost.connect();
  for (const queue of Object.values(namesOf(SMOKER))) {
    await eventually(`${queue} to be empty`, async () => {
      const { ready, consumers } = await connection.inspect(queue) ?? {};
      return ready === 0 && consumers === 0;
    });
    assert.equal((await connection.inspect(`${queue}.dead`))?.ready, 0);
    assert.equal((await connection.inspect(`${queue}.state`))?.ready, 1);
  }
}

e2e("the order between channels doesn't matter, that within each does", async () => {
  await using vhost = await Vhost.create();
  const expected = await backtest(COOK, ["--window", "time"]);
  const monitor = await vhost.start("smoker:monitor", ["--window", "time"]).ready();
  const waiting = CHANNELS.map((channel) =>
    eventsOf(expected, "reading").filter((event) => event.channel === channel)
  );
  const random = seededRandom(7);
  const shuffled: Event[] = [];
  while (waiting.some(({ length }) => length > 0)) {
    // Now one channel, now another is far ahead.
    const channel = waiting[Math.floor(random() * 3)] ?? [];
    shuffled.push(...channel.splice(0, Math.floor(random() * 200)));
  }
  await publish(
    vhost,
    shuffled.map(({ id, channel, time, fahrenheit }) => ({
      channel: channel as Channel,
      body: JSON.stringify({ time, channel, fahrenheit }),
      messageId: String(id),
    })),
  );
  await monitor.until((events) => eventsOf({ events }, "reading").length >= 3054);
  const summary = await stop(monitor);
  assertSame("reading", monitor.events, expected.events);
  assertSame("alert", monitor.events, expected.events);
  assert.deepEqual(summary, expected.summary);
});

// The rules, done again from the words of the design: no windows that slide, whole hundredths of a degree

interface Recorded {
  readonly row: number;
  /** Seconds after noon. */
  readonly at: number;
  /** Hundredths of °F. */
  readonly value: number;
}

interface NaiveRules {
  readonly mode: "readings" | "time";
  /** Seconds. */
  readonly span: number;
  readonly count: number;
  /** Hundredths of °F. */
  readonly threshold: number;
}

/** What the rules make of one channel's readings, events as the monitor's JSON lines. */
function judgeNaively(channel: Channel, recorded: Recorded[], rules: NaiveRules) {
  const rule = channel === "smoker" ? "drop" : "stall";
  const degrees = (hundredths: number) => hundredths / 100;
  const time = (at: number) => formatLocalTime(START + at * 1000);
  const readings: string[] = [];
  const alerts: string[] = [];
  const episodes: unknown[] = [];
  const counts = { late: 0, duplicates: 0 };
  let [judged, alerting] = [0, 0];
  let kept: Recorded[] = [];
  let open: { id: string; opened: string; values: number[] } | undefined;
  const endEpisode = (resolved: string | null) => {
    if (!open) return;
    const [min, max] = [Math.min(...open.values), Math.max(...open.values)].map(degrees);
    episodes.push({ rule, opened: open.opened, resolved, readings: open.values.length, min, max });
    open = undefined;
  };
  for (const reading of recorded) {
    const { row, at, value } = reading;
    const newest = Math.max(...kept.map((other) => other.at));
    const isLate = rules.mode === "time" && at <= newest;
    const isOut = isLate && at < newest - rules.span;
    if (isLate && !isOut && kept.some((other) => other.at === at)) {
      counts.duplicates++;
      continue;
    }
    if (!isOut) kept = [...kept, reading];
    const window = rules.mode === "readings"
      ? kept.slice(-rules.count)
      : kept.filter((other) => other.at >= Math.max(newest, at) - rules.span)
        .sort((one, other) => one.at - other.at);
    const values = window.map((other) => other.value);
    const [oldestValue = NaN, newestValue = NaN] = [values[0], values.at(-1)];
    const [min, max] = [Math.min(...values), Math.max(...values)];
    const change = degrees(newestValue - oldestValue);
    const event = {
      event: "reading",
      id: `r/${row}/${channel}`,
      channel,
      time: time(at),
      fahrenheit: degrees(value),
      change,
    };
    if (isLate) {
      counts.late++;
      readings.push(JSON.stringify({ ...event, alert: null, late: true }));
      continue;
    }
    judged++;
    const isFull = rules.mode === "readings"
      ? window.length === rules.count
      : rule === "drop" || at - (window[0]?.at ?? NaN) >= 0.9 * rules.span;
    const isTrue = isFull &&
      (rule === "drop" ? max - value > rules.threshold : max - min < rules.threshold);
    readings.push(JSON.stringify({ ...event, alert: isTrue ? rule : null }));
    const tell = (state: string) =>
      alerts.push(JSON.stringify({
        event: "alert",
        id: open?.id,
        channel,
        rule,
        state,
        opened: open?.opened,
        at: time(at),
        fahrenheit: degrees(value),
        change,
        min: degrees(min),
        max: degrees(max),
        readings: window.length,
      }));
    if (isTrue) {
      alerting++;
      if (!open) {
        open = { id: `r/${channel}/${rule}/${row}`, opened: time(at), values: [] };
        tell("open");
      }
      open.values.push(value);
    } else if (open) {
      tell("resolved");
      endEpisode(time(at));
    }
  }
  endEpisode(null);
  return {
    readings,
    alerts,
    summary: { readings: judged, alertingReadings: alerting, episodes },
    counts,
  };
}

/** A recording with all that is nasty: gaps, stragglers, times twice; and the rules to judge it by. */
function recordingOf(seed: number) {
  const random = seededRandom(seed);
  const pick = <T>(...choices: T[]): T => choices[Math.floor(random() * choices.length)] as T;
  const recorded: Record<Channel, Recorded[]> = { "smoker": [], "food-a": [], "food-b": [] };
  const rows: Parameters<typeof csvOf>[0] = [];
  const values = { "smoker": 23_000, "food-a": 15_000, "food-b": 4000 };
  let [clock, stalls] = [0, false];
  for (let row = 1; row <= 200; row++) {
    clock += random() < 0.07 ? pick(280, 540, 700, 2000) : pick(5, 20, 25, 30, 55);
    if (random() < 0.05) stalls = !stalls;
    values.smoker += random() < 0.08 ? pick(-2000, -1500, -1501, 1800) : pick(-50, 0, 10, 50);
    values["food-a"] += stalls ? pick(-1, 0, 0, 2, 9) : pick(10, 50, 99, 100);
    values["food-b"] += stalls ? pick(10, 50, 100) : pick(-3, 0, 0, 5);
    const earlier = rows[Math.floor(random() * rows.length)]?.[0];
    const late = clock - pick(5, 30, 150, 151, 155, 300, 600, 601, 3000);
    const odd = random();
    const at = odd < 0.06 ? late : odd < 0.1 ? earlier ?? clock : odd < 0.14 ? clock - 55 : clock;
    const cells = CHANNELS.map((channel) => {
      if (random() < 0.4) return undefined;
      recorded[channel].push({ row, at, value: values[channel] });
      return values[channel] / 100;
    });
    rows.push([at, ...cells]);
  }
  const usual = random() < 0.4;
  const options = {
    drop: usual ? 15 : pick(5.5, 0.49, 18),
    stall: usual ? 1 : pick(0.05, 2.5, 0.99),
    smokerWindow: usual ? 150_000 : pick(60_000, 300_000, 20_000),
    foodWindow: usual ? 600_000 : pick(120_000, 1_200_000, 90_000),
    readingsEvery: usual ? 30_000 : pick(20_000, 60_000, 25_000),
  };
  return { recorded, csv: csvOf(rows), options };
}

type Recording = ReturnType<typeof recordingOf>;

function naiveRules(channel: Channel, mode: "readings" | "time", { options }: Recording) {
  const spanMs = channel === "smoker" ? options.smokerWindow : options.foodWindow;
  const threshold = channel === "smoker" ? options.drop : options.stall;
  return {
    mode,
    span: spanMs / 1000,
    count: Math.max(1, Math.round(spanMs / options.readingsEvery)),
    threshold: Math.round(threshold * 100),
  };
}

Deno.test(
  "the judge agrees with the rules done again, over hundreds of recordings",
  { permissions: "none" },
  () => {
    const seen = { judged: 0, late: 0, duplicates: 0, alerts: 0 };
    for (let seed = 1; seed <= 250; seed++) {
      const recording = recordingOf(seed);
      for (const mode of ["readings", "time"] as const) {
        for (const channel of CHANNELS) {
          const list = recording.recorded[channel];
          const expected = judgeNaively(channel, list, naiveRules(channel, mode, recording));
          const about = `seed ${seed}, ${channel}, ${mode}`;
          const found = judgeInProcess(channel, list, { window: mode, ...recording.options });
          assert.deepEqual(found, expected, about);
          seen.judged += expected.summary.readings;
          seen.late += expected.counts.late;
          seen.duplicates += expected.counts.duplicates;
          seen.alerts += expected.alerts.length;
        }
      }
    }
    // The recordings hold what they are meant to hold.
    assert.ok(
      seen.judged > 100_000 && seen.late > 2000 && seen.duplicates > 500 && seen.alerts > 5000,
      JSON.stringify(seen),
    );
  },
);

/** The product's judge, its judgements in the form of `judgeNaively`. */
function judgeInProcess(channel: Channel, recorded: Recorded[], options: SmokerRuleOptions) {
  const { name: stream, panel: { quantities }, alerts: words } = SMOKER;
  const about = { stream, key: channel, quantities, words };
  const readings: string[] = [];
  const alerts: string[] = [];
  const onJudged = ({ id, key: channel, time, values, judgement }: JudgedReading) => {
    const { verdict, changes: [change], alerting: [alert = null] } = judgement;
    const late = verdict === "late" ? { late: true } : {};
    if (verdict !== "duplicate") {
      const reading = { time: formatLocalTime(time), fahrenheit: values[0] };
      const event = { event: "reading", id, channel, ...reading, change, alert, ...late };
      readings.push(JSON.stringify(event));
    }
    alerts.push(
      ...judgement.alerts.map((alert) => JSON.stringify({ event: "alert", ...words.write(alert) })),
    );
  };
  const none = () => assert.fail("no broker holds it");
  const monitor = new QueueMonitor(
    {
      key: channel,
      judgeOf: (_, state) => new KeyJudge(about, [smokerRule(channel, options)], state),
      measured: none,
      alertMessage: none,
    },
    { onJudged, onDead: none, onUnreadable: none, onReported: none },
  );
  const judge = monitor.backtest();
  for (const { row, at, value } of recorded) {
    const reading = { key: channel, time: START + at * 1000, values: [value / 100] };
    judge(`r/${row}/${channel}`, reading, { run: "r", row });
  }
  const { late, duplicates } = monitor;
  return {
    readings,
    alerts,
    summary: monitor.summaries.get(channel),
    counts: { late, duplicates },
  };
}

e2e("the backtest agrees with the rules done again", async () => {
  await Promise.all([1001, 1002, 1003, 1004, 1005, 1006].map(async (seed) => {
    const recording = recordingOf(seed);
    const mode = seed % 2 === 0 ? "time" : "readings";
    const { drop, stall, smokerWindow, foodWindow, readingsEvery } = recording.options;
    const found = await backtest(recording.csv, [
      ...["--window", mode, "--drop", `${drop}`, "--stall", `${stall}`],
      ...["--smoker-window", `${smokerWindow}ms`, "--food-window", `${foodWindow / 1000}s`],
      ...["--readings-every", `${readingsEvery / 60_000}m`],
    ]);
    const expected = CHANNELS.map((channel) =>
      judgeNaively(channel, recording.recorded[channel], naiveRules(channel, mode, recording))
    );
    const sum = (of: (one: typeof expected[number]) => number) =>
      expected.reduce((total, one) => total + of(one), 0);
    assert.deepEqual(
      Object.values(byChannel(found.events, "reading")),
      expected.map(({ readings }) => readings),
    );
    assert.deepEqual(
      Object.values(byChannel(found.events, "alert")),
      expected.map(({ alerts }) => alerts),
    );
    assert.deepEqual(found.summary, {
      event: "summary",
      readings: sum(({ summary }) => summary.readings),
      late: sum(({ counts }) => counts.late),
      duplicates: sum(({ counts }) => counts.duplicates),
      dead: 0,
      channels: Object.fromEntries(CHANNELS.map((name, i) => [name, expected[i]?.summary])),
    });
  }));
});

// Cooks

/**
 * 28 rows, 30 s apart, for windows of 5 and 20 readings. The smoker falls in row 6, which is over in row 10, and
 * again in row 25; food A stands still, which shows from row 20 on; food B climbs. So a drop and a stall are
 * still open at the end.
 */
const SHORT_COOK = csvOf(Array.from({ length: 28 }, (_, index) => {
  const row = index + 1;
  const smoker = row <= 5 ? 240 : row === 6 ? 220 : row < 25 ? 222 : 200;
  return [index * 30, smoker, 160, 40 + row];
}));
const SHORT_READINGS = 28 * 3;

/** The alerts of the short cook as run `run`. */
const shortAlerts = (run: string) => ({
  "smoker": [
    `open ${run}/smoker/drop/6`,
    `resolved ${run}/smoker/drop/6`,
    `open ${run}/smoker/drop/25`,
  ],
  "food-a": [`open ${run}/food-a/stall/20`],
});

e2e("an episode ends by its rule or by a new run, or stays open", async () => {
  await using vhost = await Vhost.create();
  const monitor = await vhost.start("smoker:monitor", COUNTING).ready();
  await produce(vhost, SHORT_COOK, "--run", "r1");
  await settled(vhost, monitor, SHORT_READINGS);
  assert.deepEqual(alertsOf(monitor.events), shortAlerts("r1"));
  const before = monitor.events.length;
  await produce(vhost, SHORT_COOK, "--run", "r2");
  await settled(vhost, monitor, 2 * SHORT_READINGS);
  const second = { events: monitor.events.slice(before) };
  const { smoker, "food-a": foodA } = shortAlerts("r2");
  // The window begins empty: nothing alerts before it is full again.
  assert.deepEqual(alertsOf(second.events), {
    "smoker": ["resolved r1/smoker/drop/25 (new run)", ...smoker],
    "food-a": ["resolved r1/food-a/stall/20 (new run)", ...foodA],
  });
  const expected = await backtest(SHORT_COOK, COUNTING, "r2");
  assertSame("reading", second.events, expected.events);
  const [resolved] = eventsOf(second, "alert").filter(({ id }) => id === "r1/smoker/drop/25");
  assert.deepEqual(resolved, {
    event: "alert",
    id: "r1/smoker/drop/25",
    channel: "smoker",
    rule: "drop",
    state: "resolved",
    opened: "2021-05-22T12:12:00",
    at: "2021-05-22T12:13:30",
    fahrenheit: 200,
    change: -22,
    min: 200,
    max: 222,
    readings: 5,
    reason: "new run",
  });
  const summary = await stop(monitor);
  assert.deepEqual(await takeAlerts(vhost.url), alertMessages(monitor.events));
  const drop = (opened: string, resolved: string | null, min: number, max: number) => ({
    rule: "drop",
    opened: `2021-05-22T12:${opened}`,
    resolved: resolved && `2021-05-22T12:${resolved}`,
    readings: 4,
    min,
    max,
  });
  const stall = (resolved: string | null) => ({
    rule: "stall",
    opened: "2021-05-22T12:09:30",
    resolved: resolved && `2021-05-22T12:${resolved}`,
    readings: 9,
    min: 160,
    max: 160,
  });
  const first = drop("02:30", "04:30", 220, 222);
  assert.deepEqual(summary, {
    event: "summary",
    readings: 2 * SHORT_READINGS,
    late: 0,
    duplicates: 0,
    dead: 6,
    channels: {
      "smoker": {
        readings: 56,
        alertingReadings: 16,
        episodes: [first, drop("12:00", "13:30", 200, 200), first, drop("12:00", null, 200, 200)],
      },
      "food-a": { readings: 56, alertingReadings: 18, episodes: [stall("13:30"), stall(null)] },
      "food-b": { readings: 56, alertingReadings: 0, episodes: [] },
    },
  });
});

e2e(
  "of two runs that interleave the earlier one's readings are late, and it is said once",
  async () => {
    await using vhost = await Vhost.create();
    const monitor = await vhost.start("smoker:monitor", COUNTING).ready();
    const parts: [run: string, skip: number, limit: number][] = [
      ["a", 0, 10],
      ["b", 0, 12],
      ["a", 10, 9],
      ["b", 12, 8],
      ["a", 19, 9],
      ["b", 20, 8],
    ];
    let readings = 0;
    for (const [run, skip, limit] of parts) {
      await produce(vhost, SHORT_COOK, "--run", run, "--skip", `${skip}`, "--limit", `${limit}`);
      // Each part in batches of its own.
      await settled(vhost, monitor, readings += 3 * limit);
    }
    const summary = await stop(monitor);
    const { stderr } = await monitor.ended;
    assert.equal(stderr.match(/interleave/g)?.length, 1, stderr);
    const { late, duplicates, readings: judged } = summary;
    assert.deepEqual({ judged, late, duplicates }, { judged: 30 + 84, late: 54, duplicates: 0 });
    const of = (run: string) => ({
      events: monitor.events.filter(({ event, id }) =>
        event === "reading" && String(id).startsWith(`${run}/`)
      ),
    });
    const [a, b] = [of("a"), of("b")];
    const expected = await backtest(SHORT_COOK, COUNTING, "b");
    assertSame("reading", b.events, expected.events);
    const ofA = a.events.map(({ late, alert }) => ({ late, alert }));
    assert.deepEqual(ofA.slice(30), Array(54).fill({ late: true, alert: null }));
    assert.deepEqual(new Set(ofA.slice(0, 30).map(({ late }) => late)), new Set([undefined]));
    assert.deepEqual(alertsOf(monitor.events), {
      "smoker": [
        "open a/smoker/drop/6",
        "resolved a/smoker/drop/6",
        ...shortAlerts("b").smoker,
      ],
      "food-a": shortAlerts("b")["food-a"],
    });
  },
);

e2e(
  "a replay resumed where its summary says makes duplicates at most, no other alerts",
  async () => {
    await using vhost = await Vhost.create();
    const expected = await backtest(COOK);
    const monitor = await vhost.start("smoker:monitor").ready();
    const args = ["--file", COOK, "--run", "r", "--interval", "2ms"];
    const first = vhost.start("smoker:produce", args);
    await first.until((events) => eventsOf({ events }, "published").length >= 400);
    await first.kill("INT");
    assert.equal((await first.ended).code, 0);
    const { nextRow } = summaryOf(first);
    assert.ok(Number(nextRow) < 2461, `stopped too late, at ${nextRow}`);
    const second = await produce(vhost, COOK, "--skip", `${Number(nextRow) - 1}`);
    assert.equal(second.summary.nextRow, 2462);
    const third = await produce(
      vhost,
      COOK,
      "--skip",
      `${Number(nextRow) - 101}`,
      "--limit",
      "150",
    );
    await settled(vhost, monitor, 3054);
    const summary = await stop(monitor);
    const published = [first, second, third].flatMap((each) => eventsOf(each, "published")).length;
    assert.ok(eventsOf(third, "published").length > 100);
    assert.deepEqual(summary, { ...expected.summary, duplicates: published - 3054, dead: 3 });
    assertSame("reading", monitor.events, expected.events);
    assert.deepEqual(await takeAlerts(vhost.url), alertMessages(expected.events));
  },
);

e2e(
  "--purge while no monitor runs: the next cook begins with nothing, also under its name",
  async () => {
    await using vhost = await Vhost.create();
    const first = await vhost.start("smoker:monitor").ready();
    await produce(vhost, SHORT_COOK);
    await settled(vhost, first, SHORT_READINGS);
    await stop(first);
    await produce(vhost, SHORT_COOK, "--run", "unseen");
    await takeAlerts(vhost.url);

    const { stderr } = await produce(vhost, SHORT_COOK, "--purge");
    assert.match(stderr, /Emptied 01-smoker of 28 messages/);
    assert.match(stderr, /Emptied 01-smoker\.state of 1 message\b/);
    const second = await vhost.start("smoker:monitor").ready();
    await settled(vhost, second, SHORT_READINGS);
    const summary = await stop(second);
    const expected = await backtest(SHORT_COOK);
    assertSame("reading", second.events, expected.events);
    assert.deepEqual(await takeAlerts(vhost.url), alertMessages(expected.events));
    assert.deepEqual(summary, { ...expected.summary, dead: 3 });
  },
);

e2e("--purge under a running monitor: the same run is judged anew", async () => {
  await using vhost = await Vhost.create();
  const expected = await backtest(SHORT_COOK);
  const monitor = await vhost.start("smoker:monitor").ready();
  for (let cook = 1; cook <= 3; cook++) {
    const before = monitor.events.length;
    await produce(vhost, SHORT_COOK, "--purge");
    await settled(vhost, monitor, cook * SHORT_READINGS);
    const events = monitor.events.slice(before);
    assertSame("reading", events, expected.events);
    assertSame("alert", events, expected.events);
  }
  const { readings, late, duplicates } = await stop(monitor);
  assert.deepEqual([readings, late, duplicates], [3 * SHORT_READINGS, 0, 0]);
});

e2e("--purge under a running monitor: a run of before the last is judged anew, too", async () => {
  await using vhost = await Vhost.create();
  const monitor = await vhost.start("smoker:monitor").ready();
  await produce(vhost, SHORT_COOK, "--run", "r1");
  await settled(vhost, monitor, SHORT_READINGS);
  await produce(vhost, SHORT_COOK, "--run", "r2");
  await settled(vhost, monitor, 2 * SHORT_READINGS);
  const before = monitor.events.length;
  await produce(vhost, SHORT_COOK, "--run", "r1", "--purge");
  await settled(vhost, monitor, 3 * SHORT_READINGS);
  const expected = await backtest(SHORT_COOK, [], "r1");
  const events = monitor.events.slice(before);
  assertSame("reading", events, expected.events);
  assert.equal((await stop(monitor)).late, 0);
});

// Older programs

/** The readings of a CSV as older programs send them, row by row. */
async function olderMessages(csv: string) {
  const { events } = await backtest(csv);
  return eventsOf({ events }, "reading").map(({ channel, time, fahrenheit }) => {
    const [, yy, month, day, clock] = /^20(..)-(..)-(..)T(.*)$/.exec(String(time)) ?? [];
    const body = `${month}/${day}/${yy} ${clock},${fahrenheit}`;
    return { channel: channel as Channel, body };
  });
}

e2e("--format text is judged as JSON is", async () => {
  await using vhost = await Vhost.create();
  const expected = await backtest(COOK);
  await produce(vhost, COOK, "--format", "text");
  const monitor = await vhost.start("smoker:monitor").ready();
  await monitor.until((events) => eventsOf({ events }, "reading").length >= 3054);
  assert.deepEqual(await stop(monitor), expected.summary);
  assertSame("reading", monitor.events, expected.events);
  assert.deepEqual(await takeAlerts(vhost.url), alertMessages(expected.events));
  await produce(vhost, COOK, "--format", "text", "--limit", "1");
  await using connection = await vhost.connect();
  const text = Promise.withResolvers<string>();
  // Not basic.get: RabbitMQ refuses it where there is a single active consumer.
  const channel = await connection.channel("consume", async (channel) => {
    await channel.basicConsume({ queue: "01-smoker" }, (message) => text.resolve(textIn(message)));
  });
  assert.equal(await text.promise, "05/22/21 12:34:10,84.2");
  await channel.close();
});

e2e("readings without message_id are judged; an hour and more back begins a new run", async () => {
  await using vhost = await Vhost.create();
  const expected = await backtest(COOK);
  const messages = await olderMessages(COOK);
  assert.deepEqual(messages[0], { channel: "smoker", body: "05/22/21 12:34:10,84.2" });
  const monitor = await vhost.start("smoker:monitor").ready();
  const withoutId = (text: string) => JSON.parse(text, (key, value) => key === "id" ? null : value);
  const cook = async (number: number) => {
    const before = monitor.events.length;
    await publish(vhost, messages);
    await settled(vhost, monitor, number * 3054);
    const events = monitor.events.slice(before);
    for (const kind of ["reading", "alert"] as const) {
      for (const channel of CHANNELS) {
        assert.deepEqual(
          byChannel(events, kind)[channel]?.map(withoutId),
          byChannel(expected.events, kind)[channel]?.map(withoutId),
        );
      }
    }
    assert.deepEqual(new Set(eventsOf({ events }, "reading").map(({ id }) => id)), new Set([null]));
  };
  await cook(1);
  await cook(2);
  const { readings, late, duplicates } = await stop(monitor);
  assert.deepEqual([readings, late, duplicates], [2 * 3054, 0, 0]);
  const alerts = await takeAlerts(vhost.url);
  assert.equal(alerts.size, 24, "the alerts of the second cook are new ones");
  for (const [messageId, body] of alerts) {
    const { id, channel, rule, state } = JSON.parse(body);
    assert.equal(messageId, `${id}/${state}`);
    assert.match(id, new RegExp(`^[^/]+/${channel}/${rule}/[^/]+$`));
  }
});

e2e("without message_id, an hour back is the same run and a second more a new one", async () => {
  await using vhost = await Vhost.create();
  const monitor = await vhost.start("smoker:monitor", ["--channel", "smoker", ...COUNTING]).ready();
  const times: [string, number][] = [
    ...Array.from({ length: 5 }, (): [string, number] => ["14:00:00", 240]),
    ["13:00:00", 220], // falls by 20
    ["14:00:00", 220],
    ["12:59:59", 190], // would be a fall by 50
    ...Array.from({ length: 4 }, (): [string, number] => ["13:00:00", 160]), // falls by 30
  ];
  await publish(
    vhost,
    times.map(([time, value]) => ({ channel: "smoker", body: `05/22/21 ${time},${value}` })),
  );
  await monitor.until((events) => eventsOf({ events }, "reading").length >= times.length);
  await stop(monitor);
  const shown = eventsOf(monitor, "reading").map(({ alert, change }) => [alert, change]);
  assert.deepEqual(shown, [
    ...Array(5).fill([null, 0]),
    ["drop", -20],
    ["drop", -20],
    [null, 0],
    ...Array(3).fill([null, -30]),
    ["drop", -30],
  ]);
  const states = eventsOf(monitor, "alert").map(({ state, reason }) => [state, reason]);
  const expected = [["open", undefined], ["resolved", "new run"], ["open", undefined]];
  assert.deepEqual(states, expected);
});

// Command lines

e2e("--channel watches one or two, the others are left alone", async () => {
  await using vhost = await Vhost.create();
  const expected = await backtest(COOK);
  await produce(vhost, COOK);
  const choices: { chosen: Channel[]; given?: Channel[] }[] = [
    { chosen: ["food-a"] },
    { chosen: ["smoker", "food-b"], given: ["food-b", "smoker", "food-b"] },
  ];
  for (const { chosen, given = chosen } of choices) {
    const args = given.flatMap((channel) => ["--channel", channel]);
    const of = ({ event, channel }: Event) =>
      event === "reading" && chosen.includes(channel as Channel);
    const wanted = expected.events.filter(of);
    const monitor = await vhost.start("smoker:monitor", args).ready();
    await monitor.until((events) => eventsOf({ events }, "reading").length >= wanted.length);
    const summary = await stop(monitor);
    assertSame("reading", monitor.events, wanted);
    const channels = expected.summary.channels as Record<string, unknown>;
    assert.deepEqual(summary, {
      ...expected.summary,
      readings: wanted.length,
      channels: Object.fromEntries(chosen.map((channel) => [channel, channels[channel]])),
    });
    const alone = await backtest(COOK, args);
    assert.deepEqual(alone.summary, summary);
  }
  assert.deepEqual(await takeAlerts(vhost.url), alertMessages(expected.events));
});

/** What must end with exit code 2 and one line that says what is wrong. */
const MISUSE: { args: string[]; input?: string; says: RegExp }[] = [
  { args: ["--colour"], says: /--colour.*Accepted: .*--channel.*--backtest.*--help/ },
  { args: ["surplus"], says: /"surplus"/ },
  { args: ["--channel", "oven"], says: /--channel must be smoker or food-a or food-b, got "oven"/ },
  { args: ["--channel", "01-smoker"], says: /--channel must be/ },
  { args: ["--channel", "smoker", "--channel", "Smoker"], says: /--channel must be.*"Smoker"/ },
  { args: ["--channel"], says: /--channel/ },
  ...["--drop", "--stall"].flatMap((flag) =>
    ["0", "0.0", "x", "1e3", "", "15F", "NaN", "Infinity"].map((value) => ({
      args: [`${flag}=${value}`],
      says: new RegExp(`${flag} must be a number above 0, got "${value}"`),
    }))
  ),
  { args: ["--drop", "-5"], says: /--drop/ },
  { args: ["--window", "seconds"], says: /--window must be readings or time/ },
  ...["--smoker-window", "--food-window", "--readings-every"].flatMap((flag) =>
    ["0", "0s", "5", "2.5", "1y", ""].map((value) => ({
      args: [flag, value],
      says: new RegExp(`${flag} must be a time`),
    }))
  ),
  { args: ["--prefetch", "0"], says: /--prefetch must be a whole number from 1 to 2000/ },
  { args: ["--prefetch", "2001"], says: /--prefetch must be a whole number from 1 to 2000/ },
  { args: ["--exit-when-idle", "0"], says: /--exit-when-idle must be a time above 0/ },
  { args: ["--queue-type", "stream"], says: /--queue-type must be quorum or classic/ },
  { args: ["--url", "http://localhost"], says: /must look like amqp:/ },
  { args: ["--backtest", ""], says: /--backtest must not be empty/ },
  { args: ["--backtest", "data/none.csv"], says: /data\/none\.csv.*no such file/ },
  { args: ["--backtest", "data"], says: /folder/ },
  {
    args: ["--backtest", "/etc/hostname"],
    says: /cat \/etc\/hostname \| deno task smoker:monitor/,
  },
  { args: ["--backtest", "-", "--run", "a/b"], input: "", says: /--run must be/ },
  { args: ["--backtest", "-"], input: "", says: /empty/ },
  { args: ["--backtest", "-"], input: `${HEADER}\n`, says: /header but no rows/ },
  { args: ["--backtest", "-"], input: "time,smoker\n1,2\n", says: /no column for food-a/ },
  { args: ["--backtest", "-", "--columns", "oven=x"], input: HEADER, says: /"oven".*smoker/ },
];

e2e("misuse of the monitor is one line and exit 2", async () => {
  const check = async ({ args, input, says }: typeof MISUSE[number]) => {
    const process = new TaskProcess("smoker:monitor", args, input === undefined ? {} : { input });
    const { code, stderr } = await process.ended;
    const shown = `${args.join(" ")}: ${stderr}`;
    assert.equal(code, 2, shown);
    assert.match(stderr, says, shown);
    assert.equal(stderr.trimEnd().split("\n").length, 1, shown);
    assert.deepEqual(eventsOf(process, "reading"), [], shown);
  };
  const waiting = [...MISUSE];
  await Promise.all(Array.from({ length: 4 }, async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await check(next);
  }));
});

e2e("a backtest tells of malformed rows, judges the others and ends with 2", async () => {
  const [header, ...rows] = SHORT_COOK.trimEnd().split("\n");
  const csv = [header, ...rows.slice(0, 3), "nonsense,1,2,3", "", ...rows.slice(3)].join("\r\n");
  const process = new TaskProcess("smoker:monitor", ["--backtest", "-", "--run", "r"], {
    input: csv,
  });
  const { code } = await process.ended;
  assert.equal(code, 2);
  assert.deepEqual(eventsOf(process, "rejected").map(({ line }) => line), [5]);
  const ids = eventsOf(process, "reading").filter(({ channel }) => channel === "smoker")
    .map(({ id }) => id);
  assert.deepEqual(ids, Array.from({ length: 29 }, (_, i) => `r/${i + 1}/smoker`).toSpliced(3, 1));
  // Rows are counted with the malformed one, so ids are those of the replay.
  assert.deepEqual(alertsOf(process.events)["smoker"]?.[0], "open r/smoker/drop/7");
});

e2e("--help of both smoker tasks names every flag with its default", async () => {
  const shared = [
    ...["url", "ca", "cert", "key", "queue", "queue-type", "json", "log", "times", "quiet", "help"],
    ...["columns", "delimiter", "time-format"],
  ];
  const flags = {
    "smoker:monitor": [
      ...["channel", "drop", "stall", "window", "smoker-window", "food-window", "readings-every"],
      ...["backtest", "run", "name", "prefetch", "exit-when-idle"],
    ],
    "smoker:produce": [
      ...["file", "interval", "speed", "skip", "limit", "loop", "run", "purge", "format"],
      ...["strict", "dry-run", "admin"],
    ],
  };
  for (const [task, own] of Object.entries(flags)) {
    const { code, stdout } = await new Deno.Command("deno", {
      args: ["task", "--quiet", task, "--help"],
      env: { NO_COLOR: "1", DENO_NO_PROMPT: "1" },
    }).output();
    const text = new TextDecoder().decode(stdout);
    assert.equal(code, 0);
    assert.match(text, new RegExp(`Usage: deno task ${task} `));
    const named = [...text.matchAll(/^ {2}--([a-z-]+)/gm)].map(([, flag]) => flag);
    assert.deepEqual(named.toSorted(), [...own, ...shared].toSorted(), task);
  }
  const { code, stdout } = await new Deno.Command("deno", {
    args: ["task", "--quiet", "smoker:monitor", "--help", "--drop", "nonsense"],
    env: { NO_COLOR: "1" },
  }).output();
  assert.equal(code, 0);
  const help = new TextDecoder().decode(stdout);
  for (const fallback of ["15", "1", "time", "2.5m", "10m", "30s", "all three"]) {
    assert.ok(help.includes(`(default ${fallback})`), fallback);
  }
});
