import assert from "node:assert/strict";
import { smokerRule, type SmokerRuleOptions } from "../consumers/smoker_monitor.ts";
import { CountWindow, type Sample, type SlidingWindow, TimeWindow } from "../shared/deque.ts";
import type { Rule } from "../shared/monitor.ts";
import type { OpenEpisode } from "../shared/monitor/episode.ts";
import { type Judgement, KeyJudge, KeyState } from "../shared/monitor/judge.ts";
import { changeOf, dropRule, stallRule } from "../shared/monitor/rules.ts";
import {
  hundredths,
  parseLocalTime,
  SMOKER,
  type SmokerChannel,
  wordsOf,
} from "../shared/streams.ts";
import type { SmokerAlert } from "./e2e/alert_samples.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

/** Random numbers from 0 to 1 that a seed decides (mulberry32). */
function randomFrom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const START = Date.UTC(2021, 4, 22, 12);

/** Recorded time so many seconds after noon. */
function at(seconds: number): string {
  return new Date(START + seconds * 1_000).toISOString().replace(/(\.000)?Z$/, "");
}

/** Readings of one run, from [seconds after noon, °F], with rows from `row` on; without a run no rows. */
function readings(
  series: [seconds: number, fahrenheit: number][],
  { run = "r", row = 1 }: { run?: string | null; row?: number } = {},
): Reading[] {
  return series.map(([seconds, fahrenheit], i) => ({
    time: at(seconds),
    fahrenheit,
    ...run !== null && { run, row: row + i },
  }));
}

/** One reading every 30 s. */
function every30s(values: number[], from = 0): [number, number][] {
  return values.map((value, i) => [from + i * 30, value]);
}

/** A reading of a channel as its message has it; `run` and `row` are those of the message's id. */
interface Reading {
  readonly time: string;
  readonly fahrenheit: number;
  readonly run?: string;
  readonly row?: number;
}

/** What is said of a reading of a channel, which has one rule; the alerts as they are published. */
interface Verdict extends Pick<Judgement, "verdict" | "interleaved"> {
  readonly change: number | undefined;
  readonly alert: string | null;
  readonly alerts: readonly SmokerAlert[];
}

/** A judge of one of the smoker's channels that speaks as its messages do, and counts as a monitor does. */
class ChannelJudge {
  readonly counts = { readings: 0, alertingReadings: 0, late: 0, duplicates: 0 };
  readonly #judge: KeyJudge;

  constructor(channel: SmokerChannel, rule: Rule, state: KeyState | null) {
    const { name: stream, panel: { quantities } } = SMOKER;
    const about = { stream, key: channel, quantities, words: wordsOf(stream) };
    this.#judge = new KeyJudge(about, [rule], state);
  }

  judge({ time, fahrenheit, ...origin }: Reading): Verdict {
    const judgement = this.#judge.judge({
      time: parseLocalTime(time),
      values: [fahrenheit],
      ...origin,
    });
    const { verdict, changes, alerting, interleaved } = judgement;
    assert.equal(changes.length, 1);
    assert.ok(alerting.length <= 1);
    const [alert = null] = alerting;
    if (verdict === "late") this.counts.late++;
    else if (verdict === "duplicate") this.counts.duplicates++;
    else this.counts.readings++;
    if (alert !== null) this.counts.alertingReadings++;
    const alerts = judgement.alerts.map((alert) => wordsOf("smoker").write(alert));
    return {
      verdict,
      change: changes[0],
      alert,
      alerts: alerts as unknown as SmokerAlert[],
      interleaved,
    };
  }

  get window(): SlidingWindow<Sample> {
    return this.#only.window;
  }

  get episode(): OpenEpisode | null {
    return this.#only.episode;
  }

  save(): KeyState | null {
    return this.#judge.save();
  }

  takeEpisodes(): ReturnType<KeyJudge["takeEpisodes"]> {
    return this.#judge.takeEpisodes();
  }

  get #only() {
    const [only, ...others] = this.#judge.rules;
    assert.ok(only && others.length === 0);
    return only;
  }
}

function judgeOf(
  channel: SmokerChannel,
  options: SmokerRuleOptions = {},
  state: KeyState | null = null,
): ChannelJudge {
  return new ChannelJudge(channel, smokerRule(channel, { window: "readings", ...options }), state);
}

function judgeAll(judge: ChannelJudge, list: Reading[]): Verdict[] {
  return list.map((reading) => judge.judge(reading));
}

/** The saved state as a successor gets it: through JSON, and checked. */
function reloaded(judge: { save(): KeyState | null }): KeyState {
  return KeyState.parse(JSON.parse(JSON.stringify(judge.save())));
}

/** `late`, `duplicate`, or for a judged reading its rule or `-`. */
function told(verdicts: Verdict[]): string {
  return verdicts.map((v) => v.verdict === "judged" ? v.alert ?? "-" : v.verdict).join(" ");
}

/** `<state> <id>` of every alert. */
function alertsOf(verdicts: Verdict[]): string[] {
  return verdicts.flatMap(({ alerts }) => alerts.map(({ state, id }) => `${state} ${id}`));
}

const FALL = [115.5, 110, 110, 110, 100];
const FLAT = new Array<number>(20).fill(160);
const TIME = { window: "time" } as const;

/** What a monitor would say of it: what it judged, and all its episodes. */
function summaryOf(judge: ChannelJudge) {
  const { readings, alertingReadings } = judge.counts;
  return { readings, alertingReadings, episodes: [...judge.takeEpisodes().values()] };
}

// Rules

/** How many of a hundred readings, one a second, a rule's window holds. */
function heldBy(rule: Rule): number {
  const window = rule.window();
  for (let second = 0; second < 100; second++) window.push({ time: second * 1000, value: 0 });
  return window.size;
}

test("`smokerRule()` gives the smoker a drop over 5 readings and the foods a stall over 20", () => {
  const window = "readings";
  const smoker = smokerRule("smoker", { window });
  assert.deepEqual(
    [smoker.name, smoker.quantity, smoker.scale, smoker.spanMs, heldBy(smoker)],
    ["drop", 0, 15, 150_000, 5],
  );
  for (const channel of ["food-a", "food-b"]) {
    const food = smokerRule(channel, { window });
    assert.deepEqual(
      [food.name, food.quantity, food.scale, food.spanMs, heldBy(food)],
      ["stall", 0, 1, 600_000, 20],
    );
    assert.ok(food.window() instanceof CountWindow);
  }
  assert.ok(smokerRule("smoker").window() instanceof TimeWindow);
  assert.ok(smokerRule("food-a").window() instanceof TimeWindow);
});

test("`smokerRule()` takes thresholds and spans; a count is the nearest whole one, at least 1", () => {
  const options = {
    drop: 20,
    stall: 0.5,
    smokerWindow: 110_000,
    foodWindow: 10_000,
    readingsEvery: 30_000,
  };
  const of = (channel: string, window: "readings" | "time") => {
    const rule = smokerRule(channel, { ...options, window });
    return [rule.scale, rule.spanMs, heldBy(rule)];
  };
  assert.deepEqual(of("smoker", "readings"), [20, 110_000, 4]);
  assert.deepEqual(of("food-a", "readings"), [0.5, 10_000, 1]);
  assert.deepEqual(of("smoker", "time"), [20, 110_000, 100]);
  assert.deepEqual(of("food-a", "time"), [0.5, 10_000, 11]); // both its ends
});

test("rules refuse thresholds and times that aren't positive finite numbers", () => {
  const names = { threshold: 1, spanMs: 1000, everyMs: 1000 };
  const options: [channel: string, names: Record<string, keyof typeof names>][] = [
    ["smoker", { drop: "threshold", smokerWindow: "spanMs", readingsEvery: "everyMs" }],
    ["food-a", { stall: "threshold", foodWindow: "spanMs", readingsEvery: "everyMs" }],
  ];
  for (const bad of [0, -1, NaN, Infinity]) {
    for (const make of [dropRule, stallRule]) {
      for (const name of Object.keys(names)) {
        assert.throws(() => make({ name: "x", ...names, [name]: bad }), {
          name: "RangeError",
          message: `Cannot make rule x: ${name} must be a positive finite number, got ${bad}`,
        });
      }
    }
    for (const [channel, given] of options) {
      for (const [option, name] of Object.entries(given)) {
        assert.throws(() => smokerRule(channel, { [option]: bad }), {
          name: "RangeError",
          message: new RegExp(`: ${name} must be a positive finite number, got ${bad}$`),
        });
      }
    }
  }
});

test("a drop is a fall of more than 15.00 °F, rounded to 0.01", () => {
  const cases: [highest: number, newest: number, expected: "drop" | null][] = [
    [115, 100, null],
    [115.01, 100, "drop"],
    [114.99, 100, null],
    [115.004, 100, null],
    [115.005, 100, "drop"], // 15.004999999999995 in binary
    [115.006, 100, "drop"],
    [256.1, 241.1, null], // 15.000000000000028
    [40.1 + 0.2, 25.3, null], // 15.000000000000004
    [160, 144.99, "drop"], // 15.009999999999991
    [15.3, 0.1 + 0.2, null],
    [15.31, 0.1 + 0.2, "drop"],
    [100, 115.01, null],
  ];
  for (const [highest, newest, expected] of cases) {
    const series = every30s([newest, highest, newest, newest, newest]);
    const last = judgeAll(judgeOf("smoker"), readings(series)).at(-1);
    assert.equal(last?.alert, expected, `${highest} to ${newest}`);
  }
});

test("a stall is a spread of less than 1.00 °F, rounded to 0.01", () => {
  const cases: [low: number, high: number, expected: "stall" | null][] = [
    [160, 160, "stall"],
    [160, 160.99, "stall"],
    [160, 161, null],
    [160, 161.01, null],
    [160, 160.994, "stall"],
    [160, 160.995, null],
    [255.4, 256.4, null], // 0.9999999999999716
    [159.01, 160, "stall"], // 0.9900000000000091
    [0.1 + 0.2, 1.3, null],
    [0.1 + 0.2, 1.29, "stall"],
  ];
  for (const [low, high, expected] of cases) {
    // Neither end of the window shows the spread: the change from oldest to newest is 0.
    const values = FLAT.map((_, i) => i === 7 ? high : low);
    const [last] = judgeAll(judgeOf("food-a"), readings(every30s(values))).slice(-1);
    assert.equal(last?.alert, expected, `${low} to ${high}`);
    assert.equal(last?.change, 0);
  }
});

test("a drop looks from the highest to the newest reading, and only up to five of them", () => {
  const values = [200, 190, 180, 184, 190, 184, 174, 174, 174, 174];
  const verdicts = judgeAll(judgeOf("smoker"), readings(every30s(values)));
  // Falls from the highest of five: 10, 6, 16, 16, 16, 10.
  assert.equal(told(verdicts), "- - - - - - drop drop drop -");
  assert.deepEqual(verdicts.map((v) => v.change), [0, -10, -20, -16, -10, -6, -6, -10, -16, -10]);
});

test("`change` is newest − oldest, rounded to 0.01", () => {
  const window = smokerRule("smoker").window();
  assert.equal(changeOf(window), 0);
  window.push({ time: 0, value: 0.3 });
  window.push({ time: 1, value: 0.1 + 0.2 });
  assert.ok(Object.is(changeOf(window), 0));
  window.push({ time: 2, value: 10.456 });
  assert.equal(changeOf(window), 10.16);
  window.push({ time: 3, value: -0.714 });
  assert.equal(changeOf(window), -1.01);
});

test("`hundredths()` rounds halves away from 0, as they are written in decimal", () => {
  const cases = [[1.005, 1.01], [-1.005, -1.01], [1.0049, 1], [-0.004, 0], [8.345, 8.35]] as const;
  for (const [value, rounded] of cases) assert.ok(Object.is(hundredths(value), rounded));
});

test("counting readings, rules wait for a full window and ignore timestamps", () => {
  const fall = readings(every30s(FALL).map(([, value]) => [0, value]));
  assert.equal(told(judgeAll(judgeOf("smoker"), fall)), "- - - - drop");
  const flat = readings(every30s(FLAT).map(([seconds, value]) => [-seconds, value]));
  assert.equal(told(judgeAll(judgeOf("food-b"), flat)), "- ".repeat(19) + "stall");
});

test("by time, a drop needs no full window; the span includes both its ends", () => {
  const series: [number, number][] = [[0, 200], [1, 184], [150, 184], [151, 184], [200, 160]];
  const verdicts = judgeAll(judgeOf("smoker", TIME), readings(series));
  assert.equal(told(verdicts), "- drop drop - drop");
});

test("by time, a stall needs an oldest reading 90 % of the span before the newest", () => {
  const cases: [last: number, expected: string][] = [
    [539.999, "- - -"],
    [540, "- - stall"],
    [600, "- - stall"],
    [600.001, "- - -"], // the first has left, the second is 300.001 s old
  ];
  for (const [last, expected] of cases) {
    const series: [number, number][] = [[0, 160], [300, 160.5], [last, 160]];
    assert.equal(told(judgeAll(judgeOf("food-a", TIME), readings(series))), expected, `${last}`);
  }
});

test("by time, a gap in the readings ends a stall until the window is covered again", () => {
  const series: [number, number][] = [
    [0, 160],
    [540, 160],
    [2_000, 160],
    [2_300, 160],
    [2_540, 160],
  ];
  const verdicts = judgeAll(judgeOf("food-a", TIME), readings(series));
  assert.equal(told(verdicts), "- stall - - stall");
  assert.deepEqual(alertsOf(verdicts), [
    "open r/food-a/stall/2",
    "resolved r/food-a/stall/2",
    "open r/food-a/stall/5",
  ]);
});

// Episodes

test("an episode opens once, and resolves at the first reading for which its rule is false", () => {
  const judge = judgeOf("smoker");
  const verdicts = judgeAll(judge, readings(every30s([...FALL, 99.5, 98.25, 98, 97])));
  // Falls from the highest of five: 15.5, 10.5, 11.75, 12, 3.
  assert.equal(told(verdicts), "- - - - drop - - - -");
  const again = judgeAll(judge, readings(every30s([80, 81, 79.75, 101], 270), { row: 10 }));
  assert.equal(told(again), "drop drop drop -");
  const open = {
    id: "r/smoker/drop/10",
    channel: "smoker",
    rule: "drop",
    state: "open",
    opened: "2021-05-22T12:04:30",
    at: "2021-05-22T12:04:30",
    fahrenheit: 80,
    change: -19.5, // 99.5, 98.25, 98, 97, 80
    min: 80,
    max: 99.5,
    readings: 5,
  };
  const resolved = {
    ...open,
    state: "resolved",
    at: "2021-05-22T12:06:00",
    fahrenheit: 101,
    change: 4, // 97, 80, 81, 79.75, 101
    min: 79.75,
    max: 101,
  };
  // As text, because an alert is the same to the byte whoever sends it.
  assert.deepEqual(again.map(({ alerts }) => JSON.stringify(alerts)), [
    JSON.stringify([open]),
    "[]",
    "[]",
    JSON.stringify([resolved]),
  ]);
  assert.deepEqual(summaryOf(judge), {
    readings: 13,
    alertingReadings: 4,
    episodes: [
      {
        rule: "drop",
        opened: "2021-05-22T12:02:00",
        resolved: "2021-05-22T12:02:30",
        readings: 1,
        min: 100,
        max: 100,
      },
      {
        rule: "drop",
        opened: "2021-05-22T12:04:30",
        resolved: "2021-05-22T12:06:00",
        readings: 3,
        min: 79.75,
        max: 81,
      },
    ],
  });
});

test("`takeEpisodes()` hands out a resolved episode once, and the open one as it is now", () => {
  const judge = judgeOf("smoker");
  const ends = () => [...judge.takeEpisodes().values()].map(({ resolved }) => resolved);
  assert.deepEqual(ends(), []);
  judgeAll(judge, readings(every30s(FALL)));
  assert.deepEqual(ends(), [null]);
  assert.deepEqual(ends(), [null]);
  const settled = every30s([99, 99, 99, 99, 99], FALL.length * 30);
  judgeAll(judge, readings(settled, { row: FALL.length }));
  assert.equal(ends().length, 1);
  // A monitor that runs for years doesn't hand out, or keep, what is over again and again.
  assert.deepEqual(ends(), []);
});

test("an episode still open at the end stays open", () => {
  const judge = judgeOf("food-a");
  const verdicts = judgeAll(judge, readings(every30s([...FLAT, 160.4, 159.7])));
  assert.deepEqual(alertsOf(verdicts), ["open r/food-a/stall/20"]);
  assert.deepEqual(judge.episode, {
    id: "r/food-a/stall/20",
    rule: "stall",
    opened: at(570),
    readings: 3,
    min: 159.7,
    max: 160.4,
  });
  assert.deepEqual(summaryOf(judge).episodes, [
    { rule: "stall", opened: at(570), resolved: null, readings: 3, min: 159.7, max: 160.4 },
  ]);
});

test("a new run resolves an open episode as the old run left it, and starts an empty window", () => {
  for (const window of ["readings", "time"] as const) {
    const judge = judgeOf("smoker", { window });
    judgeAll(judge, readings(every30s(FALL)));
    const [first] = judgeAll(judge, readings([[-500, 60]], { run: "s" }));
    assert.deepEqual(first, {
      verdict: "judged",
      change: 0,
      alert: null,
      alerts: [{
        id: "r/smoker/drop/5",
        channel: "smoker",
        rule: "drop",
        state: "resolved",
        opened: at(120),
        at: at(120),
        fahrenheit: 100,
        change: -15.5,
        min: 100,
        max: 115.5,
        readings: 5,
        reason: "new run",
      }],
      interleaved: false,
    });
    assert.equal(judge.window.size, 1);
    assert.equal(summaryOf(judge).episodes[0]?.resolved, at(120));
    assert.equal(judge.episode, null);
  }
});

test("a new run whose first reading alerts at once resolves the old episode before it opens its own", () => {
  const judge = judgeOf("food-a", { foodWindow: 30_000 }); // one reading is a full window
  const verdicts = judgeAll(judge, [
    ...readings([[0, 160]]),
    ...readings([[0, 160]], { run: "s", row: 7 }),
  ]);
  assert.deepEqual(alertsOf(verdicts), [
    "open r/food-a/stall/1",
    "resolved r/food-a/stall/1",
    "open s/food-a/stall/7",
  ]);
});

test("a new run without an open episode sends nothing", () => {
  const judge = judgeOf("smoker");
  const verdicts = judgeAll(judge, [
    ...readings(every30s([100, 100])),
    ...readings(every30s([50]), { run: "s" }),
  ]);
  assert.deepEqual(alertsOf(verdicts), []);
});

// Which readings are judged

test("two runs that interleave: the one that came first is late from then on, and it is said", () => {
  const judge = judgeOf("smoker");
  const [a, b] = [readings(every30s(FALL)), readings(every30s(FALL), { run: "s" })];
  const verdicts = judgeAll(judge, a.flatMap((reading, i) => [reading, b[i] ?? reading]));
  assert.equal(told(verdicts), "- - late - late - late - late drop");
  assert.deepEqual(
    verdicts.map((v) => v.interleaved),
    [false, false, true, false, true, false, true, false, true, false],
  );
  assert.deepEqual(alertsOf(verdicts), ["open s/smoker/drop/5"]);
  assert.deepEqual(judge.counts, { readings: 6, alertingReadings: 1, late: 4, duplicates: 0 });
});

test("the last 100 runs are remembered, the ones before begin anew", () => {
  const judge = judgeOf("smoker");
  for (let i = 0; i <= 101; i++) judgeAll(judge, readings([[0, 100]], { run: `r${i}` }));
  assert.deepEqual(judge.save()?.priorRuns.length, 100);
  assert.deepEqual([judge.save()?.priorRuns[0], judge.save()?.priorRuns.at(-1)], ["r1", "r100"]);
  const again = (run: string) => told(judgeAll(judge, readings([[0, 100]], { run, row: 2 })));
  assert.equal(again("r1"), "late");
  assert.equal(again("r0"), "-");
});

test("rows not above the highest of the run are duplicates", () => {
  const judge = judgeOf("smoker");
  const list = readings(every30s(FALL));
  const verdicts = judgeAll(judge, [...list.slice(0, 4), ...list.slice(1), ...list]);
  assert.equal(
    told(verdicts),
    "- - - - " + "duplicate ".repeat(3) + "drop" + " duplicate".repeat(5),
  );
  assert.deepEqual(judge.counts, { readings: 5, alertingReadings: 1, late: 0, duplicates: 8 });
  assert.ok(verdicts.slice(8).every(({ alert, alerts }) => alert === null && alerts.length === 0));
});

test("rows may be missing: a run is resumed, or a cell was empty", () => {
  const verdicts = judgeAll(judgeOf("smoker"), [
    ...readings([[0, 120], [30, 120]], { row: 41 }),
    ...readings([[60, 120], [90, 120], [120, 100]], { row: 97 }),
  ]);
  assert.deepEqual(alertsOf(verdicts), ["open r/smoker/drop/99"]);
});

test("by time, the same time twice is a duplicate and the first counts", () => {
  const judge = judgeOf("smoker", TIME);
  const verdicts = judgeAll(judge, readings([[0, 100], [0, 300], [30, 90], [30, 50], [31, 90]]));
  assert.equal(told(verdicts), "- duplicate - duplicate -");
  assert.equal(verdicts[3]?.change, -10);
  assert.deepEqual(judge.counts, { readings: 3, alertingReadings: 0, late: 0, duplicates: 2 });
  // Their rows are taken all the same.
  assert.equal(judge.save()?.row, 5);
});

test("by time, a late reading isn't judged, but the next judged one sees it", () => {
  const judge = judgeOf("smoker", TIME);
  const series: [number, number][] = [[0, 100], [150, 100], [90, 116], [151, 100], [240, 90]];
  const verdicts = judgeAll(judge, readings([...series, [241, 90], [90, 500]]));
  assert.equal(told(verdicts), "- - late drop drop - late");
  assert.deepEqual(alertsOf(verdicts), ["open r/smoker/drop/4", "resolved r/smoker/drop/4"]);
  assert.deepEqual(verdicts[3]?.alerts[0]?.readings, 3); // 90, 150, 151
  assert.deepEqual(judge.counts, { readings: 5, alertingReadings: 2, late: 2, duplicates: 0 });
});

test("by time, a late reading resolves nothing; an older one than a span leaves no trace", () => {
  const judge = judgeOf("food-a", TIME);
  const verdicts = judgeAll(
    judge,
    readings([[0, 160], [10, 160], [600, 160], [300, 170], [-1, 50], [601, 160]]),
  );
  assert.equal(told(verdicts), "- - stall late late -");
  assert.deepEqual(alertsOf(verdicts.slice(0, 5)), ["open r/food-a/stall/3"]);
  assert.equal(verdicts[5]?.alerts[0]?.state, "resolved");
  assert.deepEqual(judge.window.items().map(({ value }) => value), [160, 170, 160, 160]);
});

test("by time, a late reading may cover the window for a stall", () => {
  const series: [number, number][] = [[600, 160], [1_000, 160], [500, 160], [1_040, 160]];
  const verdicts = judgeAll(judgeOf("food-a", TIME), readings(series));
  assert.equal(told(verdicts), "- - late stall");
});

// Readings without a message id

test("without a run nothing is deduplicated by row, and rows are counted for the alert's id", () => {
  const judge = judgeOf("smoker");
  const list = readings(every30s([200, 200, 200, 200, 200]), { run: null });
  const fall = readings([[150, 150]], { run: null });
  const verdicts = judgeAll(judge, [...list, ...list, ...fall]);
  assert.equal(told(verdicts), "- ".repeat(10) + "drop");
  assert.deepEqual(alertsOf(verdicts), ["open unnumbered@2021-05-22T12:00:00/smoker/drop/11"]);
});

test("without a run, a time more than an hour behind the newest is a new one", () => {
  const judge = judgeOf("smoker");
  const fall = readings(every30s(FALL, 7_200), { run: null });
  assert.deepEqual(alertsOf(judgeAll(judge, fall)), [
    "open unnumbered@2021-05-22T14:00:00/smoker/drop/5",
  ]);
  const run = () => judge.save()?.run;
  judgeAll(judge, readings([[7_320 - 3_600, 100]], { run: null }));
  assert.equal(run(), "unnumbered@2021-05-22T14:00:00", "an hour exactly");
  judgeAll(judge, readings(every30s(FALL, 7_200), { run: null }));
  const [first] = judgeAll(judge, readings([[7_319 - 3_600, 100]], { run: null }));
  assert.equal(run(), "unnumbered@2021-05-22T13:01:59", "an hour and a second");
  assert.equal(judge.save()?.row, 1);
  assert.deepEqual(first?.alerts.map(({ id, reason }) => [id, reason]), [
    ["unnumbered@2021-05-22T14:00:00/smoker/drop/11", "new run"],
  ]);
});

test("without a run, the same cook again gets a name of its own", () => {
  const judge = judgeOf("smoker", { smokerWindow: 30_000 });
  const cook = readings([[0, 100], [3_601, 100]], { run: null });
  const names = [1, 2, 3].map(() => (judgeAll(judge, cook), judge.save()?.run));
  const name = "unnumbered@2021-05-22T12:00:00";
  assert.deepEqual(names, [name, `${name}~2`, `${name}~3`]);
  // The newest name goes on counting when the oldest is long forgotten.
  for (let i = 4; i <= 130; i++) judgeAll(judge, cook);
  assert.equal(judge.save()?.run, `${name}~130`);
});

test("a reading without a run among numbered ones belongs to them and takes no row", () => {
  const judge = judgeOf("smoker");
  const verdicts = judgeAll(judge, [
    ...readings(every30s([200, 200, 200, 200])),
    ...readings([[95, 180]], { run: null }),
    ...readings(every30s([200, 200], 120), { row: 5 }),
    ...readings([[-3_460, 180]], { run: null }),
  ]);
  assert.equal(told(verdicts), "- - - - drop - - -");
  assert.equal(verdicts[4]?.alerts[0]?.id, "r/smoker/drop/2021-05-22T12:01:35");
  assert.equal(judge.save()?.run, "unnumbered@2021-05-22T11:02:20");
  assert.equal(told(judgeAll(judge, readings([[180, 200]], { row: 7 }))), "late");
});

test("a numbered reading after ones without a run begins a new cook", () => {
  const judge = judgeOf("smoker");
  judgeAll(judge, readings(every30s(FALL), { run: null }));
  const [first] = judgeAll(judge, readings([[150, 100]]));
  assert.equal(first?.alerts[0]?.reason, "new run");
  assert.deepEqual([judge.save()?.run, judge.window.size], ["r", 1]);
});

// State

test("`save()` is null before the first reading, then all that a successor needs", () => {
  const judge = judgeOf("smoker");
  assert.equal(judge.save(), null);
  judgeAll(judge, readings([[0, 90]], { run: "q" }));
  judgeAll(judge, readings(every30s([130, ...FALL])));
  assert.equal(
    JSON.stringify(judge.save()),
    '{"run":"r","row":6,"priorRuns":["q"],"window":[[1621684830000,115.5],[1621684860000,110],' +
      "[1621684890000,110],[1621684920000,110],[1621684950000,100]]," +
      '"episode":{"id":"r/smoker/drop/5","rule":"drop","opened":"2021-05-22T12:02:00",' +
      '"readings":2,"min":100,"max":110}}',
  );
  assert.equal(JSON.stringify(reloaded(judge)), JSON.stringify(judge.save()));
});

test("a saved state doesn't change when its judge goes on", () => {
  const judge = judgeOf("smoker");
  judgeAll(judge, readings(every30s([130, ...FALL])));
  const saved = judge.save();
  const before = JSON.stringify(saved);
  judgeAll(judge, [...readings([[180, 90]], { row: 7 }), ...readings([[0, 90]], { run: "s" })]);
  assert.equal(JSON.stringify(saved), before);
});

test("an episode's figures survive a restart, the counters begin anew", () => {
  const first = judgeOf("smoker");
  judgeAll(first, readings(every30s([130, ...FALL])));
  const successor = judgeOf("smoker", {}, reloaded(first));
  assert.deepEqual(summaryOf(successor), { readings: 0, alertingReadings: 0, episodes: [] });
  assert.equal(successor.episode?.id, "r/smoker/drop/5");
  const rest = readings([[180, 94.9], [210, 99]], { row: 7 });
  assert.deepEqual(alertsOf(judgeAll(successor, rest)), ["resolved r/smoker/drop/5"]);
  assert.deepEqual(summaryOf(successor), {
    readings: 2,
    alertingReadings: 1,
    episodes: [
      { rule: "drop", opened: at(120), resolved: at(210), readings: 3, min: 94.9, max: 110 },
    ],
  });
});

test("a successor has an episode in its summary only once it judged a reading of it", () => {
  const first = judgeOf("smoker");
  judgeAll(first, readings(every30s([130, ...FALL])));
  const successor = judgeOf("smoker", {}, reloaded(first));
  judgeAll(successor, readings(every30s([130, ...FALL])));
  assert.equal(successor.counts.duplicates, 6);
  assert.deepEqual(summaryOf(successor).episodes, []);
  judgeAll(successor, readings([[180, 90]], { row: 7 }));
  assert.deepEqual(summaryOf(successor).episodes.map(({ readings }) => readings), [3]);
});

test("a state saved under a longer window keeps what fits the shorter one", () => {
  const first = judgeOf("smoker");
  judgeAll(first, readings(every30s(FALL)));
  for (const window of ["readings", "time"] as const) {
    const options = { window, smokerWindow: 60_000, readingsEvery: 20_000 };
    const successor = judgeOf("smoker", options, reloaded(first));
    assert.deepEqual(successor.window.items().map(({ value }) => value), [110, 110, 100]);
  }
});

test("`KeyState` refuses what no judge saved", () => {
  const judge = judgeOf("smoker");
  judgeAll(judge, readings(every30s([130, ...FALL])));
  const good = reloaded(judge);
  assert.ok("window" in good);
  assert.ok(KeyState.safeParse(good).success);
  const bad = [
    null,
    {},
    [],
    { ...good, run: 1 },
    { ...good, row: "6" },
    { ...good, priorRuns: [1] },
    { ...good, window: [] },
    { ...good, window: [[0, null]] },
    { ...good, window: [[0, 1, 2]] },
    { ...good, episode: undefined },
    { ...good, episode: { ...good.episode, rule: 1 } },
    { ...good, episode: { ...good.episode, min: null } },
  ];
  for (const state of bad) {
    assert.equal(KeyState.safeParse(state).success, false, JSON.stringify(state));
  }
});

test("`judge()` refuses a time or a value that isn't one, and stays as it was", () => {
  const quantities = [{ name: "fahrenheit", unit: "°F" }];
  const about = { stream: "smoker", key: "smoker", quantities, words: wordsOf("smoker") };
  for (const window of ["readings", "time"] as const) {
    const judge = new KeyJudge(about, [smokerRule("smoker", { window })]);
    judge.judge({ time: START, values: [100], run: "r", row: 1 });
    const before = JSON.stringify(judge.save());
    const time = START + 30_000;
    const bad: [reading: { time: number; values: number[] }, message: RegExp][] = [
      [{ time, values: [NaN] }, /^Cannot judge a reading: a value .* finite number .*, got NaN$/],
      [{ time, values: [Infinity] }, /got Infinity$/],
      [{ time, values: [1, -Infinity] }, /got -Infinity$/],
      [{ time: NaN, values: [1] }, /^Cannot judge a reading: the time .* years .*, got NaN /],
      [{ time: Infinity, values: [1] }, /got Infinity /],
      [{ time: 9e15, values: [1] }, /got 9000000000000000 /],
      [{ time, values: [1e16] }, /up to 1e15, got 10000000000000000$/],
    ];
    for (const [reading, message] of bad) {
      for (const id of [{ run: "r", row: 2 }, { run: "s", row: 1 }, {}]) {
        assert.throws(() => judge.judge({ ...reading, ...id }), { name: "RangeError", message });
      }
    }
    assert.equal(JSON.stringify(judge.save()), before);
  }
});

test("an episode of a rule that the judge doesn't have ends with the next reading", () => {
  const first = judgeOf("smoker");
  judgeAll(first, readings(every30s(FALL)));
  const state = reloaded(first);
  assert.ok("window" in state && state.episode);
  const successor = judgeOf("smoker", {}, {
    ...state,
    episode: { ...state.episode, rule: "rise" },
  });
  assert.equal(successor.episode, null);
  assert.equal(successor.window.size, 5);
  // Until then it is saved with the rest.
  assert.deepEqual(successor.save(), { ...state, episode: { ...state.episode, rule: "rise" } });
  const [next, other] = judgeAll(successor, readings([[150, 99], [180, 99]], { row: 6 }));
  const ended = next?.alerts.map(({ id, rule, state, at }) => [id, rule, state, at.slice(11)]);
  assert.deepEqual(ended, [["r/smoker/drop/5", "rise", "resolved", "12:02:30"]]);
  assert.deepEqual(other?.alerts, []);
});

test("fractions of a second stay in an alert's times", () => {
  const judge = judgeOf("smoker", TIME);
  const verdicts = judgeAll(judge, readings([[0, 200], [0.25, 180]]));
  assert.equal(verdicts[1]?.alerts[0]?.opened, "2021-05-22T12:00:00.250");
});

// Random series

/** A cook with every nuisance: walks, falls, pauses, late and equal times, rows again, several runs, no runs. */
function randomCook(random: () => number, { numbered }: { numbered: boolean }): Reading[] {
  const list: Reading[] = [];
  let [run, row, seconds, hundredthsF] = [1, 0, 40_000, 16_000];
  const length = 40 + Math.floor(random() * 80);
  for (let i = 0; i < length; i++) {
    if (random() < 0.02) {
      [run, row] = [run + 1, 0];
      if (random() < 0.5) seconds -= 5_000;
    }
    row += random() < 0.05 ? 3 : 1;
    seconds += random() < 0.05 ? 700 : Math.floor(random() * 60);
    hundredthsF += random() < 0.1
      ? Math.floor(random() * 4_000) - 2_000
      : Math.floor(random() * 61) - 30;
    const late = random() < 0.15 ? Math.floor(random() * 200) : 0;
    const fahrenheit = hundredthsF / 100;
    const again = random() < 0.05 ? Math.min(row - 1, 3) : 0;
    const of = random() < 0.04 && run > 1 ? run - 1 : run;
    const time = at(seconds - late);
    const without = !numbered && random() < 0.6;
    list.push(
      without ? { time, fahrenheit } : { time, fahrenheit, run: `r${of}`, row: row - again },
    );
  }
  return list;
}

/** Whether a rule is true by a look at all of the window, in whole hundredths of a degree. */
function naiveRule(rule: string, mode: string, window: [time: number, f: number][]): boolean {
  const values = window.map(([, value]) => Math.round(value * 100));
  const max = Math.max(...values);
  if (rule === "drop") {
    if (mode === "readings" && window.length < 5) return false;
    return max - (values.at(-1) ?? NaN) > 1_500;
  }
  const covered = (window.at(-1)?.[0] ?? NaN) - (window[0]?.[0] ?? NaN);
  const full = mode === "readings" ? window.length === 20 : covered >= 540_000;
  return full && max - Math.min(...values) < 100;
}

/** The design's table, read literally, over every reading of the run each time; for numbered readings. */
function naive(channel: SmokerChannel, mode: "readings" | "time", list: Reading[]) {
  const rule = channel === "smoker" ? "drop" : "stall";
  const [span, count] = channel === "smoker" ? [150_000, 5] : [600_000, 20];
  const runs: string[] = [];
  let [row, open, counted] = [0, "", [] as [time: number, f: number][]];
  const lines: string[] = [];
  for (const { time: local, fahrenheit, run = "", row: itsRow = 0 } of list) {
    const time = Date.parse(`${local}Z`);
    if (!runs.includes(run)) {
      if (open) lines.push(`resolved ${open} new run`);
      runs.push(run);
      [row, open, counted] = [0, "", []];
    } else if (run !== runs.at(-1)) {
      lines.push("late");
      continue;
    }
    if (itsRow <= row) {
      lines.push("duplicate");
      continue;
    }
    row = itsRow;
    if (mode === "time") {
      const newest = Math.max(...counted.map(([time]) => time));
      const known = counted.some(([other]) => other === time && other >= newest - span);
      if (known || time < newest) {
        if (!known && time >= newest - span) counted.push([time, fahrenheit]);
        lines.push(known ? "duplicate" : "late");
        continue;
      }
    }
    counted.push([time, fahrenheit]);
    const window = mode === "readings"
      ? counted.slice(-count)
      : counted.filter(([other]) => other >= time - span).sort(([a], [b]) => a - b);
    const alert = naiveRule(rule, mode, window);
    const change = (window.at(-1)?.[1] ?? NaN) - (window[0]?.[1] ?? NaN);
    const figures = `${Math.min(...window.map(([, f]) => f))} ${window.length}`;
    if (alert && !open) {
      open = `${run}/${channel}/${rule}/${row}`;
      lines.push(`open ${open} ${figures}`);
    } else if (!alert && open) {
      lines.push(`resolved ${open} ${figures}`);
      open = "";
    }
    lines.push(`${alert ? rule : "-"} ${Math.round(change * 100)}`);
  }
  return lines;
}

/** What a judge said, in the words of {@link naive}. */
function linesOf({ verdict, alerts, alert, change }: Verdict): string[] {
  const sent = alerts.map(({ state, id, min, readings, reason }) =>
    `${state} ${id} ${reason ?? `${min} ${readings}`}`
  );
  return [
    ...sent,
    verdict === "judged" ? `${alert ?? "-"} ${Math.round((change ?? NaN) * 100)}` : verdict,
  ];
}

test("verdicts and alerts equal those of a naive judge over random cooks", () => {
  const random = randomFrom(11);
  const seen = new Map<string, number>();
  for (let cook = 0; cook < 1_500; cook++) {
    const list = randomCook(random, { numbered: true });
    for (const channel of ["smoker", "food-a"] as const) {
      for (const window of ["readings", "time"] as const) {
        const lines = judgeAll(judgeOf(channel, { window }), list).flatMap(linesOf);
        assert.deepEqual(
          lines,
          naive(channel, window, list),
          `cook ${cook}, ${channel}, ${window}`,
        );
        for (const line of lines) {
          const kind = line.endsWith("new run") ? "new run" : line.split(" ")[0] ?? "";
          seen.set(kind, (seen.get(kind) ?? 0) + 1);
        }
      }
    }
  }
  for (const kind of ["drop", "stall", "open", "resolved", "new run", "late", "duplicate"]) {
    assert.ok((seen.get(kind) ?? 0) > 200, `too few of ${kind}: ${seen.get(kind)}`);
  }
});

test("a judge restored between any two readings goes on as if nothing had happened", () => {
  const random = randomFrom(12);
  for (let cook = 0; cook < 800; cook++) {
    const list = randomCook(random, { numbered: cook % 2 === 0 });
    for (const channel of ["smoker", "food-a"] as const) {
      for (const window of ["readings", "time"] as const) {
        const undisturbed = judgeOf(channel, { window });
        let judge = judgeOf(channel, { window });
        const odds = [0.02, 0.3, 1][cook % 3] ?? 1;
        for (const [i, reading] of list.entries()) {
          const expected = undisturbed.judge(reading);
          const context = `cook ${cook}, ${channel}, ${window}, reading ${i}`;
          assert.equal(JSON.stringify(judge.judge(reading)), JSON.stringify(expected), context);
          assert.equal(JSON.stringify(judge.save()), JSON.stringify(undisturbed.save()), context);
          if (random() < odds) judge = judgeOf(channel, { window }, reloaded(judge));
        }
      }
    }
  }
});
