import assert from "node:assert/strict";
import { seededRandom } from "../data/seeded_random.ts";
import { type Judgement, KeyJudge, KeyState, type NewReading } from "../shared/monitor/judge.ts";
import { dropRule, type Rule, stallRule } from "../shared/monitor/rules.ts";
import { alertWords, formatLocalTime } from "../shared/streams.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

const START = Date.UTC(2021, 4, 22, 12);
const MINUTE = 60_000;

const QUANTITIES = [{ name: "temperature", unit: "°C" }, { name: "humidity", unit: "%" }] as const;

/** The temperature has two rules, which share its window; the humidity has one. */
const DROP = dropRule({ name: "drop", threshold: 5, spanMs: 5 * MINUTE });
const HOT: Rule = { ...DROP, name: "hot", isTrue: ({ newest }) => (newest?.value ?? 0) > 30 };
const STALL = stallRule({ name: "stall", quantity: 1, threshold: 2, spanMs: 10 * MINUTE });
const RULES = [DROP, HOT, STALL];

function judgeOf(rules: readonly Rule[] = RULES, state: KeyState | null = null): KeyJudge {
  const about = { stream: "greenhouse", key: "bed-1", quantities: QUANTITIES, words: alertWords() };
  return new KeyJudge(about, rules, state);
}

/** Readings of one run, from [minutes after noon, °C or null, % or null]. */
function readings(
  series: [minutes: number, temperature: number | null, humidity: number | null][],
  { run = "r", row = 1 } = {},
): NewReading[] {
  return series.map(([minutes, ...values], index) => ({
    time: START + minutes * MINUTE,
    values,
    run,
    row: row + index,
  }));
}

function judgeAll(judge: KeyJudge, list: NewReading[]): Judgement[] {
  return list.map((reading) => judge.judge(reading));
}

/** `late`, `duplicate`, or for a judged reading its rules or `-`. */
function verdictsOf(judgements: Judgement[]): string {
  return judgements.map(({ verdict, alerting }) =>
    verdict === "judged" ? alerting.join("+") || "-" : verdict
  ).join(" ");
}

/** `<state> <id>` of every alert. */
function alertsOf(judgements: Judgement[]): string[] {
  return judgements.flatMap(({ alerts }) => alerts.map(({ state, id }) => `${state} ${id}`));
}

/** The saved state as a successor gets it: through JSON, and checked. */
function reloaded(judge: KeyJudge): KeyState {
  return KeyState.parse(JSON.parse(JSON.stringify(judge.save())));
}

test("each quantity has its window, each rule its episode, and ids begin with the stream", () => {
  const judge = judgeOf();
  const judgements = judgeAll(
    judge,
    readings([[0, 29, 60], [5, 31, 61], [10, 25, 60.5], [12, 32, 61], [15, 20, 70]]),
  );
  assert.equal(verdictsOf(judgements), "- hot drop+stall hot drop");
  assert.deepEqual(judgements.map(({ changes }) => changes), [
    [0, 0],
    [2, 1],
    [-6, 0.5],
    [7, 0],
    [-5, 9],
  ]);
  assert.deepEqual(alertsOf(judgements), [
    "open greenhouse/r/bed-1/hot/2",
    "open greenhouse/r/bed-1/drop/3",
    "resolved greenhouse/r/bed-1/hot/2",
    "open greenhouse/r/bed-1/stall/3",
    "resolved greenhouse/r/bed-1/drop/3",
    "open greenhouse/r/bed-1/hot/4",
    "resolved greenhouse/r/bed-1/stall/3",
    "open greenhouse/r/bed-1/drop/5",
    "resolved greenhouse/r/bed-1/hot/4",
  ]);
  assert.deepEqual(judgements[2]?.alerts[2], {
    stream: "greenhouse",
    id: "greenhouse/r/bed-1/stall/3",
    key: "bed-1",
    rule: "stall",
    state: "open",
    opened: "2021-05-22T12:10:00",
    at: "2021-05-22T12:10:00",
    quantity: "humidity",
    unit: "%",
    value: 60.5,
    change: 0.5,
    min: 60,
    max: 61,
    mean: 60.5,
    readings: 3,
  });
  assert.deepEqual(
    judge.rules.map(({ rule, window, episode }) => [rule.name, window.size, episode?.id]),
    [
      ["drop", 3, "greenhouse/r/bed-1/drop/5"],
      ["hot", 3, undefined],
      ["stall", 4, undefined],
    ],
  );
});

test("a quantity that wasn't measured keeps its window and its episodes as they are", () => {
  const judge = judgeOf();
  const judgements = judgeAll(
    judge,
    readings([[0, 31, null], [1, null, 60], [2, null, null], [3, 20, null], [4, null, 61]]),
  );
  assert.equal(verdictsOf(judgements), "hot - - drop -");
  assert.deepEqual(alertsOf(judgements), [
    "open greenhouse/r/bed-1/hot/1",
    "open greenhouse/r/bed-1/drop/4",
    "resolved greenhouse/r/bed-1/hot/1",
  ]);
  assert.deepEqual(judgements.at(-1)?.changes, [-11, 1]);
});

test("a reading without any value takes its row, and a new run begins with it", () => {
  const judge = judgeOf();
  judgeAll(judge, readings([[0, 31, 60]]));
  const [empty] = judgeAll(judge, readings([[1, null, null]], { run: "s" }));
  assert.equal(empty?.verdict, "judged");
  // The alert that the old run left open isn't lost with it.
  assert.deepEqual(empty?.alerts.map(({ id, state, reason }) => [id, state, reason]), [
    ["greenhouse/r/bed-1/hot/1", "resolved", "new run"],
  ]);
  assert.deepEqual(empty?.changes, [0, 0]);
  assert.deepEqual([judge.save()?.run, judge.save()?.row], ["s", 1]);
  assert.equal(reloaded(judge).run, "s");
  assert.equal(verdictsOf(judgeAll(judge, readings([[1, 20, 60]], { run: "s" }))), "duplicate");
});

test("what is late for one quantity may be new to another: only that one's rules look at it", () => {
  const judge = judgeOf();
  const judgements = judgeAll(
    judge,
    readings([[10, 32, null], [5, 20, 60], [5, 20, 60], [4, 20, 60], [10, 32, 61], [11, 20, 61]]),
  );
  assert.equal(verdictsOf(judgements), "hot - duplicate late - drop");
  assert.deepEqual(alertsOf(judgements), [
    "open greenhouse/r/bed-1/hot/1",
    "open greenhouse/r/bed-1/drop/6",
    "resolved greenhouse/r/bed-1/hot/1",
  ]);
});

test("at a new run all episodes are resolved, in the order of the rules, before new ones open", () => {
  const judgements = judgeAll(judgeOf(), [
    ...readings([[0, 50, 60], [9, 40, 60], [10, 34, 60]]),
    ...readings([[0, 35, 60]], { run: "s" }),
  ]);
  assert.equal(verdictsOf(judgements), "hot hot+stall drop+hot+stall hot");
  assert.deepEqual(alertsOf(judgements.slice(3)), [
    "resolved greenhouse/r/bed-1/drop/3",
    "resolved greenhouse/r/bed-1/hot/1",
    "resolved greenhouse/r/bed-1/stall/2",
    "open greenhouse/s/bed-1/hot/1",
  ]);
});

test("readings without rows belong to the run unless they are an hour behind the newest of all", () => {
  const judge = judgeOf();
  const unnumbered = (series: Parameters<typeof readings>[0]) =>
    readings(series).map(({ time, values }) => ({ time, values }));
  judgeAll(judge, unnumbered([[120, 20, null], [70, null, 60], [60, 20, 60]]));
  assert.equal(judge.save()?.run, "unnumbered@2021-05-22T14:00:00");
  judgeAll(judge, unnumbered([[59, null, 60]]));
  assert.equal(judge.save()?.run, "unnumbered@2021-05-22T12:59:00");
});

test("the state of several rules has windows by quantity and episodes by rule", () => {
  const judge = judgeOf();
  assert.equal(judge.save(), null);
  judgeAll(judge, readings([[0, 31, 60], [1, 31.5, null]]));
  const time = (minutes: number) => START + minutes * MINUTE;
  assert.equal(
    JSON.stringify(judge.save()),
    JSON.stringify({
      ...{ run: "r", row: 2, priorRuns: [] },
      windows: {
        temperature: [[time(0), 31], [time(1), 31.5]],
        humidity: [[time(0), 60]],
      },
      episodes: {
        hot: {
          id: "greenhouse/r/bed-1/hot/1",
          rule: "hot",
          opened: formatLocalTime(time(0)),
          readings: 2,
          min: 31,
          max: 31.5,
        },
      },
    }),
  );
  const good = reloaded(judge);
  assert.deepEqual(good, judge.save());
  const bad = [
    { ...good, windows: undefined },
    { ...good, windows: [] },
    { ...good, windows: { temperature: [[0, null]] } },
    { ...good, episodes: undefined },
    { ...good, episodes: { hot: null } },
    { ...good, episodes: { hot: { id: "x" } } },
    { ...good, priorRuns: null },
  ];
  for (const state of bad) {
    assert.equal(KeyState.safeParse(state).success, false, JSON.stringify(state));
  }
});

test("a state saved under other rules keeps what fits: windows by quantity, episodes by rule", () => {
  const list = readings([[0, 31, 60], [1, 31.5, 61]]);
  const sizes = (judge: KeyJudge) =>
    judge.rules.map(({ rule, window, episode }) => [rule.name, window.size, episode?.readings]);
  const of = (rules: Rule[]) => {
    const judge = judgeOf(rules);
    judgeAll(judge, list);
    return judge;
  };
  // A rule is added, of the same quantity or of another one.
  assert.deepEqual(sizes(judgeOf([HOT, DROP], reloaded(of([HOT])))), [
    ["hot", 2, 2],
    ["drop", 2, undefined],
  ]);
  assert.deepEqual(sizes(judgeOf(RULES, reloaded(of([HOT])))), [
    ["drop", 2, undefined],
    ["hot", 2, 2],
    ["stall", 0, undefined],
  ]);
  assert.deepEqual(sizes(judgeOf(RULES, reloaded(of([STALL])))), [
    ["drop", 0, undefined],
    ["hot", 0, undefined],
    ["stall", 2, undefined],
  ]);
  // One is taken away.
  assert.deepEqual(sizes(judgeOf([HOT], reloaded(of(RULES)))), [["hot", 2, 2]]);
  assert.deepEqual(sizes(judgeOf([STALL], reloaded(of(RULES)))), [["stall", 2, undefined]]);
});

test("a state with one quantity's window goes to the first of several quantities only", () => {
  const about = { stream: "g", key: "k", quantities: [QUANTITIES[0]], words: alertWords() };
  const one = new KeyJudge(about, [HOT]);
  judgeAll(one, readings([[0, 31, null]]));
  assert.ok("window" in reloaded(one));
  const several = judgeOf(RULES, reloaded(one));
  assert.deepEqual(several.rules.map(({ window }) => window.size), [1, 1, 0]);
  assert.equal(several.rules[1]?.episode?.rule, "hot");
});

test("`KeyJudge` refuses rules of one quantity whose windows differ", () => {
  const long = { ...HOT, spanMs: 2 * HOT.spanMs };
  assert.throws(() => judgeOf([DROP, long]), {
    name: "RangeError",
    message: "Cannot judge temperature: its rules must have windows of one length",
  });
  assert.doesNotThrow(() => judgeOf([DROP, { ...long, quantity: 1 }]));
});

test("`takeEpisodes()` hands out what was resolved once, and every open one as it is now", () => {
  const judge = judgeOf();
  const taken = () =>
    [...judge.takeEpisodes().values()].map(({ rule, resolved, readings }) => [
      rule,
      resolved && resolved.slice(-8),
      readings,
    ]);
  assert.deepEqual(taken(), []);
  judgeAll(judge, readings([[0, 31, 60], [9, 40, 60], [10, 34, 60]]));
  assert.deepEqual(taken(), [["drop", null, 1], ["hot", null, 3], ["stall", null, 2]]);
  judgeAll(judge, readings([[11, 20, 90]], { row: 4 }));
  assert.deepEqual(taken(), [
    ["hot", "12:11:00", 3],
    ["stall", "12:11:00", 2],
    ["drop", null, 2],
  ]);
  assert.deepEqual(taken(), [["drop", null, 2]]);
});

/** Whose judges must go on as if nothing had happened. */
const RULE_SETS = [
  RULES,
  [DROP, { ...HOT, forMs: 2 * MINUTE }, { ...STALL, forMs: 3 * MINUTE }],
  [{ ...HOT, forMs: 90_000 }],
  [STALL],
];

// Random series

/** Rows with every nuisance: values that are missing, late and equal times, rows again, several runs, no runs. */
function randomRows(random: () => number, { numbered }: { numbered: boolean }): NewReading[] {
  let [run, row, seconds, temperature, humidity] = [1, 0, 40_000, 2800, 6000];
  const step = (most: number) => Math.floor(random() * (2 * most + 1)) - most;
  return Array.from({ length: 40 + Math.floor(random() * 80) }, () => {
    if (random() < 0.02) {
      [run, row] = [run + 1, 0];
      if (random() < 0.5) seconds -= 5000;
    }
    row++;
    seconds += random() < 0.05 ? 700 : Math.floor(random() * 90);
    temperature = Math.min(4000, Math.max(2000, temperature + step(random() < 0.2 ? 600 : 60)));
    humidity += step(random() < 0.1 ? 600 : 20);
    const late = random() < 0.15 ? Math.floor(random() * 200) : 0;
    const again = random() < 0.05 ? Math.min(row - 1, 3) : 0;
    const of = random() < 0.04 && run > 1 ? run - 1 : run;
    const reading = {
      time: START + (seconds - late) * 1000,
      values: [
        random() < 0.3 ? null : temperature / 100,
        random() < 0.3 ? null : humidity / 100,
      ],
    };
    const without = !numbered && random() < 0.6;
    return without ? reading : { ...reading, run: `r${of}`, row: row - again };
  });
}

/** Whether a rule is true by a look at all of the window, in whole hundredths. */
function naiveRule(rule: string, window: [time: number, value: number][]): boolean {
  const values = window.map(([, value]) => Math.round(value * 100));
  const newest = values.at(-1) ?? NaN;
  if (rule === "hot") return newest > 3000;
  if (rule === "drop") return Math.max(...values) - newest > 500;
  const covered = (window.at(-1)?.[0] ?? NaN) - (window[0]?.[0] ?? NaN);
  return covered >= 540_000 && Math.max(...values) - Math.min(...values) < 200;
}

/** What must come of numbered readings, looking at every reading of the run each time. */
function naive(list: NewReading[]): string[] {
  const rules = [["drop", 0], ["hot", 0], ["stall", 1]] as const;
  const spans = [5 * MINUTE, 10 * MINUTE];
  const runs: string[] = [];
  const open = new Map<string, string>();
  const lines: string[] = [];
  let row = 0;
  let taken: [time: number, value: number][][] = [];
  const windowOf = (quantity: number) => {
    const known = taken[quantity] ?? [];
    const newest = Math.max(...known.map(([time]) => time));
    return known.filter(([time]) => time >= newest - (spans[quantity] ?? NaN))
      .sort(([a], [b]) => a - b);
  };
  for (const { time, values, run = "", row: itsRow = 0 } of list) {
    if (!runs.includes(run)) {
      for (const [rule] of rules) if (open.has(rule)) lines.push(`resolved ${open.get(rule)}`);
      runs.push(run);
      open.clear();
      [row, taken] = [0, [[], []]];
    } else if (run !== runs.at(-1)) {
      lines.push("late");
      continue;
    }
    if (itsRow <= row) {
      lines.push("duplicate");
      continue;
    }
    row = itsRow;
    const found = values.map((value, quantity) => {
      if (value === null) return undefined;
      const window = windowOf(quantity);
      const newest = window.at(-1)?.[0] ?? -Infinity;
      if (window.some(([known]) => known === time)) return "duplicate";
      if (time >= newest - (spans[quantity] ?? NaN)) taken[quantity]?.push([time, value]);
      return time > newest ? "added" : "late";
    });
    const [first] = found.filter((one) => one !== undefined);
    if (first && !found.includes("added")) {
      lines.push(first);
      continue;
    }
    const alerting = rules.filter(([rule, quantity]) => {
      if (found[quantity] !== "added") return false;
      const isTrue = naiveRule(rule, windowOf(quantity));
      const id = open.get(rule) ?? `greenhouse/${run}/bed-1/${rule}/${row}`;
      if (isTrue && !open.has(rule)) lines.push(`open ${id}`);
      if (!isTrue && open.has(rule)) lines.push(`resolved ${id}`);
      if (isTrue) open.set(rule, id);
      else open.delete(rule);
      return isTrue;
    });
    const changes = [0, 1].map((quantity) => {
      const window = windowOf(quantity);
      return Math.round(((window.at(-1)?.[1] ?? 0) - (window[0]?.[1] ?? 0)) * 100);
    });
    lines.push(`${alerting.map(([rule]) => rule).join("+") || "-"} ${changes}`);
  }
  return lines;
}

/** What a judge said, in the words of {@link naive}. */
function linesOf({ verdict, alerts, alerting, changes }: Judgement): string[] {
  const hundreds = changes.map((change) => Math.round(change * 100));
  return [
    ...alerts.map(({ state, id }) => `${state} ${id}`),
    verdict === "judged" ? `${alerting.join("+") || "-"} ${hundreds}` : verdict,
  ];
}

test("judgements and alerts equal those of a naive judge over random rows", () => {
  const random = seededRandom(21);
  const seen = new Map<string, number>();
  for (let series = 0; series < 1500; series++) {
    const list = randomRows(random, { numbered: true });
    const lines = judgeAll(judgeOf(), list).flatMap(linesOf);
    assert.deepEqual(lines, naive(list), `series ${series}`);
    for (const line of lines) {
      const kind = line.split(" ")[0] ?? "";
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
    }
  }
  const kinds = ["drop", "hot", "stall", "drop+hot", "drop+stall", "hot+stall", "drop+hot+stall"];
  for (const kind of [...kinds, "open", "resolved", "late", "duplicate"]) {
    assert.ok((seen.get(kind) ?? 0) > 50, `too few of ${kind}: ${seen.get(kind)}`);
  }
});

test("a rule that must last opens when it has been true without a break for so long", () => {
  const lasting = { ...HOT, name: "lasting", forMs: 3 * MINUTE };
  const series: Parameters<typeof readings>[0] = [
    ...[[0, 31, 60], [2, 31, 60], [2.5, 29, 60], [3, 31, 60], [5, null, 60]] as const,
    ...[[5.9, 31, 60], [6, 31, 60], [8, 31, 60], [9, 30, 60], [9.5, 31, 60]] as const,
  ].map(([minutes, ...values]) => [minutes, ...values]);
  const judgements = judgeAll(judgeOf([lasting]), readings(series));
  assert.equal(verdictsOf(judgements), "- - - - - - lasting lasting - -");
  assert.deepEqual(alertsOf(judgements), [
    "open greenhouse/r/bed-1/lasting/7",
    "resolved greenhouse/r/bed-1/lasting/7",
  ]);
  // Another run's time doesn't count.
  const judge = judgeOf([lasting]);
  judgeAll(judge, readings([[0, 31, 60]]));
  assert.equal(verdictsOf(judgeAll(judge, readings([[60, 31, 60]], { run: "s" }))), "-");
});

test("a judge of several rules restored between any two readings goes on as if nothing had happened", () => {
  const random = seededRandom(22);
  for (let series = 0; series < 600; series++) {
    const list = randomRows(random, { numbered: series % 2 === 0 });
    const rules = RULE_SETS[series % RULE_SETS.length] ?? RULES;
    const undisturbed = judgeOf(rules);
    let judge = judgeOf(rules);
    const odds = [0.02, 0.3, 1][series % 3] ?? 1;
    for (const [i, reading] of list.entries()) {
      const expected = undisturbed.judge(reading);
      const context = `series ${series}, reading ${i}`;
      assert.equal(JSON.stringify(judge.judge(reading)), JSON.stringify(expected), context);
      assert.equal(JSON.stringify(judge.save()), JSON.stringify(undisturbed.save()), context);
      if (random() < odds) judge = judgeOf(rules, reloaded(judge));
    }
  }
});
