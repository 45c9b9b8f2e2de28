/**
 * Watches the rows of any CSV: a window for each value of a column, rules typed on the command line, alerts.
 *
 *     deno task csv:monitor --stream data/metrics.stream.json
 *     deno task csv:monitor --queue metrics --by host --value cpu --time timestamp --window 10m --alert 'high: last above 90'
 *     deno task csv:monitor --stream data/metrics.stream.json --backtest data/metrics.csv
 *
 * The broker keeps its windows: kill it and start it again, or have a second one stand by, and it goes on with
 * the next reading. Needs the network for the broker, `data/` to read, `logs/` to write with `--log`.
 */
import { type JudgedReading, monitor, MONITOR_OPTIONS, parseRule } from "../shared/monitor.ts";
import { requireDifferentNames, ruleOfText, type RuleText } from "../shared/monitor.ts";
import { duration, reasonOf, run, type Script, UsageError } from "../shared/script.ts";
import { ALERTS, type CsvDescription, csvStream, describedBy } from "../shared/streams.ts";
import { DESCRIPTION_OPTIONS, formatLocalTime, STREAM_OPTION } from "../shared/streams.ts";

const { queue, delimiter, decimal, time, timeFormat, types, by, value, unit, window, alert } =
  DESCRIPTION_OPTIONS;

const usage = {
  task: "csv:monitor",
  script: "csv_monitor",
  summary:
    "Watches the rows of a CSV in a queue: a window for each value of --by, alerts by the rules of --alert:\n" +
    "[name:] <aggregate> above|below <number> [for <time>], where an aggregate is last, min, max, mean,\n" +
    "change (last - first), range (max - min), drop (max - last), rise (last - min) or count;\n" +
    "or [name:] silent above <time>. A second monitor stands by and takes over when the first one dies.",
  options: {
    ...STREAM_OPTION,
    ...{ queue, by, value, unit, time, timeFormat, window, alert },
    ...{ delimiter, decimal, types },
    ...MONITOR_OPTIONS,
  },
};

/** The length of a window. @throws {UsageError} If it can't be read. */
function windowOf(size: string): { spanMs: number } | { count: number } {
  if (/^[1-9]\d{0,6}$/.test(size)) return { count: Number(size) };
  try {
    const spanMs = duration(size);
    if (spanMs > 0) return { spanMs };
  } catch {
    // Said below.
  }
  throw new UsageError(`--window must be a time like 10m, or a number of readings, got "${size}"`);
}

/** @throws {UsageError} If a rule can't be read, there is none, or two have one name. */
function rulesOf({ alert = [] }: CsvDescription): RuleText[] {
  if (alert.length === 0) {
    throw new UsageError("--alert is needed: a rule, such as 'high: last above 90'");
  }
  const rules = alert.map((text) => {
    try {
      return parseRule(text);
    } catch (error) {
      throw new UsageError(`--alert "${text}" ${reasonOf(error)}`);
    }
  });
  try {
    requireDifferentNames(rules);
  } catch (error) {
    throw new UsageError(`--alert: ${reasonOf(error)}`);
  }
  return rules;
}

/** What alerts say of themselves is short printable text. */
function requireShort(flag: string, text: string, most: number): void {
  if (!/^[^\p{Cc}\p{Cf}\p{Cs}]*$/u.test(text) || text.length > most) {
    throw new UsageError(`--${flag} must be printable text of at most ${most} characters`);
  }
}

/** Windows of so many readings need no times; what is for some time, or silent for some, does. */
function needsTimes(length: ReturnType<typeof windowOf>, rules: readonly RuleText[]): boolean {
  return "spanMs" in length ||
    rules.some(({ aggregate, forMs }) => aggregate === "silent" || forMs > 0);
}

/** The event of a reading. */
function event({ id, key, time, values: [value], judgement }: JudgedReading) {
  const { verdict, changes: [change], alerting: alerts } = judgement;
  const reading = { id, key, time: formatLocalTime(time), value, change, alerts };
  return { ...reading, ...(verdict === "late" ? { late: true } : {}) };
}

if (import.meta.main) {
  await run(usage, async (script: Script<typeof usage.options>) => {
    const description = await describedBy(script.values);
    const { queue, value, window = "10m" } = description;
    if (queue === undefined) throw new UsageError("--queue is needed: where the rows are");
    if (value === undefined) throw new UsageError("--value is needed: the column that is watched");
    requireShort("unit", description.unit ?? "", 20);
    requireShort("value", value, 100);
    requireShort("queue", queue, 100);
    const rules = rulesOf(description);
    const length = windowOf(window);
    if (description.time === undefined && needsTimes(length, rules)) {
      throw new UsageError(
        "--time is needed: the column of the recorded time, by which windows go",
      );
    }
    const stream = csvStream(description);
    const { panel } = stream;
    if (panel.kind !== "series") throw new TypeError("a watched CSV is no series");
    const values = {
      ...script.values,
      columns: undefined,
      delimiter: description.delimiter ?? ",",
      queue: { rows: queue, alerts: ALERTS.queues.alerts.name },
    };
    return await monitor({ ...script, values }, {
      stream: { ...stream, panel },
      rules: () => rules.map((rule) => ruleOfText(rule, length)),
      event,
    });
  });
}
