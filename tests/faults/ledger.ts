/** Who has said what of which message: what was confirmed, handled, given up, and what of it is missing. */

/** How a fault ended for the messages of all streams together. */
export interface Result {
  /** Confirmed to the producers. */
  readonly published: number;
  /** Handled at least once. */
  readonly handled: number;
  /** Dead letters. */
  readonly dead: number;
  /** Still in a queue. */
  readonly left: number;
  /** In a queue that the fault deleted. */
  readonly deleted: number;
  /** Confirmed, and neither handled nor anywhere: must be none. */
  readonly lost: number;
  /** Handled again, once for each time. */
  readonly repeated: number;
  /** The longest time between two confirms, in seconds. */
  readonly pause: number;
  /** What else is wrong: a sentence each. */
  readonly problems: readonly string[];
}

/** The messages of one stream. */
export class Ledger {
  /** Messages confirmed before this time (of `performance.now()`) and never handled were deleted with their queue. */
  deletedUntil = -Infinity;
  longestPauseMs = 0;
  contradictions: string[] = [];
  /** When each id was confirmed. */
  readonly #published = new Map<string, number>();
  /** How often each was handled, and what came of it. */
  readonly #handled = new Map<string, { times: number; outcome: string }>();
  readonly #dead = new Set<string>();
  readonly #left = new Set<string>();
  #lastPublished: number | undefined;
  /** The latest confirm of those that are handled. */
  #handledUntil = -Infinity;

  publish(id: string): void {
    const now = performance.now();
    this.longestPauseMs = Math.max(this.longestPauseMs, now - (this.#lastPublished ?? now));
    this.#lastPublished = now;
    this.#published.set(id, now);
    if (this.#handled.has(id)) this.#handledUntil = now;
  }

  /** @param outcome What was made of it: must be the same each time. */
  handle(id: string, outcome = ""): void {
    const before = this.#handled.get(id);
    if (before && before.outcome !== outcome) {
      this.contradictions.push(`${id} was judged in two ways: ${before.outcome} and ${outcome}`);
    }
    this.#handled.set(id, { times: (before?.times ?? 0) + 1, outcome });
    const confirmed = this.#published.get(id) ?? -Infinity;
    this.#handledUntil = Math.max(this.#handledUntil, confirmed);
  }

  bury(id: string): void {
    this.#dead.add(id);
  }

  leave(id: string): void {
    this.#left.add(id);
  }

  get published(): number {
    return this.#published.size;
  }

  /** Whether something was handled that was confirmed after a time. */
  handledSince(time: number): boolean {
    return this.#handledUntil > time;
  }

  /** How many messages that were confirmed between two times (of `performance.now()`) nobody has handled yet. */
  unhandled(from: number, to: number): number {
    return [...this.#published].filter(([id, time]) =>
      time >= from && time < to && !this.#handled.has(id)
    ).length;
  }

  /** Changes whenever something is told. */
  get progress(): number {
    return this.#published.size + this.#handled.size + this.#dead.size;
  }

  /** Whether every confirmed message has met its end. */
  get complete(): boolean {
    return this.#missing().lost.length === 0;
  }

  result(): Omit<Result, "problems"> & { lostIds: string[] } {
    const { lost, deleted } = this.#missing();
    const repeated = [...this.#handled.values()].reduce((sum, { times }) => sum + times - 1, 0);
    return {
      published: this.#published.size,
      handled: this.#handled.size,
      dead: this.#dead.size,
      left: this.#left.size,
      deleted,
      lost: lost.length,
      lostIds: lost,
      repeated,
      pause: this.longestPauseMs / 1000,
    };
  }

  #missing(): { lost: string[]; deleted: number } {
    const lost: string[] = [];
    let deleted = 0;
    for (const [id, time] of this.#published) {
      if (this.#handled.has(id) || this.#dead.has(id) || this.#left.has(id)) continue;
      if (time <= this.deletedUntil) deleted++;
      else lost.push(id);
    }
    return { lost, deleted };
  }
}
