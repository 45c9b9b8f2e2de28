/**
 * Rules: what must be true of a window for an alert; pure, no broker, no clock. When an alert opens and resolves is
 * decided in judge.ts.
 */
import { CountWindow, type Sample, type SlidingWindow, TimeWindow } from "../deque.ts";
import { hundredths } from "../streams.ts";

/** What is watched of a key: one quantity, in a window of its own. */
export interface Rule {
  readonly name: string;
  /** The index of the quantity that it looks at. */
  readonly quantity: number;
  /** Length of the window, in milliseconds. */
  readonly spanMs: number;
  /** A difference that matters: what a trace shows at half its height. */
  readonly scale: number;
  /** An empty window as the rule wants it. */
  readonly window: () => SlidingWindow<Sample>;
  readonly isTrue: (window: SlidingWindow<Sample>) => boolean;
  /** How long it must be true without a break before an alert opens, in ms of recorded time. @default {0} */
  readonly forMs?: number;
  /** Set where it becomes true by other keys' readings: so long after the key's own last one, in ms. */
  readonly silentAfterMs?: number;
}

/** What a rule of the command line can look at. */
export const AGGREGATES = [
  ...["last", "min", "max", "mean", "change", "range", "drop", "rise", "count"] as const,
];

export type Aggregate = typeof AGGREGATES[number];

/** The aggregates of a window that holds something. */
const AGGREGATE: Record<Aggregate, (window: SlidingWindow<Sample>) => number> = {
  last: ({ newest }) => newest?.value ?? NaN,
  min: ({ min = NaN }) => min,
  max: ({ max = NaN }) => max,
  mean: ({ mean = NaN }) => mean,
  change: ({ newest, oldest }) => (newest?.value ?? NaN) - (oldest?.value ?? NaN),
  range: ({ min = NaN, max = NaN }) => max - min,
  drop: ({ newest, max = NaN }) => max - (newest?.value ?? NaN),
  rise: ({ newest, min = NaN }) => (newest?.value ?? NaN) - min,
  count: ({ size }) => size,
};

/** These are differences, which of decimal fractions end in noise: 0.3 − 0.1 is less than 0.2. */
const DIFFERENCES: readonly Aggregate[] = ["change", "range", "drop", "rise"];

/** Such a part of the figures is noise: far more than rounding leaves, far less than is ever measured. */
const NOISE = 1e-9;

/** With more readings these can only grow, so that `below` is known only of a whole window; and `above` of `min`. */
const GROWING: readonly Aggregate[] = ["max", "range", "drop", "rise", "count"];

type WindowOf = { readonly spanMs: number } | { readonly count: number };

export type WindowRuleOptions = WindowOf & {
  readonly name: string;
  readonly aggregate: Aggregate;
  readonly direction: "above" | "below";
  readonly threshold: number;
  readonly forMs: number;
};

/**
 * A rule of the command line: an aggregate of the window strictly above or below a number.
 *
 * In a window of so many readings all but `last` wait until it is full. By time, what more readings could only make less
 * true (`range below 1`) waits until 90 % of the span are covered.
 *
 * @throws {RangeError} If the window's length is not positive.
 */
export function windowRule(options: WindowRuleOptions): Rule {
  const { name, aggregate, direction, threshold, forMs } = options;
  const valueOf = AGGREGATE[aggregate];
  const isDifference = DIFFERENCES.includes(aggregate);
  const compare = (window: SlidingWindow<Sample>) => {
    const { min = 0, max = 0 } = window;
    const noise = isDifference ? NOISE * Math.max(Math.abs(min), Math.abs(max)) : 0;
    const value = valueOf(window);
    return direction === "above" ? value > threshold + noise : value < threshold - noise;
  };
  const waits = direction === "below" ? GROWING.includes(aggregate) : aggregate === "min";
  const common = { name, quantity: 0, scale: Math.abs(threshold) || 1, forMs };
  if ("count" in options) {
    const { count } = options;
    const needed = aggregate === "last" ? 1 : count;
    return {
      ...common,
      spanMs: 0,
      window: () => new CountWindow(count),
      isTrue: (window) => window.size >= needed && compare(window),
    };
  }
  const { spanMs } = options;
  const least = waits ? COVERAGE * spanMs : 0;
  return {
    ...common,
    spanMs,
    window: () => new TimeWindow(spanMs),
    isTrue: (window) => {
      const { newest, oldest } = window;
      if (!newest || !oldest || newest.time - oldest.time < least) return false;
      return compare(window);
    },
  };
}

/** True of a key when the stream went on for so long, in ms of recorded time, without it; until its next reading. */
export function silentRule(
  { name, afterMs, ...window }: WindowOf & { readonly name: string; readonly afterMs: number },
): Rule {
  const { spanMs = 0, count = 1 } = window as { spanMs?: number; count?: number };
  return {
    name,
    quantity: 0,
    spanMs,
    scale: 1,
    silentAfterMs: afterMs,
    window: () => spanMs > 0 ? new TimeWindow(spanMs) : new CountWindow(count),
    isTrue: () => false,
  };
}

/** Whether a window counts readings and ignores their times, or goes by their recorded times. */
export type WindowMode = "readings" | "time";

export interface RuleOptions {
  readonly name: string;
  /** @default {0} */
  readonly quantity?: number;
  /** What the difference is compared with, strictly; above 0. */
  readonly threshold: number;
  /** Length of the window, in milliseconds, above 0. */
  readonly spanMs: number;
  /** @default {"time"} */
  readonly mode?: WindowMode;
  /**
   * Time from one reading to the next, in milliseconds, above 0: turns a window into a number of readings in
   * mode `readings`, to the nearest whole one and at least 1; unused in mode `time`.
   * @default {30_000}
   */
  readonly everyMs?: number;
}

/** By time, a window in which little changes needs this much of its span covered, from oldest to newest. */
const COVERAGE = 0.9;

/**
 * True when the newest is more than the threshold below the window's maximum; 15.00 isn't more than 15, 15.01 is.
 *
 * In mode `readings` it waits until the window is full.
 *
 * @throws {RangeError} If a number is not positive and finite.
 */
export function dropRule(options: RuleOptions): Rule {
  const { threshold } = options;
  return ruleOf(
    options,
    ({ newest, max = 0 }) => hundredths(max - (newest?.value ?? 0)) > threshold,
  );
}

/** True when the newest is more than the threshold above the window's minimum; else as {@link dropRule}. */
export function riseRule(options: RuleOptions): Rule {
  const { threshold } = options;
  return ruleOf(
    options,
    ({ newest, min = 0 }) => hundredths((newest?.value ?? 0) - min) > threshold,
  );
}

/**
 * True when the window's maximum and minimum are less than the threshold apart; 0.99 is less than 1, 1.00 is not.
 *
 * In mode `readings` it waits until the window is full. In mode `time` the oldest reading must be at least 90 % of the
 * span before the newest: what was measured for a minute only, or not at all for a while, isn't known to be still.
 *
 * @throws {RangeError} If a number is not positive and finite.
 */
export function stallRule(options: RuleOptions): Rule {
  const { threshold, mode = "time", spanMs } = options;
  const least = mode === "time" ? COVERAGE * spanMs : 0;
  return ruleOf(
    options,
    ({ newest, oldest, min = 0, max = 0 }) =>
      (least === 0 || (newest?.time ?? 0) - (oldest?.time ?? 0) >= least) &&
      hundredths(max - min) < threshold,
  );
}

function ruleOf(options: RuleOptions, isTrue: Rule["isTrue"]): Rule {
  const { name, quantity = 0, threshold, spanMs, mode = "time", everyMs = 30_000 } = options;
  for (const [what, value] of Object.entries({ threshold, spanMs, everyMs })) {
    if (!Number.isFinite(value) || value <= 0) {
      throw new RangeError(
        `Cannot make rule ${name}: ${what} must be a positive finite number, got ${value}`,
      );
    }
  }
  const common = { name, quantity, spanMs, scale: threshold };
  if (mode === "time") {
    return {
      ...common,
      window: () => new TimeWindow(spanMs),
      isTrue: (window) => window.size > 0 && isTrue(window),
    };
  }
  const count = Math.max(1, Math.round(spanMs / everyMs));
  return {
    ...common,
    window: () => new CountWindow(count),
    isTrue: (window) => window.size >= count && isTrue(window),
  };
}

/** Newest − oldest of a window, rounded; 0 for an empty one. */
export function changeOf(
  { newest, oldest }: SlidingWindow<Sample>,
  rounded: (difference: number) => number = hundredths,
): number {
  return newest && oldest ? rounded(newest.value - oldest.value) : 0;
}
