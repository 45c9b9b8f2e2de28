/** A paced replay: how late its rows are, and whether it drifts. */
import assert from "node:assert/strict";
import type { Connection } from "../../shared/connection.ts";
import { TASKS } from "../../shared/streams.ts";
import { Vhost } from "../e2e/harness.ts";
import { type Bench, median, quantile, type Subject } from "./measure.ts";
import { taskRows } from "./rows.ts";
import type { Result } from "./table.ts";

const ROWS_PER_SECOND = 500;
const TARGET_MS = 5;

async function measure({ quick, out }: Bench): Promise<Result[]> {
  const seconds = quick ? 3 : 30;
  const count = seconds * ROWS_PER_SECOND;
  const intervalMs = 1000 / ROWS_PER_SECOND;
  await using vhost = await Vhost.create();
  out.note(`  ${ROWS_PER_SECOND} rows a second for ${seconds} s`);
  const flags = ["--file", "-", "--interval", `${intervalMs}ms`, "--quiet"];
  const { code, stderr } = await vhost.run("tasks:produce", flags, { input: taskRows(count) });
  assert.equal(code, 0, stderr);
  await using broker = await vhost.connect();
  const publishedAt = await publishTimes(broker, count);
  // The start isn't known, but no row is early: the least late one says when it was at the latest.
  const offsets = publishedAt.map((at, index) => at - index * intervalMs);
  const start = offsets.reduce((least, offset) => Math.min(least, offset));
  const late = offsets.map((offset) => offset - start);
  const [middle, most] = [median(late), quantile(late, 0.99)];
  const drift = median(late.slice(-ROWS_PER_SECOND)) - median(late.slice(0, ROWS_PER_SECOND));
  return [
    {
      what: `lateness at ${ROWS_PER_SECOND} rows/s for ${seconds} s: median, 99th percentile`,
      ours: `${middle.toFixed(1)} ms, ${most.toFixed(1)} ms`,
      target: { text: `< ${TARGET_MS} ms`, met: most < TARGET_MS },
    },
    {
      what: "drift: median of the last second − of the first",
      ours: `${drift.toFixed(1)} ms`,
      // The times are whole milliseconds.
      target: { text: "none", met: Math.abs(drift) <= 1 },
    },
  ];
}

/** When each row was published, in order, in milliseconds since 1970: the header says so. */
async function publishTimes(broker: Connection, count: number): Promise<number[]> {
  const times: number[] = [];
  const all = Promise.withResolvers<void>();
  await broker.channel("consume", async (channel) => {
    await channel.basicConsume({ queue: TASKS.queues.tasks.name, noAck: true }, ({ headers }) => {
      times.push(Number(headers?.["published-at"]));
      if (times.length === count) all.resolve();
    });
  });
  await all.promise;
  return times;
}

export const pace: Subject = {
  name: "pace",
  about: "lateness and drift of a replay at 500 rows a second for 30 s, one run",
  measure,
};
