/** Readings through the monitor and its windows, with its state and alerts confirmed by the broker. */
import assert from "node:assert/strict";
import { Vhost } from "../e2e/harness.ts";
import { Announcements, rateOf } from "./announcements.ts";
import { alternate, type Bench, short, type Subject } from "./measure.ts";
import { temperatureRows } from "./rows.ts";
import type { Result } from "./table.ts";

const TARGET = 20_000;

async function measure(bench: Bench): Promise<Result[]> {
  const rows = bench.quick ? 5000 : 30_000;
  const readings = rows * 3;
  await using vhost = await Vhost.create();
  await using broker = await vhost.connect();
  using announcements = await Announcements.open(broker);
  const input = temperatureRows(rows);

  const judged = (mode: string) => async () => {
    const fill = ["--file", "-", "--interval", "0", "--purge", "--quiet"];
    const { summary } = await vhost.run("smoker:produce", fill, { input });
    assert.equal(summary.confirmed, readings);
    const flags = ["--window", mode, "--exit-when-idle", "1s", "--quiet"];
    const { code, stderr, summary: { readings: found } } = await vhost.run("smoker:monitor", flags);
    assert.equal(code, 0, stderr);
    assert.equal(found, readings);
    const batches = (await announcements.whole()).filter(({ key }) => key === "smoker.judged");
    return rateOf("readings", batches[0], batches.at(-1));
  };

  const modes = ["readings", "time"];
  const contenders = new Map(modes.map((mode) => [`--window ${mode}`, judged(mode)]));
  const medians = await alternate(bench, contenders, { unit: "readings/s" });
  return [...medians].map(([mode, rate]) => ({
    what: `readings judged by the monitor, ${mode}`,
    ours: `${short(rate)} readings/s`,
    target: { text: `≥ ${short(TARGET)}/s`, met: rate >= TARGET },
  }));
}

export const monitor: Subject = {
  name: "monitor",
  about: "readings per second through the monitor and its windows",
  measure,
};
