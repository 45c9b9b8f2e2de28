import assert from "node:assert/strict";
import type { RowId } from "../shared/replay/rows.ts";
import { Tally } from "../shared/replay/sender.ts";

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

function permutations<T>(values: T[]): T[][] {
  if (values.length === 0) return [[]];
  return values.flatMap((value, i) =>
    permutations(values.toSpliced(i, 1)).map((rest) => [value, ...rest])
  );
}

function at(row: number, run = "r"): RowId {
  return { run, row };
}

/** Only what names a row: an id may carry more. */
function nextOf(tally: Tally): RowId {
  return { run: tally.next.run, row: tally.next.row };
}

function counts({ rows, published, confirmed, rejected, failed }: Tally) {
  return { rows, published, confirmed, rejected, failed };
}

type Outcome = "confirmed" | "failed";

/** What a tally must say, computed anew from all that happened. */
class NaiveTally {
  readonly rows: { id: RowId; rejected: boolean; outcomes: (Outcome | undefined)[] }[] = [];
  readonly #start: RowId;

  constructor(start: RowId) {
    this.#start = start;
  }

  get next(): RowId {
    const open = this.rows.find(({ outcomes }) =>
      outcomes.some((outcome) => outcome !== "confirmed")
    );
    const last = this.rows.at(-1)?.id;
    return open?.id ?? (last ? at(last.row + 1, last.run) : this.#start);
  }

  get counts() {
    const outcomes = this.rows.flatMap(({ outcomes }) => outcomes);
    return {
      rows: this.rows.length,
      published: outcomes.length,
      confirmed: outcomes.filter((outcome) => outcome === "confirmed").length,
      rejected: this.rows.filter(({ rejected }) => rejected).length,
      failed: outcomes.filter((outcome) => outcome === "failed").length,
    };
  }
}

/** A tally and its naive twin, kept in step and compared after every step. */
class Pair {
  readonly #tally: Tally;
  readonly #naive: NaiveTally;
  readonly #keys: number[] = [];

  constructor(start: RowId) {
    this.#tally = new Tally(start);
    this.#naive = new NaiveTally(start);
    this.compare("start");
  }

  take(id: RowId, messages: number): number {
    this.#naive.rows.push({ id, rejected: false, outcomes: Array(messages).fill(undefined) });
    this.#keys.push(this.#tally.take(id, messages));
    this.compare(`row ${id.row} taken`);
    return this.#keys.length - 1;
  }

  reject(id: RowId): void {
    this.#naive.rows.push({ id, rejected: true, outcomes: [] });
    this.#tally.reject(id);
    this.#keys.push(NaN);
    this.compare(`row ${id.row} rejected`);
  }

  settle(index: number, message: number, outcome: Outcome, context: string): void {
    const outcomes = this.#naive.rows[index]?.outcomes ?? [];
    outcomes[message] = outcome;
    const complete = this.#tally.settle(this.#keys[index] ?? NaN, outcome === "confirmed");
    assert.equal(complete, outcomes.every((outcome) => outcome === "confirmed"), context);
    this.compare(context);
  }

  compare(context: string): void {
    assert.deepEqual(nextOf(this.#tally), this.#naive.next, context);
    assert.deepEqual(counts(this.#tally), this.#naive.counts, context);
  }
}

test("`next` is the first row that could be replayed while nothing was taken", () => {
  assert.deepEqual(new Tally(at(4, "run-1")).next, at(4, "run-1"));
});

test("`next` is the row after the last one when all are confirmed", () => {
  const tally = new Tally(at(11));
  const keys = [11, 12, 13].map((row) => tally.take(at(row), 1));
  assert.deepEqual(nextOf(tally), at(11));
  assert.ok(keys.every((key) => tally.settle(key, true)));
  assert.deepEqual(tally.next, at(14));
});

test("`next` stays at the first row that isn't confirmed, whatever comes after it", () => {
  const tally = new Tally(at(1));
  const [first = 0, second = 0, third = 0] = [1, 2, 3].map((row) => tally.take(at(row), 1));
  tally.settle(third, true);
  assert.deepEqual(nextOf(tally), at(1));
  tally.settle(first, true);
  assert.deepEqual(nextOf(tally), at(2));
  tally.settle(second, true);
  assert.deepEqual(nextOf(tally), at(4));
});

test("`next` stays at the first row that failed", () => {
  const tally = new Tally(at(1));
  const keys = [1, 2, 3, 4].map((row) => tally.take(at(row), 1));
  const settle = (row: number, confirmed: boolean) => tally.settle(keys[row - 1] ?? -1, confirmed);
  settle(3, false);
  assert.deepEqual(nextOf(tally), at(1));
  settle(1, true);
  settle(4, true);
  assert.deepEqual(nextOf(tally), at(2));
  settle(2, false);
  assert.deepEqual(nextOf(tally), at(2));
  tally.take(at(5), 1);
  assert.deepEqual(nextOf(tally), at(2));
  assert.deepEqual(counts(tally), { rows: 5, published: 5, confirmed: 2, rejected: 0, failed: 2 });
});

test("`next` goes past rows that were rejected or make no message", () => {
  const tally = new Tally(at(1));
  tally.reject(at(1));
  assert.deepEqual(tally.next, at(2));
  tally.take(at(2), 0);
  assert.deepEqual(tally.next, at(3));
  const key = tally.take(at(3), 2);
  tally.reject(at(4));
  assert.deepEqual(nextOf(tally), at(3));
  tally.settle(key, true);
  assert.deepEqual(nextOf(tally), at(3));
  tally.settle(key, true);
  assert.deepEqual(tally.next, at(5));
  assert.deepEqual(counts(tally), { rows: 4, published: 2, confirmed: 2, rejected: 2, failed: 0 });
});

test("`next` names the pass: the same row of a later one is another row", () => {
  const tally = new Tally(at(1));
  const old = tally.take(at(2, "r"), 1);
  const one = tally.take(at(1, "r.2"), 1);
  const two = tally.take(at(2, "r.2"), 1);
  tally.settle(two, true);
  assert.deepEqual(nextOf(tally), at(2, "r"));
  tally.settle(old, true);
  assert.deepEqual(nextOf(tally), at(1, "r.2"));
  tally.settle(one, true);
  assert.deepEqual(tally.next, at(3, "r.2"));
});

test("`next` goes past rows whose confirms aren't awaited", () => {
  const tally = new Tally(at(1));
  tally.take(at(1), 3, false);
  assert.deepEqual(tally.next, at(2));
  const key = tally.take(at(2), 1);
  tally.take(at(3), 1, false);
  assert.deepEqual(nextOf(tally), at(2));
  tally.settle(key, true);
  assert.deepEqual(tally.next, at(4));
  assert.deepEqual(counts(tally), { rows: 3, published: 5, confirmed: 1, rejected: 0, failed: 0 });
});

test("`settle()` says when a row of several messages is fully confirmed", () => {
  const tally = new Tally(at(1));
  const key = tally.take(at(1), 3);
  assert.deepEqual([1, 2, 3].map(() => tally.settle(key, true)), [false, false, true]);
  const failing = tally.take(at(2), 3);
  const outcomes = [true, false, true].map((confirmed) => tally.settle(failing, confirmed));
  assert.deepEqual(outcomes, [false, false, false]);
});

test("`Tally` equals a naive one in every order of confirms and failures", () => {
  const sizes = [2, 0, 1, 2];
  const messages = sizes.flatMap((size, row) =>
    Array.from({ length: size }, (_, message) => ({ row, message }))
  );
  for (const order of permutations(messages)) {
    for (let failures = 0; failures < 2 ** messages.length; failures++) {
      const pair = new Pair(at(1));
      sizes.forEach((size, i) => size === 0 ? pair.reject(at(i + 1)) : pair.take(at(i + 1), size));
      order.forEach(({ row, message }, i) => {
        const outcome = failures & (2 ** i) ? "failed" : "confirmed";
        const context = `${JSON.stringify(order)}, failures ${failures}, after ${i}`;
        pair.settle(row, message, outcome, context);
      });
    }
  }
});

test("`Tally` equals a naive one while rows are taken and settled in turn", () => {
  const random = randomFrom(9);
  for (let series = 0; series < 1500; series++) {
    const skip = Math.floor(random() * 3);
    const pair = new Pair(at(skip + 1));
    const failing = [0, 0, 0.1, 0.5][series % 4] ?? 0;
    const passLength = skip + 1 + Math.floor(random() * 8);
    let [row, pass] = [skip, 1];
    const open: [number, number][] = [];
    for (let step = 0; step < 40; step++) {
      if (random() < 0.5 && open.length > 0) {
        const [[index, message] = [0, 0]] = open.splice(Math.floor(random() * open.length), 1);
        const outcome = random() < failing ? "failed" : "confirmed";
        pair.settle(index, message, outcome, `series ${series}, step ${step}`);
        continue;
      }
      if (++row > passLength) [row, pass] = [1, pass + 1];
      const id = at(row, pass === 1 ? "r" : `r.${pass}`);
      const size = Math.floor(random() * 4);
      if (size === 0 && random() < 0.5) {
        pair.reject(id);
        continue;
      }
      const index = pair.take(id, size);
      for (let message = 0; message < size; message++) open.push([index, message]);
    }
  }
});
