import assert from "node:assert/strict";
import { type Clock, type Pace, Schedule, waitUntil } from "../shared/replay/pace.ts";
import { delay, unlessAborted } from "../shared/script.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void | Promise<void>): void {
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

/** A clock whose sleeps take no time; `wake` says how long one really is. */
class FakeClock implements Clock {
  time: number;
  readonly sleeps: number[] = [];
  readonly #wake: (ms: number) => number;

  constructor(time: number, wake = (ms: number) => ms) {
    this.time = time;
    this.#wake = wake;
  }

  now(): number {
    return this.time;
  }

  sleep(ms: number): Promise<void> {
    this.sleeps.push(ms);
    this.time += this.#wake(ms);
    return Promise.resolve();
  }
}

const SECOND = 1000;
const MINUTE = 60_000;

test("`due()` follows from the start, the pace and the recorded times", () => {
  const cases: [string, Pace, number, number[], number[]][] = [
    ["interval", { intervalMs: 5000 }, 0, [7, 7, 7, 7], [0, 5000, 10_000, 15_000]],
    ["no interval", { intervalMs: 0 }, 50, [1, 2, 3], [50, 50, 50]],
    ["interval below 1 ms", { intervalMs: 0.25 }, 8, [1, 2, 3], [8, 8.25, 8.5]],
    ["recorded times don't matter", { intervalMs: 10 }, 1, [900, 5, 70], [1, 11, 21]],
    ["recorded pace", { speed: 1 }, 100, [4000, 9000, 69_000], [100, 5100, 65_100]],
    ["60 times as fast", { speed: 60 }, 0, [0, MINUTE, 90 * SECOND], [0, 1000, 1500]],
    ["half as fast", { speed: 0.5 }, 10, [0, SECOND, 3 * SECOND], [10, 2010, 6010]],
    ["equal times together", { speed: 2 }, 0, [10, 10, 20, 20, 20, 40], [0, 0, 5, 5, 5, 15]],
    ["out of order: in the past", { speed: 1 }, 100, [50, 90, 60, 20, 95], [
      100,
      140,
      110,
      70,
      145,
    ]],
    ["before 1970", { speed: 10 }, 0, [-1000, -500, 0, 500], [0, 50, 100, 150]],
  ];
  for (const [name, pace, start, times, expected] of cases) {
    const schedule = new Schedule(pace, start);
    assert.deepEqual(times.map((time) => schedule.due(time)), expected, name);
  }
});

test("`due()` needs no recorded times for an interval", () => {
  const schedule = new Schedule({ intervalMs: 250 }, 1000);
  assert.deepEqual([schedule.due(), schedule.due(), schedule.due()], [1000, 1250, 1500]);
});

test("`nextPass()` goes on where the last pass ended", () => {
  const cases: [string, Pace, number[][], number[][]][] = [
    ["interval", { intervalMs: 10 }, [[5, 5], [5, 5]], [[100, 110], [120, 130]]],
    ["speed", { speed: 2 }, [[50, 70], [50, 70], [50]], [[100, 110], [110, 120], [120]]],
    ["other times", { speed: 1 }, [[0, 30], [1000, 1005]], [[100, 130], [130, 135]]],
    ["last row out of order", { speed: 1 }, [[0, 90, 40], [0, 10]], [[100, 190, 140], [190, 200]]],
    ["no rows at all", { speed: 1 }, [[], [5, 6]], [[], [100, 101]]],
    ["all rows before the first", { speed: 1 }, [[90, 40], [90]], [[100, 50], [100]]],
  ];
  for (const [name, pace, passes, expected] of cases) {
    const schedule = new Schedule(pace, 100);
    const dues = passes.map((times, pass) => {
      if (pass > 0) schedule.nextPass();
      return times.map((time) => schedule.due(time));
    });
    assert.deepEqual(dues, expected, name);
  }
});

/** Replays rows on a clock; returns when each was due and when it went out. */
async function replay(schedule: Schedule, clock: Clock, times: Iterable<number>) {
  const dues: number[] = [];
  const sent: number[] = [];
  for (const time of times) {
    const due = schedule.due(time);
    await waitUntil(due, clock);
    dues.push(due);
    sent.push(clock.now());
  }
  return { dues, sent };
}

const MILLION = 1_000_000;
const START = 5_000_000.5;

test("a million rows at 1 ms each end exactly on time, however late the clock wakes", async () => {
  const random = randomFrom(3);
  // Timers wake up to 20 ms late, some a little early, like those of a busy machine.
  const clock = new FakeClock(START, (ms) => ms * (0.5 + random()) + 20 * random() ** 8);
  const rows = Array.from({ length: MILLION }, () => 0);
  const { dues, sent } = await replay(new Schedule({ intervalMs: 1 }, START), clock, rows);
  assert.equal(dues.findIndex((due, i) => due !== START + i), -1);
  assert.equal(dues.at(-1), START + 999_999);
  // None goes out early, and the lateness of one wake-up is all that is left at the end.
  assert.equal(sent.findIndex((time, i) => time < START + i), -1);
  assert.equal(sent.findIndex((time, i) => time > START + i + 21.5), -1);
});

test("a million recorded rows end exactly on time, however late the clock wakes", async () => {
  const random = randomFrom(4);
  const clock = new FakeClock(START, (ms) => ms + 15 * random());
  const times = Array.from({ length: MILLION }, (_, i) => 1_600_000_000_000 + 30_000 * i);
  const { dues, sent } = await replay(new Schedule({ speed: 30_000 }, START), clock, times);
  assert.equal(dues.findIndex((due, i) => due !== START + i), -1);
  assert.equal(sent.findIndex((time, i) => time < START + i || time > START + i + 15), -1);
});

test("a million rows on a clock that wakes on time go out to the millisecond", async () => {
  const clock = new FakeClock(START);
  const rows = Array.from({ length: MILLION }, () => 0);
  const { sent } = await replay(new Schedule({ intervalMs: 1 }, START), clock, rows);
  assert.equal(sent.at(-1), START + 999_999);
  assert.equal(clock.sleeps.length, 999_999);
});

test("a replay that was held up goes on at once until it has caught up", async () => {
  const clock = new FakeClock(0);
  const schedule = new Schedule({ intervalMs: 10 }, 0);
  await replay(schedule, clock, [0, 0]);
  clock.time = 55;
  const { sent } = await replay(schedule, clock, [0, 0, 0, 0, 0, 0]);
  assert.deepEqual(sent, [55, 55, 55, 55, 60, 70]);
});

test("`waitUntil()` doesn't wait for what is due or overdue", async () => {
  for (const due of [100, 99.9, 0, -5, -Infinity]) {
    const clock = new FakeClock(100);
    await waitUntil(due, clock);
    assert.deepEqual([clock.time, clock.sleeps], [100, []], String(due));
  }
});

test("`waitUntil()` waits again when the clock wakes early", async () => {
  const clock = new FakeClock(0, (ms) => Math.ceil(ms / 2));
  await waitUntil(100, clock);
  assert.deepEqual(clock.sleeps, [100, 50, 25, 12, 6, 3, 1]);
  assert.equal(clock.time, 100);
});

test("`waitUntil()` splits waits that a timer can't hold", async () => {
  for (const due of [2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 33 + 0.5, 365 * 86_400_000]) {
    const clock = new FakeClock(0);
    await waitUntil(due, clock);
    assert.equal(clock.time, due);
    assert.ok(clock.sleeps.every((ms) => ms > 0 && ms < 2 ** 31), String(due));
  }
});

test("`waitUntil()` hands its signal to the clock, and ends with it", async () => {
  const stop = new AbortController();
  let sleeps = 0;
  const clock: Clock = {
    now: () => 0,
    sleep: (_ms, signal) => {
      sleeps++;
      return new Promise((resolve) => signal?.addEventListener("abort", () => resolve()));
    },
  };
  const waiting = waitUntil(2 ** 40, clock, stop.signal);
  stop.abort();
  await waiting;
  assert.equal(sleeps, 1);
});

test("`waitUntil()` doesn't begin to wait when its signal is aborted", async () => {
  const clock = new FakeClock(0);
  await waitUntil(50, clock, AbortSignal.abort());
  assert.deepEqual(clock.sleeps, []);
});

Deno.test({
  name: "`delay()` ends with its signal and leaves no timer behind",
  permissions: "none",
  // Notices a timer that still runs.
  sanitizeOps: true,
  async fn() {
    const stop = new AbortController();
    const waiting = delay(3_600_000, stop.signal);
    stop.abort();
    assert.equal(await waiting, undefined);
    assert.equal(await delay(3_600_000, AbortSignal.abort()), undefined);
  },
});

test("`delay()` resolves without a signal, or with one that stays silent", async () => {
  assert.equal(await delay(0), undefined);
  assert.equal(await delay(1, new AbortController().signal), undefined);
});

test("`unlessAborted()` gives what the work gives, or nothing once the signal is aborted", async () => {
  const never = new Promise<number>(() => {});
  const calm = new AbortController().signal;
  assert.equal(await unlessAborted(Promise.resolve(7), calm), 7);
  await assert.rejects(unlessAborted(Promise.reject(new TypeError("no")), calm), /^TypeError: no$/);
  assert.equal(await unlessAborted(never, AbortSignal.abort()), undefined);
  const stop = new AbortController();
  const waiting = unlessAborted(never, stop.signal);
  stop.abort();
  assert.equal(await waiting, undefined);
});

test("`unlessAborted()` takes its listener away when the work is done", async () => {
  const { signal } = new AbortController();
  const listeners = new Set<unknown>();
  let added = 0;
  signal.addEventListener = (_type: string, listener: unknown) => {
    added++;
    listeners.add(listener);
  };
  signal.removeEventListener = (_type: string, listener: unknown) =>
    void listeners.delete(listener);
  for (let i = 0; i < 10; i++) {
    await unlessAborted(Promise.resolve(i), signal);
    await unlessAborted(Promise.reject(new Error("no")), signal).catch(() => {});
  }
  // The last one may go a turn after its work is done.
  await Promise.resolve();
  assert.deepEqual([added, listeners.size], [20, 0]);
});
