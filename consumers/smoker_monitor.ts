/**
 * Watches the smart smoker: keeps a sliding window per channel and raises an alert when the smoker drops by
 * more than 15 °F in 2.5 minutes or a food stalls within 1 °F for 10 minutes, and again when that is over.
 *
 *     deno task smoker:monitor
 *     deno task smoker:monitor --channel smoker
 *     deno task smoker:monitor --backtest data/smoker-temps.csv
 *
 * The broker keeps its windows: kill it and start it again, or have a second one stand by, and it goes on with
 * the next reading. Needs the network for the broker, `data/` to read for `--backtest`, `logs/` to write with
 * `--log`.
 */
import { type Channel, CHANNELS, ruleFor, type WindowMode } from "../shared/alerts.ts";
import { brokerAddress } from "../shared/broker_url.ts";
import { ChannelMonitor } from "../shared/channel_monitor.ts";
import { Connection } from "../shared/connection.ts";
import { reportRejected, RowReader } from "../shared/csv_replay.ts";
import { ChannelJudge } from "../shared/episodes.ts";
import { IdleWatch } from "../shared/idle_watch.ts";
import { placeOf } from "../shared/messages.ts";
import {
  number,
  oneOf,
  optional,
  path,
  plainName,
  positiveDuration,
  repeatable,
  withDefault,
} from "../shared/options.ts";
import { inert } from "../shared/output.ts";
import { ALERT_QUEUES, queueOption, READING_QUEUES } from "../shared/queue_names.ts";
import { CSV_OPTIONS } from "../shared/replay_options.ts";
import { run, type Script } from "../shared/script.ts";
import { TEMPERATURES } from "../shared/smoker.ts";
import { SmokerAnnouncer } from "../shared/smoker_announcer.ts";
import { SmokerScreen, summaryText } from "../shared/smoker_screen.ts";
import { Standby } from "../shared/standby.ts";
import { consumeWithState } from "../shared/stateful_consumer.ts";
import { alertQueue, readingQueue, stateQueue } from "../shared/topology.ts";
import { Announcer } from "../shared/watch.ts";
import { CONSUMER_OPTIONS } from "../shared/worker.ts";

const degrees = number(0, { open: true });

const usage = {
  task: "smoker:monitor",
  script: "smoker_monitor",
  summary:
    "Watches the smoker's channels: alerts when the smoker drops or a food stalls, and when it is over.\n" +
    "A second monitor stands by and takes over when the first one dies; nothing is judged twice or missed.",
  options: {
    channel: repeatable(
      "CHANNEL",
      oneOf(...CHANNELS),
      "smoker, food-a or food-b (default all three)",
    ),
    drop: withDefault("°F", degrees, "15", "the smoker alerts when it falls by more"),
    stall: withDefault("°F", degrees, "1", "a food alerts when it changes by less"),
    window: withDefault(
      "MODE",
      oneOf<WindowMode>("readings", "time"),
      "time",
      "windows go by recorded time, or count readings as the class does",
    ),
    smokerWindow: withDefault("TIME", positiveDuration, "2.5m", "the smoker's window"),
    foodWindow: withDefault("TIME", positiveDuration, "10m", "a food's window"),
    readingsEvery: withDefault(
      "TIME",
      positiveDuration,
      "30s",
      "time between readings, which makes the windows of --window readings 5 and 20 of them",
    ),
    backtest: path("PATH", "judge this CSV (- for standard input) without a broker"),
    run: optional("ID", plainName, "name of the backtest in ids (default backtest)"),
    ...CSV_OPTIONS,
    queue: queueOption({ ...READING_QUEUES, ...ALERT_QUEUES }),
    ...CONSUMER_OPTIONS,
    prefetch: {
      ...CONSUMER_OPTIONS.prefetch,
      fallback: "1000",
      help: "messages held at a time, 1 to 2000; they are judged in batches",
    },
  },
};

type MonitorScript = Script<typeof usage.options>;
type Monitors = ReadonlyMap<Channel, ChannelMonitor>;

async function main(script: MonitorScript): Promise<number> {
  const { values, out } = script;
  const chosen = CHANNELS.filter((channel) =>
    values.channel.length === 0 || values.channel.includes(channel)
  );
  using screen = new SmokerScreen(out, chosen, { panel: values.backtest === undefined });
  let announcer: SmokerAnnouncer | undefined;
  const monitors: Monitors = new Map(chosen.map((channel) => {
    const rule = ruleFor(channel, values);
    const queue = values.queue[channel];
    return [
      channel,
      new ChannelMonitor(rule, values.queue.alerts, {
        onJudged: (judged) => screen.show(rule, judged),
        onDead({ messageId }, reason) {
          const id = messageId ?? null;
          out.problem(
            { event: "dead", queue, id, reason },
            () => `${inert(id ?? "A message without id")} moved to ${queue}.dead: ${reason}`,
          );
          announcer?.dead(id, queue, reason);
        },
        onUnreadable: () =>
          out.error(
            `The state in ${
              stateQueue(queue).queue
            } can't be read: ${channel} begins with an empty window`,
          ),
        onTold(batch) {
          out.flush();
          announcer?.judged(rule, batch);
        },
      }),
    ];
  }));
  let rejected = 0;
  if (values.backtest === undefined) {
    const options = { out, signal: script.signal, name: usage.script };
    await using connection = await Connection.open(
      brokerAddress(values.url, values),
      "consume",
      options,
    );
    await using announcements = new Announcer(connection, usage.script, values.name);
    announcer = new SmokerAnnouncer(announcements, () => totals(monitors));
    await watch(script, connection, monitors, announcer);
  } else {
    rejected = await backtest(script, values.backtest, monitors);
  }
  screen[Symbol.dispose]();
  const channels = Object.fromEntries([...monitors].map(([name, { summary }]) => [name, summary]));
  out.summary(
    { event: "summary", ...totals(monitors), channels },
    () => [...monitors].map(([channel, { summary }]) => summaryText(channel, summary)).join("\n"),
  );
  return rejected > 0 ? 2 : 0;
}

/** Judges what the broker delivers, until the signal or the idle time ends it. */
async function watch(
  { values, out, signal }: MonitorScript,
  connection: Connection,
  monitors: Monitors,
  announcer: SmokerAnnouncer,
): Promise<void> {
  const { name, queueType, queue: names } = values;
  const waiting = new Set(monitors.keys());
  const queues = [...monitors.keys()].map((channel) => names[channel]);
  const standby = new Standby(connection, out, queues);
  using idle = new IdleWatch(
    values.exitWhenIdle,
    () => standby.isHeldBack(),
    () => connection.refused,
  );
  await Promise.all([...monitors].map(([channel, monitor]) => {
    const queue = names[channel];
    return consumeWithState(connection, {
      queue: readingQueue(queue, queueType),
      stateQueue: stateQueue(queue),
      publishesTo: [alertQueue(names.alerts)],
      prefetch: values.prefetch,
      exclusive: queueType === "classic",
      signal: AbortSignal.any([signal, idle.signal]),
      restore: (saved) => monitor.restore(saved),
      isFirst: ({ messageId }) => placeOf(messageId).row === 1,
      onReady() {
        if (waiting.delete(channel) && waiting.size === 0) {
          out.event({ event: "ready", pid: Deno.pid, name });
          announcer.present();
          out.note(`Watching ${[...monitors.keys()].join(", ")}; Ctrl-C stops`);
        }
        announcer.lost(channel);
        standby.subscribed(queue);
      },
      onActivity(busy) {
        idle.touch(queue, busy);
        if (busy) standby.delivered(queue);
      },
    });
  }));
}

/**
 * Judges the rows of a CSV.
 *
 * @returns How many rows were malformed.
 */
async function backtest(
  { values, out, signal }: MonitorScript,
  file: string,
  monitors: Monitors,
): Promise<number> {
  const { run = "backtest", columns, delimiter } = values;
  const reader = new RowReader(TEMPERATURES, {
    file,
    flag: "--backtest",
    run,
    columns,
    delimiter,
    skip: 0,
    loop: false,
    task: usage.task,
    signal,
  });
  const judges = new Map(
    [...monitors].map(([channel, { rule }]) => [channel, new ChannelJudge(rule)]),
  );
  let rejected = 0;
  out.event({ event: "ready", pid: Deno.pid, name: usage.script });
  for await (const block of reader.blocks()) {
    for (const row of block) {
      if (!("item" in row)) {
        rejected++;
        reportRejected(out, row);
        continue;
      }
      for (const { time, channel, fahrenheit } of row.item.readings) {
        const judge = judges.get(channel);
        const id = `${run}/${row.row}/${channel}`;
        if (judge) monitors.get(channel)?.judge(judge, id, { time, fahrenheit, run, row: row.row });
      }
    }
  }
  return rejected;
}

/** The counts of all channels together. */
function totals(monitors: Monitors) {
  const sum = (count: (monitor: ChannelMonitor) => number) =>
    [...monitors.values()].reduce((total, monitor) => total + count(monitor), 0);
  return {
    readings: sum(({ readings }) => readings),
    late: sum(({ late }) => late),
    duplicates: sum(({ duplicates }) => duplicates),
    dead: sum(({ dead }) => dead),
  };
}

if (import.meta.main) await run(usage, main);
