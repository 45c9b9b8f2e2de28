/** Rows read, checked and made into messages, without a broker. */
import assert from "node:assert/strict";
import { TaskProcess } from "../../shared/tools/demo/task_process.ts";
import { summaryOf } from "../e2e/harness.ts";
import { alternate, type Bench, short, type Subject } from "./measure.ts";
import { taskRows, temperatureRows, ticketRows } from "./rows.ts";
import type { Result } from "./table.ts";

const FLAGS = ["--file", "-", "--interval", "0", "--dry-run", "--quiet"];

async function measure(bench: Bench): Promise<Result[]> {
  const count = bench.quick ? 50_000 : 300_000;
  const inputs = {
    "tasks:produce": taskRows,
    "helpdesk:produce": ticketRows,
    "smoker:produce": temperatureRows,
  };
  const contenders = new Map(
    Object.entries(inputs).map(([task, make]) => {
      const input = make(count);
      return [task, async () => {
        const process = new TaskProcess(task, FLAGS, { input });
        const { code, stderr } = await process.ended;
        assert.equal(code, 0, stderr);
        const { rows, rowsPerSecond } = summaryOf(process);
        assert.equal(rows, count);
        return Number(rowsPerSecond);
      }];
    }),
  );
  const medians = await alternate(bench, contenders, { unit: "rows/s" });
  return [...medians].map(([task, rate]) => ({
    what: `CSV without a broker: ${task} --dry-run`,
    ours: `${short(rate)} rows/s`,
  }));
}

export const csv: Subject = {
  name: "csv",
  about: "CSV rows per second without a broker (--dry-run)",
  measure,
};
