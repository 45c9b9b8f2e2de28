/** A backtest: the rows of a CSV judged without a broker. */
import { idOf, reportRejected, RowReader } from "../replay.ts";
import { type Output, UsageError } from "../script.ts";
import type { SeriesPanel, Stream, TimeFormat } from "../streams.ts";
import type { QueueMonitor } from "./queue_monitor.ts";

export interface BacktestOptions {
  /** A path, or `-` for standard input. */
  readonly file: string;
  /** Begins the ids. */
  readonly run: string;
  readonly columns: Record<string, string> | undefined;
  readonly delimiter: string;
  readonly timeFormat: TimeFormat | undefined;
  /** By the keys of their queues; rows for others are left out. */
  readonly monitors: ReadonlyMap<string, QueueMonitor>;
  readonly task: string;
  readonly out: Output;
  readonly signal: AbortSignal;
}

/**
 * Judges the rows of a stream's CSV.
 *
 * @returns How many rows were malformed.
 * @throws {UsageError} If the file can't be read, or the stream has none.
 */
export async function backtest<Item>(
  { csv, panel, title }: Stream<Item, string, unknown> & { readonly panel: SeriesPanel<Item> },
  { monitors, out, run, ...options }: BacktestOptions,
): Promise<number> {
  if (!csv) throw new UsageError(`--backtest: ${title} has no CSV`);
  const reader = new RowReader(csv, { ...options, flag: "--backtest", run, skip: 0, loop: false });
  const judges = new Map([...monitors].map(([key, monitor]) => [key, monitor.backtest()]));
  let rejected = 0;
  for await (const block of reader.blocks()) {
    for (const row of block) {
      if (!("item" in row)) {
        rejected++;
        reportRejected(out, row);
        continue;
      }
      for (const { to, part, item } of csv.messages(row.item)) {
        try {
          judges.get(to)?.(idOf(row, part), panel.measured(item), row);
        } catch (error) {
          if (!(error instanceof RangeError)) throw error;
          rejected++;
          reportRejected(out, { ...row, reason: error.message, text: csv.line(row.item) });
        }
      }
    }
  }
  return rejected;
}
