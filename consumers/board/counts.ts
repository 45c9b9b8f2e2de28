/** Counting from running totals: announcements may be a sample, their totals are exact. */

/** Totals remembered; the one longest not heard of is forgotten first. */
const MAX_TOTALS = 20_000;

/** What running totals have grown by, each under a name that tells its instance. */
export class Growth {
  readonly #last = new Map<string, number>();

  /**
   * Takes a running total.
   *
   * @returns Its growth since the one before; `undefined` for the first under a name.
   */
  take(name: string, total: number): number | undefined {
    const before = this.#last.get(name);
    this.#last.delete(name);
    this.#last.set(name, total);
    const [oldest] = this.#last.keys();
    if (this.#last.size > MAX_TOTALS && oldest !== undefined) this.#last.delete(oldest);
    return before === undefined ? undefined : Math.max(0, total - before);
  }
}

/** How many happened in each second of the last half hour. */
export class Seconds {
  readonly #counts = new Map<number, { count: number; revision: number }>();

  add(second: number, count: number, revision: number): void {
    if (count === 0) return;
    const bar = this.#counts.get(second) ?? { count: 0, revision };
    this.#counts.set(second, { count: bar.count + count, revision });
  }

  /** `[second, count]` of the seconds that changed after a revision. */
  since(revision: number): [second: number, count: number][] {
    const changed: [number, number][] = [];
    for (const [second, bar] of this.#counts) {
      if (bar.revision > revision) changed.push([second, bar.count]);
    }
    return changed;
  }

  forget(before: number): void {
    for (const second of this.#counts.keys()) if (second < before) this.#counts.delete(second);
  }
}

/**
 * The value below which a share of them lies (nearest rank); `null` of none.
 *
 * @param share 0 to 1.
 */
export function percentile(values: readonly number[], share: number): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}
