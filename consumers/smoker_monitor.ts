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
import {
  dropRule,
  type JudgedReading,
  monitor,
  monitorOptions,
  type Rule,
  stallRule,
  type WindowMode,
} from "../shared/monitor.ts";
import { number, oneOf, positiveDuration, repeatable, run, withDefault } from "../shared/script.ts";
import {
  CHANNELS,
  FOOD_SPAN_MS,
  formatLocalTime,
  SMOKER,
  SMOKER_SPAN_MS,
} from "../shared/streams.ts";

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
    ...monitorOptions(SMOKER),
  },
};

/** Thresholds in °F, times in milliseconds. */
export interface SmokerRuleOptions {
  /** @default {"time"} */
  readonly window?: WindowMode;
  /** The smoker alerts when it falls by more than this. @default {15} */
  readonly drop?: number;
  /** A food alerts when it changes by less than this. @default {1} */
  readonly stall?: number;
  /** @default {150_000} */
  readonly smokerWindow?: number;
  /** @default {600_000} */
  readonly foodWindow?: number;
  /** @default {30_000} */
  readonly readingsEvery?: number;
}

/**
 * The rule of a channel, as in the class's smart smoker exercise: the smoker alerts when it falls by more than 15 °F
 * within 2.5 minutes, a food when it changes by less than 1 °F within 10 minutes. The class takes one reading every 30
 * seconds for granted, so 2.5 minutes are 5 readings and 10 minutes are 20: that is `window` `readings`.
 *
 * @throws {RangeError} If a threshold or a time is not a positive finite number.
 */
export function smokerRule(channel: string, options: SmokerRuleOptions = {}): Rule {
  const { window: mode = "time", drop = 15, stall = 1, readingsEvery: everyMs = 30_000 } = options;
  const { smokerWindow = SMOKER_SPAN_MS, foodWindow = FOOD_SPAN_MS } = options;
  return channel === "smoker"
    ? dropRule({ name: "drop", threshold: drop, spanMs: smokerWindow, mode, everyMs })
    : stallRule({ name: "stall", threshold: stall, spanMs: foodWindow, mode, everyMs });
}

/** The event of a reading. */
function event({ id, key: channel, time, values, judgement }: JudgedReading) {
  const { verdict, changes: [change], alerting: [alert = null] } = judgement;
  const reading = { id, channel, time: formatLocalTime(time), fahrenheit: values[0] };
  return { ...reading, change, alert, ...(verdict === "late" ? { late: true } : {}) };
}

if (import.meta.main) {
  await run(usage, (script) => {
    const { channel: chosen, ...options } = script.values;
    const smoker = {
      stream: SMOKER,
      rules: (channel: string) => [smokerRule(channel, options)],
      oneKeyPerQueue: true,
      event,
      summaries: "channels",
    };
    const channels = CHANNELS.filter((channel) => chosen.length === 0 || chosen.includes(channel));
    return monitor(script, smoker, channels);
  });
}
