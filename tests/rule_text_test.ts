import assert from "node:assert/strict";
import { ExactSum } from "../shared/deque/exact_sum.ts";
import { TimeWindow } from "../shared/deque.ts";
import { seededRandom } from "../data/seeded_random.ts";
import { parseRule, requireDifferentNames, ruleOfText } from "../shared/monitor/rule_text.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

const plain = { direction: "above", threshold: 90, forMs: 0 } as const;

test("`parseRule()` reads rules", () => {
  const cases: [string, ReturnType<typeof parseRule>][] = [
    ["last above 90", { name: "last", aggregate: "last", ...plain }],
    ["high: last above 90", { name: "high", aggregate: "last", ...plain }],
    [" too hot :  max   above 90 ", { name: "too hot", aggregate: "max", ...plain }],
    ["range below -1.5", {
      ...{ name: "range", aggregate: "range", direction: "below", threshold: -1.5, forMs: 0 },
    }],
    ["high: mean above 9e1 for 5m", {
      ...{ name: "high", aggregate: "mean", direction: "above", threshold: 90, forMs: 300_000 },
    }],
    ["gone: silent above 90s", {
      ...{ name: "gone", aggregate: "silent", direction: "above", threshold: 90_000, forMs: 0 },
    }],
  ];
  for (const [text, rule] of cases) assert.deepEqual(parseRule(text), rule, text);
});

test("`parseRule()` points at the word that is wrong", () => {
  const cases: [string, RegExp][] = [
    ["", /ends where it needs one of last, .*silent \(word 1\)/],
    ["high:", /ends where it needs one of last, .* \(word 2\)/],
    ["lst above 90", /has "lst" where it needs one of last, min, .* \(word 1\)/],
    ["high: lst above 90", /has "lst" .* \(word 2\)/],
    ["a/b: last above 90", /has "a\/b" where it needs a name .* \(word 1\)/],
    [": last above 90", /where it needs a name/],
    ["last over 90", /has "over" where it needs above or below \(word 2\)/],
    ["last above", /ends where it needs a number \(word 3\)/],
    ["last above ninety", /has "ninety" where it needs a number \(word 3\)/],
    ["last above 1e999", /has "1e999" where it needs a number that can be held/],
    ["last above 90 during 5m", /has "during" where it needs for, or nothing more \(word 4\)/],
    ["last above 90 for", /ends where it needs a time above 0, like 30s or 5m \(word 5\)/],
    ["last above 90 for 5", /has "5" where it needs a time/],
    ["last above 90 for 5m today", /has "today" where it needs nothing more \(word 6\)/],
    ["silent below 5m", /has "below" where it needs above, after silent \(word 2\)/],
    ["silent above 90", /has "90" where it needs a time/],
    ["silent above 5m for 1m", /has "for" where it needs nothing more, after silent \(word 4\)/],
  ];
  for (const [text, says] of cases) {
    assert.throws(() => parseRule(text), { name: "RangeError", message: says }, text);
  }
});

test("rules of one name are refused", () => {
  const rules = ["last above 1", "last above 2"].map(parseRule);
  assert.throws(() => requireDifferentNames(rules), /Two rules are called last/);
  requireDifferentNames(["last above 1", "b: last above 2"].map(parseRule));
});

/** Whether a rule is true after these readings, one a minute, in a window of ten. */
function truth(text: string, values: readonly number[], window: object = { spanMs: 600_000 }) {
  const rule = ruleOfText(parseRule(text), window as { spanMs: number });
  const held = rule.window();
  return values.map((value, minute) => {
    held.push({ time: minute * 60_000, value });
    return rule.isTrue(held);
  });
}

test("each aggregate is that of the window, by values worked out by hand", () => {
  const values = [5, 1, 4, 8, 2];
  const last = (text: string) => truth(text, values).at(-1);
  const aggregates = { last: 2, min: 1, max: 8, mean: 4, change: -3, range: 7, drop: 6, rise: 1 };
  for (const [aggregate, value] of Object.entries(aggregates)) {
    // `min above` and what only grows wait for the whole window.
    if (aggregate !== "min") {
      assert.equal(last(`${aggregate} above ${value - 0.5}`), true, aggregate);
    }
    assert.equal(last(`${aggregate} above ${value}`), false, aggregate);
    if (["last", "min", "mean", "change"].includes(aggregate)) {
      assert.equal(last(`${aggregate} below ${value + 0.5}`), true, aggregate);
      assert.equal(last(`${aggregate} below ${value}`), false, aggregate);
    }
  }
  assert.deepEqual(truth("count above 3", values), [false, false, false, true, true]);
});

test("what more readings could make false waits until 90 % of the span are covered", () => {
  const still = Array(12).fill(3) as number[];
  const from9 = still.map((_, minute) => minute >= 9);
  for (const rule of ["range below 1", "drop below 1", "max below 4", "min above 2"]) {
    assert.deepEqual(truth(rule, still), from9, rule);
  }
  assert.deepEqual(truth("count below 99", still), from9);
  assert.deepEqual(truth("last below 4", still), still.map(() => true));
});

test("in a window of readings all but `last` wait until it is full", () => {
  const values = [9, 9, 9, 9];
  for (const rule of ["max above 1", "mean above 1", "count above 1", "rise below 1"]) {
    assert.deepEqual(truth(rule, values, { count: 3 }), [false, false, true, true], rule);
  }
  assert.deepEqual(truth("last above 1", values, { count: 3 }), [true, true, true, true]);
});

test("differences of decimal fractions end in noise, which decides nothing", () => {
  assert.ok(0.3 - 0.1 < 0.2);
  assert.equal(truth("drop above 0.2", [0.3, 0.1]).at(-1), false);
  assert.equal(truth("drop above 0.19", [0.3, 0.1]).at(-1), true);
  assert.ok(115.3 - 100.1 > 15.2);
  assert.equal(truth("drop above 15.2", [115.3, 100.1]).at(-1), false);
});

/** The sum of numbers of two decimals, in whole hundredths. */
const hundredths = (numbers: number[]) =>
  Number(numbers.reduce((sum, number) => sum + BigInt(Math.round(number * 100)), 0n)) / 100;

test("`ExactSum` depends on what it holds alone, whatever has come and gone", () => {
  const random = seededRandom(3);
  for (let round = 0; round < 50; round++) {
    const sum = new ExactSum();
    const held: number[] = [];
    for (let i = 0; i < 300; i++) {
      const number = Math.round((random() - 0.5) * 1e6) / 100;
      held.push(number);
      sum.add(number);
      // Larger by far: it would leave noise in a plain sum.
      sum.add(1e18);
      if (held.length > 30) sum.add(-(held.splice(Math.floor(random() * 30), 1)[0] ?? 0));
      sum.add(-1e18);
      const anew = new ExactSum();
      for (const one of held.toReversed()) anew.add(one);
      assert.equal(sum.value, anew.value);
      assert.ok(Math.abs(sum.value - hundredths(held)) < 1e-8);
    }
  }
  const tenths = new ExactSum();
  for (let i = 0; i < 10; i++) tenths.add(0.1);
  assert.equal(tenths.value, 1, "Python's math.fsum([0.1] * 10)");
});

test("a window's mean is that of its values, also of one that was saved and restored", () => {
  const random = seededRandom(5);
  const window = new TimeWindow(20_000);
  for (let second = 0; second < 500; second++) {
    window.push({ time: second * 1000, value: Math.round(random() * 1e5) / 10 });
    const restored = new TimeWindow(20_000);
    for (const item of window.items()) restored.push(item);
    assert.equal(window.mean, restored.mean);
  }
});
