import assert from "node:assert/strict";
import { seededRandom } from "../data/seeded_random.ts";
import { Histogram } from "../shared/worker/histogram.ts";

Deno.test("`quantile()` is the sorted values' to 1 %, `max` exact", { permissions: "none" }, () => {
  for (const scale of [1, 1000, 86_400_000]) {
    const random = seededRandom(scale);
    const histogram = new Histogram();
    const values = Array.from({ length: 10_001 }, () => random() ** 3 * scale);
    for (const value of values) histogram.add(value);
    const sorted = values.toSorted((a, b) => a - b);
    for (const share of [0.01, 0.25, 0.5, 0.95, 0.999, 1]) {
      const exact = sorted[Math.ceil(share * sorted.length) - 1] ?? NaN;
      const found = histogram.quantile(share);
      const off = Math.abs(found - exact);
      assert.ok(off <= Math.max(1, exact * 0.011), `${share} of ${scale}: ${found}, not ${exact}`);
    }
    assert.equal(histogram.max, sorted.at(-1));
    assert.equal(histogram.count, values.length);
  }
});

Deno.test("an empty histogram, and one of zeros", { permissions: "none" }, () => {
  const histogram = new Histogram();
  assert.deepEqual([histogram.quantile(0.5), histogram.max], [0, 0]);
  histogram.add(0);
  assert.deepEqual([histogram.quantile(0.5), histogram.quantile(1)], [0, 0]);
});
