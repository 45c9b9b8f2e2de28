/** The peak memory of replays of different length: it should not depend on it. */
import assert from "node:assert/strict";
import { admin, Vhost } from "../e2e/harness.ts";
import { alternate, type Bench, short, type Subject } from "./measure.ts";
import { watchPeak } from "./peak_memory.ts";
import { taskRows } from "./rows.ts";
import type { Result } from "./table.ts";

const TARGET_MB = 20;

/** The broker keeps so many messages: its own memory isn't what is measured. */
const MAX_LENGTH = 10_000;

async function measure(bench: Bench): Promise<Result[]> {
  const sizes = bench.quick ? [1000, 10_000, 50_000] : [10_000, 100_000, 1_000_000];
  await using vhost = await Vhost.create();
  const policy = { "pattern": ".*", "definition": { "max-length": MAX_LENGTH } };
  await admin("PUT", `/policies/${vhost.name}/short`, policy);
  const peak = (count: number) => async () => {
    const input = taskRows(count);
    const ended = vhost.run("tasks:produce", ["--file", "-", "--quiet"], { input });
    const peak = await watchPeak("producers/tasks.ts", ended);
    assert.equal((await ended).summary.confirmed, count);
    return peak;
  };
  const contenders = new Map(
    sizes.map((count) => [`${count.toLocaleString("en")} rows`, peak(count)]),
  );
  const medians = await alternate(bench, contenders, { unit: "MB", long: true });
  const [least = NaN, ...others] = medians.values();
  const growth = (others.at(-1) ?? NaN) - least;
  return [{
    what: `peak memory of ${[...medians.keys()].join(", ").replaceAll(" rows,", ",")}`,
    ratio: (others.at(-1) ?? NaN) / least,
    ours: `${[...medians.values()].map(short).join(", ")} MB`,
    target: { text: `+${TARGET_MB} MB at most`, met: growth <= TARGET_MB },
  }];
}

export const memory: Subject = {
  name: "memory",
  about: "peak memory of replays of 10,000, 100,000 and 1,000,000 rows",
  measure,
};
