/**
 * Measures our scripts beside other AMQP clients, on one broker in one run, and prints a table in Markdown.
 *
 *     deno task bench
 *     deno task bench --quick --only csv
 *
 * The real tasks run as child processes with their real flags, each subject on a virtual host of its own at the
 * broker of `AMQP_URL`, else the one on localhost:5672. The others are small programs in `peers/`, skipped with a
 * line where they can't run. Progress goes to stderr. For people who work on the project, so with all permissions.
 */
import {
  FailedError,
  flag,
  integer,
  oneOf,
  optional,
  reasonOf,
  repeatable,
  run,
  type Script,
} from "../../shared/script.ts";
import { csv } from "./csv.ts";
import { machine } from "./machine.ts";
import type { Bench, Subject } from "./measure.ts";
import { memory } from "./memory.ts";
import { monitor } from "./monitor.ts";
import { pace } from "./pace.ts";
import { findPeers } from "./peers.ts";
import { replay } from "./replay.ts";
import { start } from "./start.ts";
import { takeover } from "./takeover.ts";
import { type Result, table } from "./table.ts";
import { windows } from "./windows.ts";
import { worker } from "./worker.ts";

const SUBJECTS: readonly Subject[] = [
  replay,
  worker,
  monitor,
  start,
  memory,
  pace,
  takeover,
  windows,
  csv,
];

/** Runs of each measurement, without and with `--quick`. */
const RUNS = 5;
const QUICK_RUNS = 1;

const usage = {
  task: "bench",
  script: "bench",
  summary: "Measures the scripts beside other AMQP clients and prints a table in Markdown.\n" +
    "Needs the broker of AMQP_URL, else localhost:5672, with its admin site, and a quiet machine.",
  options: {
    only: repeatable(
      "NAME",
      oneOf(...SUBJECTS.map(({ name }) => name)),
      "measure this subject",
    ),
    quick: flag("fewer rows and one run of each: under a minute, only to see that it works"),
    runs: optional("N", integer(1, 99), "runs of each, alternating; the median counts (default 5)"),
    list: flag("say what the subjects are"),
  },
};

async function bench({ values, out, signal }: Script<typeof usage.options>): Promise<number> {
  if (values.list) {
    for (const { name, about } of SUBJECTS) out.line(`${name.padEnd(10)}${about}`);
    return 0;
  }
  const chosen = SUBJECTS.filter(({ name }) =>
    values.only.length === 0 || values.only.includes(name)
  );
  const runs = values.runs ?? (values.quick ? QUICK_RUNS : RUNS);
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  try {
    const peers = chosen.some(({ peers }) => peers) ? await findPeers(folder, out) : [];
    const bench: Bench = { quick: values.quick, runs, peers, out, signal };
    const before = await machine(peers);
    const results: Result[] = [];
    let failed = false;
    for (const { name, measure } of chosen) {
      out.note(`${name}:`);
      try {
        results.push(...await measure(bench));
      } catch (error) {
        signal.throwIfAborted();
        failed = true;
        out.error(`${name} failed: ${reasonOf(error)}`);
      }
    }
    if (results.length === 0) throw new FailedError("Nothing could be measured");
    const [load = 0] = Deno.loadavg();
    const medians = `Medians of ${runs} alternating run${runs === 1 ? "" : "s"}`;
    out.line(`${before}; ${load.toFixed(1)} after. ${medians}.\n\n${table(results)}`);
    return failed ? 1 : 0;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await run(usage, bench);
