/** What every subject of the bench needs: contenders that take turns, and their medians. */
import type { Output } from "../../shared/script.ts";
import type { Peer } from "./peers.ts";
import type { Result } from "./table.ts";

/** One thing that is measured. */
export interface Subject {
  readonly name: string;
  /** What it measures, in words, for `--list`. */
  readonly about: string;
  /** Whether other clients are measured beside. */
  readonly peers?: boolean;
  readonly measure: (bench: Bench) => Promise<Result[]>;
}

/** What a run of the bench was asked for, and what it found. */
export interface Bench {
  /** Fewer rows. */
  readonly quick: boolean;
  /** Runs of each measurement. */
  readonly runs: number;
  /** The other clients that are installed. */
  readonly peers: readonly Peer[];
  readonly out: Output;
  /** Ends the bench between two measurements. */
  readonly signal: AbortSignal;
}

/** Long measurements that vary little are not made more often. */
const MAX_LONG_RUNS = 3;

export interface AlternateOptions {
  /** Follows a figure in the lines of progress, such as `rows/s`. */
  unit: string;
  /** Whether a run takes half a minute and 3 are enough. @default false */
  long?: boolean;
}

/**
 * Lets contenders take turns, so that what else the machine does meets all alike.
 *
 * @param contenders By name: each measures once and returns its figure.
 * @returns The median of each.
 */
export async function alternate(
  { runs, out, signal }: Bench,
  contenders: ReadonlyMap<string, () => Promise<number>>,
  { unit, long = false }: AlternateOptions,
): Promise<Map<string, number>> {
  const figures = new Map([...contenders.keys()].map((name) => [name, [] as number[]]));
  for (let run = 1; run <= (long ? Math.min(runs, MAX_LONG_RUNS) : runs); run++) {
    for (const [name, measure] of contenders) {
      signal.throwIfAborted();
      const figure = await measure();
      figures.get(name)?.push(figure);
      out.note(`  run ${run}  ${name}: ${short(figure)} ${unit}`);
    }
  }
  return new Map([...figures].map(([name, values]) => [name, median(values)]));
}

/** The CPU time of programs that are run one after the other. */
export class CpuTimes {
  readonly #seconds = new Map<string, number[]>();

  /**
   * Runs programs to their end and counts what they and theirs have used; nothing else may end meanwhile.
   *
   * @param name Whose time it is.
   */
  async of<T>(name: string, programs: () => Promise<T>): Promise<T> {
    const before = await secondsOfChildren();
    const result = await programs();
    const used = await secondsOfChildren() - before;
    this.#seconds.set(name, [...this.#seconds.get(name) ?? [], used]);
    return result;
  }

  /** The median of a name, in seconds per 100,000 of what it did; a dash where the system doesn't say. */
  per100000(name: string, count: number): string {
    const figure = median(this.#seconds.get(name) ?? []) * 100_000 / count;
    return Number.isNaN(figure) ? "–" : short(figure);
  }
}

/** Linux counts CPU time in hundredths of a second. */
const TICKS = 100;

/** User and system time of all children that have ended, with theirs; NaN where it isn't Linux. */
async function secondsOfChildren(): Promise<number> {
  const text = await Deno.readTextFile("/proc/self/stat").catch(() => "");
  // Fields 16 and 17 (proc(5)); the second, a name in parentheses, may hold spaces.
  const [user = NaN, system = NaN] = text.split(") ").at(-1)?.split(" ").slice(13, 15) ?? [];
  return (Number(user) + Number(system)) / TICKS;
}

/** The middle of some figures; NaN for none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * The figure that a share of all don't exceed, between two neighbours where it lies between them.
 *
 * @param share From 0 to 1.
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)] ?? NaN;
  const above = sorted[Math.ceil(place)] ?? NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/** A figure with about three digits, and commas between thousands. */
export function short(figure: number): string {
  const digits = figure >= 100 ? 0 : figure >= 10 ? 1 : 2;
  const rounded = figure >= 10_000 ? Math.round(figure / 100) * 100 : figure;
  return rounded.toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
