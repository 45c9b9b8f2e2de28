/**
 * Watching a stream of measurements: a window for each quantity of each key, rules that raise alerts, and a state that
 * the broker keeps, so that a monitor that starts or takes over goes on with the next reading.
 *
 * The smart smoker's monitor is one configuration of it.
 */
import { Announcer, connect, CONSUMER_OPTIONS, deadQueue, stateQueue } from "./connection.ts";
import { backtest } from "./monitor/backtest.ts";
import { MonitorAnnouncer } from "./monitor/announcer.ts";
import { KeyJudge, type KeyState } from "./monitor/judge.ts";
import { type JudgedReading, type KeySummary, QueueMonitor } from "./monitor/queue_monitor.ts";
import type { Rule } from "./monitor/rules.ts";
import { watchQueues } from "./monitor/watch_queues.ts";
import { MonitorScreen, summaryText } from "./monitor/screen.ts";
import { CSV_OPTIONS } from "./replay.ts";
import { counted, inert, optional, path, plainName, type Script } from "./script.ts";
import {
  type Alert,
  ALERTS,
  deadHints,
  formatLocalTime,
  namesOf,
  type QueueNames,
  queueOption,
  type SeriesPanel,
  startOfBody,
  type Stream,
  wordsOf,
} from "./streams.ts";

export { dropRule, riseRule, type Rule, stallRule, type WindowMode } from "./monitor/rules.ts";
export type { JudgedReading } from "./monitor/queue_monitor.ts";
export {
  parseRule,
  requireDifferentNames,
  ruleOfText,
  type RuleText,
} from "./monitor/rule_text.ts";

/** A stream of measurements and its rules. */
export interface Monitored<Item, K extends string, Row> {
  readonly stream: Stream<Item, K, Row> & { readonly panel: SeriesPanel<Item> };
  /** The rules of a key; those of one quantity have the same window. */
  readonly rules: (key: string) => readonly Rule[];
  /** Whether each queue holds the readings of one key, which is called like the queue's own key. */
  readonly oneKeyPerQueue?: boolean;
  /** The fields of the event of a reading. @default {id, key, time, values by quantity, changes, alerts} */
  readonly event?: (judged: JudgedReading) => Record<string, unknown>;
  /** What the keys' summaries are called in the summary. @default "keys" */
  readonly summaries?: string;
}

const BACKTEST_OPTIONS = {
  backtest: path("PATH", "judge this CSV (- for standard input) without a broker"),
  run: optional("ID", plainName, "name of the backtest in ids (default backtest)"),
};

const WATCH_OPTIONS = {
  ...CONSUMER_OPTIONS,
  prefetch: {
    ...CONSUMER_OPTIONS.prefetch,
    fallback: "1000",
    help: "messages held at a time, 1 to 2000; they are judged in batches",
  },
};

/** The flags of a monitor, but for those of its CSV and its queues. */
export const MONITOR_OPTIONS = { ...BACKTEST_OPTIONS, ...WATCH_OPTIONS };

/** The flags of a monitor: of the queues, those that the stream says are monitored. */
export function monitorOptions<K extends string>(stream: Stream<unknown, K, unknown>) {
  return {
    ...BACKTEST_OPTIONS,
    ...CSV_OPTIONS,
    queue: queueOption({
      ...namesOf(stream, ...monitoredQueues(stream)),
      ...namesOf(ALERTS, "alerts"),
    }),
    ...WATCH_OPTIONS,
  };
}

function monitoredQueues<K extends string>({ queues }: Stream<unknown, K, unknown>): K[] {
  return (Object.keys(queues) as K[]).filter((key) => queues[key].monitored);
}

type MonitorScript<K extends string> = Script<ReturnType<typeof monitorOptions<K>>>;

/**
 * Monitors the queues of a stream until Ctrl-C or the idle time ends it; or, with `--backtest`, judges a CSV.
 *
 * @param chosen Some of its monitored queues, by their keys.
 * @returns The exit code: 2 if rows of the CSV were malformed.
 * @throws {FailedError} If there is no broker, or it refuses.
 */
export async function monitor<Item, K extends string, Row>(
  script: MonitorScript<K>,
  monitored: Monitored<Item, K, Row>,
  chosen: readonly K[] = monitoredQueues(monitored.stream),
): Promise<number> {
  const { values, out, signal } = script;
  const { stream, oneKeyPerQueue = false, summaries = "keys" } = monitored;
  const words = wordsOf(stream.name);
  using screen = new MonitorScreen(out, {
    quantities: stream.panel.quantities,
    words,
    keys: oneKeyPerQueue ? chosen : Object.keys(stream.panel.keys),
    panel: values.backtest === undefined,
    event: monitored.event ?? ((judged) => eventOf(judged, stream.panel)),
  });
  const judgeOf = (key: string, state: KeyState | null = null) => {
    const { panel: { quantities }, name } = stream;
    return new KeyJudge({ stream: name, key, quantities, words }, monitored.rules(key), state);
  };
  const names = values.queue as QueueNames<K | "alerts">;
  let announcer: MonitorAnnouncer | undefined;
  const hintOf = await deadHints();
  const monitors = new Map(chosen.map((key) => {
    const queue = names[key];
    const watch = {
      measured: (delivery: Parameters<typeof stream.decode>[0]) =>
        stream.panel.measured(stream.decode(delivery, key)),
      key: oneKeyPerQueue ? key : undefined,
      judgeOf,
      alertMessage: (alert: Alert, rule: Rule | undefined) =>
        alertMessage(alert, { rule, queue: names.alerts, appId: script.usage.script }),
    };
    return [
      key,
      new QueueMonitor(watch, {
        onJudged: (judged) => screen.show(judged),
        onDead({ messageId, body }, reason) {
          const id = messageId ?? null;
          const dead = deadQueue(queue).queue;
          out.problem(
            { event: "dead", queue, id, reason },
            () =>
              `${inert(id ?? "A message without id")} moved to ${dead}: ${reason}${hintOf(queue)}`,
          );
          announcer?.dead(id, queue, reason, startOfBody({ body }));
        },
        onUnreadable() {
          const what = oneKeyPerQueue
            ? `${key} begins with an empty window`
            : "windows begin empty";
          out.error(`The state in ${stateQueue(queue).queue} can't be read: ${what}`);
        },
        onReported(batch) {
          out.flush();
          announcer?.judged(queue, batch);
        },
      }),
    ];
  }));
  let rejected = 0;
  if (values.backtest === undefined) {
    await using connection = await connect(script, "consume");
    await using announcements = new Announcer(connection, script.usage.script, values.name);
    announcer = new MonitorAnnouncer(announcements, stream, () => totals(monitors.values()));
    await watchQueues(stream, { ...values, connection, monitors, names, announcer, out, signal });
  } else {
    out.event({ event: "ready", pid: Deno.pid, name: script.usage.script });
    const { backtest: file, run = "backtest", columns, delimiter, timeFormat } = values;
    const csv = { file, run, columns, delimiter, timeFormat, task: script.usage.task };
    rejected = await backtest(stream, { ...csv, monitors, out, signal });
  }
  screen[Symbol.dispose]();
  const keys = new Map<string, KeySummary>(
    [...monitors.values()].flatMap((monitor) => [...monitor.summaries]),
  );
  const [only, ...others] = stream.panel.quantities;
  const unit = only && others.length === 0 ? only.unit : "";
  out.summary(
    { event: "summary", ...totals(monitors.values()), [summaries]: Object.fromEntries(keys) },
    () => {
      const lines = (key: string, summary: KeySummary) =>
        summaryText(inert(words.keyName(key)), summary, unit);
      if (keys.size <= LISTED_KEYS) {
        return [...keys].map(([key, summary]) => lines(key, summary)).join("\n");
      }
      const { readings } = totals(monitors.values());
      const alerting = [...keys].filter(([, { episodes }]) => episodes.length > 0);
      return [
        ...alerting.map(([key, summary]) => lines(key, summary)),
        `${counted(keys.size, "key")}: ${counted(readings, "reading")} judged, ` +
        `${alerting.length} of them had alerts`,
      ].join("\n");
    },
  );
  return rejected > 0 ? 2 : 0;
}

/** With more keys than this the summary lists only those that had alerts. */
const LISTED_KEYS = 20;

/** The counts of all queues together. */
function totals(monitors: Iterable<QueueMonitor>) {
  const sum = { readings: 0, late: 0, duplicates: 0, dead: 0 };
  for (const { readings, late, duplicates, dead } of monitors) {
    sum.readings += readings;
    sum.late += late;
    sum.duplicates += duplicates;
    sum.dead += dead;
  }
  return sum;
}

/** The event of a reading of any stream. */
function eventOf(
  { id, key, time, values, judgement }: JudgedReading,
  { quantities }: SeriesPanel<unknown>,
): Record<string, unknown> {
  const { verdict, changes, alerting } = judgement;
  const byQuantity = (figures: readonly unknown[]) =>
    Object.fromEntries(quantities.map(({ name }, index) => [name, figures[index]]));
  return {
    ...{ id, key, time: formatLocalTime(time), ...byQuantity(values) },
    ...{ change: byQuantity(changes), alerts: alerting },
    ...(verdict === "late" ? { late: true } : {}),
  };
}

/** The message of an alert: `<id>/<state>` makes it one and the same, however often it is published. */
function alertMessage(
  alert: Alert,
  { rule, queue, appId }: { rule: Rule | undefined; queue: string; appId: string },
) {
  return {
    queue,
    body: Buffer.from(JSON.stringify(wordsOf(alert.stream).write(alert))),
    properties: {
      contentType: "application/json",
      messageId: `${alert.id}/${alert.state}`,
      appId,
      headers: { "published-at": Date.now(), "window-ms": rule?.spanMs ?? 0 },
    },
  };
}
