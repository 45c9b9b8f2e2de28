/**
 * Faults under running scripts: replays, workers and monitors are real processes on brokers of their own (ports 5681
 * to 5683 and 5685), and no message that was confirmed may be lost.
 *
 *     deno task test:faults
 *     deno task test:faults --only leader-killed --only worker-killed
 *     deno task test:faults --long --hours 8
 *
 * Ends with a table, and with exit code 1 when something was lost.
 */
import {
  FailedError,
  flag,
  number,
  oneOf,
  optional,
  OUTPUT_OPTIONS,
  reasonOf,
  repeatable,
  run,
  type Script,
} from "../../shared/script.ts";
import { OwnCluster } from "../own_cluster.ts";
import { BROKER_FAULTS } from "./broker_faults.ts";
import type { Result } from "./ledger.ts";
import { SCRIPT_FAULTS } from "./script_faults.ts";
import type { Fault } from "./stage.ts";

/** Those of the cluster last: it starts when they come. */
const FAULTS = [...SCRIPT_FAULTS, ...BROKER_FAULTS].sort((a, b) => a.on.localeCompare(b.on));

const options = {
  only: repeatable("NAME", oneOf(...FAULTS.map(({ name }) => name)), "this fault (default all)"),
  list: flag("say which faults there are, and how often each happens"),
  long: flag("the full counts, again and again until Ctrl-C"),
  hours: optional("N", number(0, { open: true }), "end --long after so many hours"),
  quiet: OUTPUT_OPTIONS.quiet,
};
const usage = {
  task: "test:faults",
  script: "faults",
  summary:
    "Kills, freezes, cuts off and starves brokers and scripts while messages flow, on brokers of its own,\n" +
    "and counts them. Exit code 1 when one is lost. Takes under four minutes.",
  options,
};

/** A line of the table: a fault, and what came of it each time. */
interface Row {
  readonly fault: Fault;
  times: number;
  readonly results: Result[];
}

async function main({ values, out, signal }: Script<typeof options>): Promise<number> {
  const chosen = FAULTS.filter(({ name }) =>
    values.only.length === 0 || values.only.includes(name)
  );
  if (values.list) {
    for (const { name, what, times } of chosen) {
      out.line(`${name.padEnd(16)} ${what} (${times.short} times, --long ${times.long})`);
    }
    return 0;
  }
  const since = performance.now();
  const seconds = () => ((performance.now() - since) / 1000).toFixed(0).padStart(4);
  const rows = new Map<string, Row>();
  const problems: string[] = [];
  const over = () =>
    signal.aborted || performance.now() - since > (values.hours ?? Infinity) * 3_600_000;
  do {
    for (const on of ["broker", "cluster"] as const) {
      const faults = chosen.filter((fault) => fault.on === on);
      if (faults.length === 0 || over()) continue;
      await using cluster = on === "broker" ? new OwnCluster(5685, 1) : new OwnCluster(5681, 3);
      out.note(`${seconds()} s  ${on}: starting`);
      // Ctrl-C in a terminal ends the brokers' start, too.
      const start = () =>
        cluster.start().catch((error) => {
          if (!signal.aborted) throw error;
        });
      await start();
      for (const fault of faults) {
        if (over()) break;
        const times = values.long ? fault.times.long : fault.times.short;
        const say = (what: string) => out.note(`${seconds()} s  ${fault.name}: ${what}`);
        try {
          const result = await fault.run({ cluster, times, say });
          const row = rows.get(fault.name) ?? { fault, times: 0, results: [] };
          row.times += times;
          row.results.push(result);
          rows.set(fault.name, row);
          for (const problem of result.problems) problems.push(`${fault.name}: ${problem}`);
          const { published, handled, lost } = result;
          say(`${published} in, ${handled} out, ${lost} lost`);
        } catch (error) {
          if (signal.aborted) break;
          problems.push(`${fault.name}: ${reasonOf(error)}`);
          say(reasonOf(error));
          // Whatever state it has left its brokers in, the next fault needs them.
          await start();
        }
      }
    }
  } while (values.long && !over());
  out.line(`\n${table([...rows.values()])}`);
  if (problems.length > 0) throw new FailedError(problems.join("\n"));
  return 0;
}

/** The table, with one line for each fault. */
function table(rows: readonly Row[]): string {
  const head = [
    "fault",
    "times",
    "in",
    "out",
    "dead",
    "left",
    "deleted",
    "lost",
    "repeated",
    "pause",
  ];
  const lines = rows.map(({ fault, times, results }) => {
    const sum = (count: (result: Result) => number) =>
      String(results.reduce((total, result) => total + count(result), 0));
    const pause = Math.max(...results.map(({ pause }) => pause)).toFixed(1);
    return [
      fault.name,
      String(times),
      sum(({ published }) => published),
      sum(({ handled }) => handled),
      sum(({ dead }) => dead),
      sum(({ left }) => left),
      sum(({ deleted }) => deleted),
      sum(({ lost }) => lost),
      sum(({ repeated }) => repeated),
      `${pause} s`,
    ];
  });
  const widths = head.map((name, column) =>
    Math.max(name.length, ...lines.map((line) => line[column]?.length ?? 0))
  );
  const text = [head, ...lines].map((line) =>
    line.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)
    ).join("  ")
  );
  return [
    ...text,
    "in: confirmed to the producer; deleted: lay in the queue that was deleted; pause: longest time without a confirm",
  ].join("\n");
}

if (import.meta.main) await run(usage, main);
