/** What the board has heard of dead letters: why, how many, and one letter of each reason. It never looks into queues. */
import type { z } from "zod";
import type { Dead } from "./announcements.ts";

const MAX_QUEUES = 30;
const MAX_REASONS = 30;

/** A letter that was announced may be missing in a look at its queue that began so much earlier, in milliseconds. */
const NEWS_MS = 1000;

interface Reason {
  readonly reason: string;
  readonly count: number;
  /** Of the latest letter: its id, how its body begins, and when the board heard of it in ms since 1970. */
  readonly id: string | null;
  readonly body: string | null;
  readonly at: number;
}

export class DeadLetters {
  /** By queue, then by reason; the latest comes last. */
  readonly #queues = new Map<string, Map<string, Reason>>();
  #revision = 0;

  add({ queue, reason, id, body }: z.infer<typeof Dead>, now: number, revision: number): void {
    const reasons = this.#queues.get(queue) ?? new Map<string, Reason>();
    this.#queues.set(queue, reasons);
    const count = (reasons.get(reason)?.count ?? 0) + 1;
    reasons.delete(reason);
    reasons.set(reason, { reason, count, id: id ?? null, body: body ?? null, at: now });
    limit(reasons, MAX_REASONS);
    limit(this.#queues, MAX_QUEUES);
    this.#revision = revision;
  }

  /**
   * A queue holds no dead letters any more: what was heard of them is over; whether that shows.
   *
   * @param at When that was seen, in ms since 1970.
   */
  none(queue: string, at: number, revision: number): boolean {
    const reasons = this.#queues.get(queue);
    if (!reasons || [...reasons.values()].some((reason) => reason.at > at - NEWS_MS)) {
      return false;
    }
    this.#queues.delete(queue);
    this.#revision = revision;
    return true;
  }

  /** All, if something changed after a revision; `undefined` otherwise. */
  since(revision: number) {
    if (this.#revision <= revision) return undefined;
    return [...this.#queues].map(([queue, reasons]) => ({
      queue,
      reasons: [...reasons.values()].toReversed(),
    }));
  }
}

/** Forgets the first of a map that has grown too large. */
function limit(map: Map<string, unknown>, most: number): void {
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}
