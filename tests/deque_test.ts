import assert from "node:assert/strict";
import { CountWindow, type Pushed, type Sample, TimeWindow } from "../shared/deque.ts";

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

type Kind = CountWindow<Sample> | TimeWindow<Sample>;

/** What can be read from a window must be what a look at every one of its samples says. */
function assertHolds(window: Kind, expected: Sample[], context: string): void {
  const values = expected.map(({ value }) => value);
  assert.deepEqual(window.items(), expected, context);
  assert.deepEqual(
    [window.size, window.oldest, window.newest, window.min, window.max],
    [expected.length, expected[0], expected.at(-1), Math.min(...values), Math.max(...values)],
    context,
  );
}

test("a window without samples has no newest, oldest, minimum or maximum", () => {
  for (const window of [new CountWindow(3), new TimeWindow(3)]) {
    assert.deepEqual(
      [window.size, window.oldest, window.newest, window.min, window.max, window.items()],
      [0, undefined, undefined, undefined, undefined, []],
    );
  }
});

test("`CountWindow` holds the last `count` samples, whatever their times", () => {
  const window = new CountWindow<Sample>(3);
  const samples = [5, 9, 1, 4].map((value, i) => ({ time: -i, value }));
  for (const sample of samples) assert.equal(window.push(sample), "added");
  assert.deepEqual(window.items(), samples.slice(1));
  assert.deepEqual([window.oldest?.value, window.newest?.value], [9, 4]);
  assert.deepEqual([window.min, window.max], [1, 9]);
});

test("`CountWindow` forgets an extreme only when its last copy leaves", () => {
  const window = new CountWindow<Sample>(3);
  const same = { time: 0, value: 7 };
  const maxima = [same, same, { time: 0, value: 2 }, { time: 0, value: 3 }, { time: 0, value: 1 }]
    .map((sample) => (window.push(sample), window.max));
  assert.deepEqual(maxima, [7, 7, 7, 7, 3]);
});

test("`CountWindow` equals a naive one over random series", () => {
  const random = randomFrom(1);
  for (let series = 0; series < 2_000; series++) {
    const count = 1 + Math.floor(random() * 20);
    const values = 1 + Math.floor(random() * 12);
    const window = new CountWindow<Sample>(count);
    const all: Sample[] = [];
    for (let i = 0; i < 60; i++) {
      const sample = {
        time: Math.floor(random() * 100),
        value: Math.floor(random() * values) - 5,
      };
      all.push(sample);
      window.push(sample);
      assertHolds(window, all.slice(-count), `series ${series}, sample ${i}`);
    }
  }
});

test("`TimeWindow` holds the times from t − span to t, both included", () => {
  const window = new TimeWindow<Sample>(100);
  for (const time of [0, 1, 50, 100]) assert.equal(window.push({ time, value: time }), "added");
  assert.deepEqual(window.items().map(({ time }) => time), [0, 1, 50, 100]);
  window.push({ time: 101, value: 101 });
  assert.deepEqual(window.items().map(({ time }) => time), [1, 50, 100, 101]);
  assert.equal(window.min, 1);
  window.push({ time: 1_000, value: 3 });
  assert.deepEqual(window.items(), [{ time: 1_000, value: 3 }]);
});

test("`TimeWindow` puts late samples in their place and refuses those over a span old", () => {
  const window = new TimeWindow<Sample>(100);
  const pushed: [number, number, Pushed][] = [
    [200, 5, "added"],
    [100, 9, "late"],
    [99, 99, "too late"],
    [150, 1, "late"],
    [150, 50, "duplicate"],
    [200, 50, "duplicate"],
    [100, 50, "duplicate"],
    [199, 2, "late"],
  ];
  for (const [time, value, result] of pushed) {
    assert.equal(window.push({ time, value }), result, `${time}`);
  }
  assert.deepEqual(window.items().map(({ time, value }) => [time, value]), [
    [100, 9],
    [150, 1],
    [199, 2],
    [200, 5],
  ]);
  assert.deepEqual([window.min, window.max, window.newest?.time], [1, 9, 200]);
  window.push({ time: 250, value: 3 });
  assert.deepEqual([window.min, window.max], [1, 5], "the maximum of 100 has left");
  window.push({ time: 251, value: 3 });
  assert.deepEqual([window.min, window.max], [2, 5], "the minimum of 150 has left");
});

test("`TimeWindow` calls a time that it held once and holds no more too late", () => {
  const window = new TimeWindow<Sample>(10);
  window.push({ time: 5, value: 1 });
  window.push({ time: 20, value: 1 });
  assert.equal(window.push({ time: 5, value: 1 }), "too late");
});

test("`TimeWindow` equals a naive one over random series, late and equal times included", () => {
  const random = randomFrom(2);
  const seen: Record<Pushed, number> = { added: 0, late: 0, "too late": 0, duplicate: 0 };
  for (let series = 0; series < 3_000; series++) {
    const span = 1 + Math.floor(random() * 40);
    const values = 1 + Math.floor(random() * 12);
    const window = new TimeWindow<Sample>(span);
    // The naive window keeps every sample that ever counted and picks those in reach each time.
    const counted: Sample[] = [];
    let newest = -Infinity;
    for (let i = 0; i < 60; i++) {
      const jump = random() < 0.02 ? span * 2 : Math.floor(random() * 5);
      const back = random() < 0.3 ? Math.floor(random() * span * 1.3) : 0;
      const time = (newest === -Infinity ? 0 : newest) + jump - back;
      const sample = { time, value: Math.floor(random() * values) - 5 };
      const expected: Pushed = time < newest - span
        ? "too late"
        : counted.some((other) => other.time === time)
        ? "duplicate"
        : time < newest
        ? "late"
        : "added";
      if (expected === "added" || expected === "late") counted.push(sample);
      newest = Math.max(newest, time);
      seen[expected]++;
      const context = `series ${series}, sample ${i}`;
      assert.equal(window.push(sample), expected, context);
      const inReach = counted.filter((other) => other.time >= newest - span);
      assertHolds(window, inReach.sort((a, b) => a.time - b.time), context);
    }
  }
  for (const [result, times] of Object.entries(seen)) assert.ok(times > 5_000, result);
});

test("`items()` pushed into an empty window of the same kind restore it", () => {
  const random = randomFrom(3);
  const make = [() => new CountWindow<Sample>(9), () => new TimeWindow<Sample>(30)];
  for (let series = 0; series < 500; series++) {
    for (const empty of make) {
      let [window, restored] = [empty(), empty()];
      for (let i = 0; i < 40; i++) {
        if (random() < 0.2) {
          restored = empty();
          for (const item of JSON.parse(JSON.stringify(window.items()))) restored.push(item);
        }
        const late = random() < 0.3 ? random() * 35 : 0;
        const sample = { time: Math.floor(i * 3 - late), value: Math.floor(random() * 6) };
        assert.equal(restored.push(sample), window.push(sample));
        assertHolds(restored, window.items(), `series ${series}, sample ${i}`);
      }
    }
  }
});

test("a sample costs the same in a window of 20 and of 200,000", () => {
  // Cost is counted in looks at a value; any pass over the window would take thousands a sample.
  let looks = 0;
  const sample = (i: number) => ({
    time: i,
    get value() {
      looks++;
      return (i * 7_919) % 1_000 + (i % 50_000) / 100;
    },
  });
  for (const size of [20, 200_000]) {
    for (const window of [new CountWindow<Sample>(size), new TimeWindow<Sample>(size - 1)]) {
      looks = 0;
      const total = 300_000;
      for (let i = 0; i < total; i++) {
        window.push(sample(i));
        if (window.min === undefined || window.max === undefined) assert.fail("empty");
      }
      assert.ok(looks / total < 20, `${looks / total} looks a sample at ${size}`);
      assert.deepEqual([window.size, window.oldest?.time], [size, total - size]);
    }
  }
});

test("a window of 200,000 knows its extremes across the growth of its buffers", () => {
  const window = new TimeWindow<Sample>(199_999);
  for (let i = 0; i < 200_000; i++) window.push({ time: i, value: 1 - i });
  assert.deepEqual([window.size, window.min, window.max], [200_000, -199_998, 1]);
  for (let i = 200_000; i < 300_000; i++) window.push({ time: i, value: i });
  assert.deepEqual([window.size, window.min, window.max], [200_000, -199_998, 299_999]);
  assert.equal(window.oldest?.value, -99_999);
});

test("`CountWindow` refuses a count that isn't a positive whole number", () => {
  for (const count of [0, -1, 1.5, NaN, Infinity]) {
    assert.throws(() => new CountWindow(count), {
      name: "RangeError",
      message: `Cannot create a count window: count must be a positive whole number, got ${count}`,
    });
  }
});

test("`TimeWindow` refuses a span that isn't a positive finite number", () => {
  for (const span of [0, -1, NaN, Infinity]) {
    assert.throws(() => new TimeWindow(span), {
      name: "RangeError",
      message:
        `Cannot create a time window: span must be a positive finite number of milliseconds, got ${span}`,
    });
  }
});

test("`push()` refuses values and times that aren't finite, and leaves the window as it was", () => {
  for (const window of [new CountWindow<Sample>(2), new TimeWindow<Sample>(2)]) {
    window.push({ time: 1, value: 1 });
    for (const bad of [NaN, Infinity, -Infinity]) {
      assert.throws(() => window.push({ time: 2, value: bad }), {
        name: "RangeError",
        message: `Cannot add a sample: value must be a finite number, got ${bad}`,
      });
      assert.throws(() => window.push({ time: bad, value: 2 }), {
        name: "RangeError",
        message: `Cannot add a sample: time must be a finite number, got ${bad}`,
      });
    }
    assertHolds(window, [{ time: 1, value: 1 }], "after bad samples");
  }
});
