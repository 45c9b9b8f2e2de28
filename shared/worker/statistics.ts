/** What a worker's summary says of its items: how many of each group, and how long they waited. */
import { Histogram } from "./histogram.ts";

export class WorkStatistics {
  /** Items by group. */
  readonly groups: Record<string, number>;
  readonly #names: Readonly<Record<string, string>>;
  readonly #waits = new Histogram();

  /** @param names The groups, and what they are called. */
  constructor(names: Readonly<Record<string, string>>) {
    this.#names = names;
    this.groups = Object.fromEntries(Object.keys(names).map((group) => [group, 0]));
  }

  /** @param waitMs From publishing to the beginning of the work, in milliseconds; `undefined` if unknown. */
  add(group: string | undefined, waitMs: number | undefined): void {
    if (group !== undefined) this.groups[group] = (this.groups[group] ?? 0) + 1;
    if (waitMs !== undefined) this.#waits.add(waitMs);
  }

  toString(): string {
    const groups = Object.entries(this.groups).map(([group, count]) =>
      `  ${group} ${this.#names[group] ?? ""}: ${count}`
    );
    if (this.#waits.count === 0) return groups.join("\n");
    const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
    const [median, most] = [0.5, 0.95].map((share) => seconds(this.#waits.quantile(share)));
    return [
      ...groups,
      `  waited: median ${median}, 95 % within ${most}, longest ${seconds(this.#waits.max)}`,
    ].join("\n");
  }
}
