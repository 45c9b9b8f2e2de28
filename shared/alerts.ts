/**
 * The two rules of the smart smoker, the windows they look at and the alerts they make; pure, no broker, no
 * clock. Which readings alert is decided here; when an alert opens and resolves in episodes.ts.
 *
 * They are those of the class's smart smoker exercise: the smoker alerts when it falls by more than 15 °F
 * within 2.5 minutes, a food when it changes by less than 1 °F within 10 minutes. The class takes one reading
 * every 30 seconds for granted, so 2.5 minutes are 5 readings and 10 minutes are 20: that is mode `readings`.
 */
import { CountWindow, type Sample, type SlidingWindow, TimeWindow } from "./deque.ts";
import { formatLocalTime } from "./local_time.ts";

export const CHANNELS = ["smoker", "food-a", "food-b"] as const;

export type Channel = typeof CHANNELS[number];

/** `drop`: the smoker has fallen, as when its lid is open or its fire goes out. `stall`: a food stopped warming. */
export type Rule = "drop" | "stall";

/** Whether a window counts readings and ignores their times, or goes by their recorded times. */
export type WindowMode = "readings" | "time";

export interface RuleOptions {
  /** @default {"time"} */
  readonly window?: WindowMode;
  /** The smoker alerts when it falls by more than this, in °F, above 0. @default {15} */
  readonly drop?: number;
  /** A food alerts when it changes by less than this, in °F, above 0. @default {1} */
  readonly stall?: number;
  /** The smoker's window, in milliseconds, above 0. @default {150_000} */
  readonly smokerWindow?: number;
  /** A food's window, in milliseconds, above 0. @default {600_000} */
  readonly foodWindow?: number;
  /**
   * Time from one reading to the next, in milliseconds, above 0: turns a window into a number of readings in
   * mode `readings`, unused in mode `time`.
   * @default {30_000}
   */
  readonly readingsEvery?: number;
}

/** The rule of one channel with everything it needs, as {@link ruleFor} makes it. */
export interface ChannelRule {
  readonly channel: Channel;
  readonly rule: Rule;
  /** °F. */
  readonly threshold: number;
  readonly mode: WindowMode;
  /** Length of the window in mode `time`, in milliseconds. */
  readonly span: number;
  /** Length of the window in mode `readings`, in readings. */
  readonly count: number;
}

/** A reading as the windows hold it: time in ms (local time, as if it were UTC), value in °F. */
export type Measured = Sample;

/** The body of an alert message; all from `at` on is that of the window when the alert opened or resolved. */
export interface Alert {
  /** `<run>/<channel>/<rule>/<row that opened it>`. */
  readonly id: string;
  readonly channel: Channel;
  readonly rule: Rule;
  readonly state: "open" | "resolved";
  /** Time of the reading that opened it: local ISO 8601 without a zone, as `at`. */
  readonly opened: string;
  /** Time of the window's newest reading. */
  readonly at: string;
  /** The window's newest reading. */
  readonly fahrenheit: number;
  readonly change: number;
  readonly min: number;
  readonly max: number;
  /** How many the window held. */
  readonly readings: number;
  /** Set when the alert resolved because another cook began. */
  readonly reason?: "new run";
}

/** By time, a stall needs this much of the span covered, from oldest to newest. */
const STALL_COVERAGE = 0.9;

/**
 * The rule that watches a channel.
 *
 * A window in readings is `span / readingsEvery`, to the nearest whole reading and at least 1.
 *
 * @throws {RangeError} If a threshold or a time is not a positive finite number.
 */
export function ruleFor(channel: Channel, options: RuleOptions = {}): ChannelRule {
  const { window: mode = "time", drop = 15, stall = 1, readingsEvery = 30_000 } = options;
  const { smokerWindow = 150_000, foodWindow = 600_000 } = options;
  const values = { drop, stall, smokerWindow, foodWindow, readingsEvery };
  for (const [name, value] of Object.entries(values)) {
    if (!Number.isFinite(value) || value <= 0) {
      throw new RangeError(
        `Cannot make the rules: ${name} must be a positive finite number, got ${value}`,
      );
    }
  }
  const span = channel === "smoker" ? smokerWindow : foodWindow;
  const count = Math.max(1, Math.round(span / readingsEvery));
  return channel === "smoker"
    ? { channel, rule: "drop", threshold: drop, mode, span, count }
    : { channel, rule: "stall", threshold: stall, mode, span, count };
}

/** An empty window as the rule wants it. */
export function windowFor({ mode, span, count }: ChannelRule): SlidingWindow<Measured> {
  return mode === "time" ? new TimeWindow(span) : new CountWindow(count);
}

/**
 * Whether a rule is true of a window. Differences are rounded to 0.01 °F before they are compared, strictly:
 * a fall of 15.00 is no drop, 15.01 is; a change of 0.99 is a stall, 1.00 is not.
 *
 * In mode `readings` a rule waits until the window is full. In mode `time` a drop needs nothing, and a stall
 * an oldest reading at least 90 % of the span before the newest: a food that was measured for a minute only, or
 * not at all for a while, isn't known to have stalled.
 */
export function isTrue(
  { rule, threshold, mode, span, count }: ChannelRule,
  window: SlidingWindow<Measured>,
): boolean {
  const { newest, oldest, min, max, size } = window;
  if (!newest || !oldest || min === undefined || max === undefined) return false;
  if (mode === "readings" && size < count) return false;
  if (rule === "drop") return hundredths(max - newest.value) > threshold;
  const covered = newest.time - oldest.time >= STALL_COVERAGE * span;
  return (mode === "readings" || covered) && hundredths(max - min) < threshold;
}

/** Newest − oldest of a window, in °F, to 0.01; 0 for an empty one. */
export function changeOf({ newest, oldest }: SlidingWindow<Measured>): number {
  return newest && oldest ? hundredths(newest.value - oldest.value) : 0;
}

/**
 * Rounds a difference of temperatures to 0.01 °F, halves away from 0.
 *
 * A half as people write it is often a little less in binary (1.005 is 1.00499…): a millionth of a hundredth,
 * far more than such noise and far less than a thermometer tells, puts it back.
 */
export function hundredths(fahrenheit: number): number {
  const rounded = Math.round(Math.abs(fahrenheit) * 100 + 1e-6) / 100;
  return fahrenheit < 0 && rounded > 0 ? -rounded : rounded;
}

/**
 * What an alert message says about a window: the time of its newest reading, and its figures.
 *
 * @throws {RangeError} If the window is empty.
 */
export function figuresOf(
  window: SlidingWindow<Measured>,
): Pick<Alert, "at" | "fahrenheit" | "change" | "min" | "max" | "readings"> {
  const { newest, min, max, size: readings } = window;
  if (newest === undefined || min === undefined || max === undefined) {
    throw new RangeError("Cannot make an alert: the window must not be empty");
  }
  const at = formatLocalTime(newest.time);
  return { at, fahrenheit: newest.value, change: changeOf(window), min, max, readings };
}
