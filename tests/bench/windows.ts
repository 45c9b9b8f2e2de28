/** What a reading costs, by the size of the window: judged in a process of its own, without a broker. */
import { FailedError } from "../../shared/script.ts";
import { alternate, type Bench, short, type Subject } from "./measure.ts";
import type { Result } from "./table.ts";

const SIZES = [20, 2000, 200_000];

/** The greatest cost beside the least. */
const TARGET = 1.1;

async function measure(bench: Bench): Promise<Result[]> {
  const readings = bench.quick ? 200_000 : 1_000_000;
  const contenders = new Map(SIZES.map((size) => [
    size.toLocaleString("en"),
    () => cost(size, readings),
  ]));
  const medians = await alternate(bench, contenders, { unit: "ns a reading" });
  const costs = [...medians.values()];
  const ratio = Math.max(...costs) / Math.min(...costs);
  return [{
    what: `cost per reading, windows of ${[...medians.keys()].join("; ")} readings`,
    ratio,
    ours: `${costs.map(short).join(", ")} ns`,
    target: { text: `≤ ${TARGET}`, met: ratio <= TARGET },
  }];
}

/** Nanoseconds for each of so many readings. */
async function cost(size: number, readings: number): Promise<number> {
  const program = new URL("judge_readings.ts", import.meta.url).pathname;
  const { success, stdout } = await new Deno.Command("deno", {
    args: ["run", program, `${size}`, `${readings}`],
    stderr: "inherit",
  }).output();
  if (!success) throw new FailedError(`${program} failed`);
  return Number(new TextDecoder().decode(stdout));
}

export const windows: Subject = {
  name: "windows",
  about: "cost per reading for windows of 20, 2,000 and 200,000 readings",
  measure,
};
