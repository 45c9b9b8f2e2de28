/**
 * Putting dead letters back: each to the queue that it says it was in, if that is one of ours, confirmed there
 * before it is acknowledged in the queue of dead letters.
 */
import { unlessAborted } from "../abort.ts";
import type { Delivery } from "../connection.ts";
import { originalQueue, revived } from "../dead_letters.ts";
import type { Publisher } from "../publisher.ts";
import { consumedQueues, NOTICE_KINDS, noticeQueue } from "../topology.ts";

/** What becomes of one letter: its queue, or why it stays. */
export type Fate = { readonly to: string } | { readonly stays: string };

const OURS: ReadonlySet<string> = new Set(consumedQueues());

/** The fates of many letters, counted. */
export class Fates {
  readonly #to = new Map<string, number>();
  readonly #stays = new Map<string, number>();

  add(fate: Fate): void {
    const [counts, key] = "to" in fate ? [this.#to, fate.to] : [this.#stays, fate.stays];
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }

  /** Letters that go back. */
  get going(): number {
    return sum(this.#to);
  }

  /** Letters that have to stay. */
  get staying(): number {
    return sum(this.#stays);
  }

  /** How many go where, such as `2 to help_queue`. */
  destinations(): string {
    return [...this.#to].map(([queue, count]) => `${count} to ${queue}`).join(", ");
  }

  /** How many stay, and why. */
  obstacles(): string {
    return [...this.#stays].map(([why, count]) => `${count} (${why})`).join(", ");
  }
}

const sum = (counts: Map<string, number>) => [...counts.values()].reduce((a, b) => a + b, 0);

/**
 * Where a letter would go: to a queue of the collection, or to the one beside which it lies.
 *
 * @param lies The queue that it was taken from.
 */
export function destination(letter: Delivery, lies: string): Fate {
  const queue = originalQueue(letter);
  if (queue === undefined) return { stays: "it doesn't say from which queue it came" };
  // Anybody can publish a letter: it must not choose a queue that nobody here reads, such as a saved state.
  const beside = lies.replace(/\.dead$/, "");
  const here = [beside, ...NOTICE_KINDS.map((kind) => noticeQueue(kind, beside).queue)];
  if (!OURS.has(queue) && !here.includes(queue)) {
    return { stays: "it names a queue that isn't one of ours" };
  }
  return { to: queue };
}

export class Requeuer {
  readonly #lies: string;
  readonly #publisher: Publisher;
  readonly #done: (delivery: Delivery, fate: Fate) => void;
  readonly #underWay = new Map<string, Promise<void>>();
  #failure: { error: unknown } | undefined;

  /**
   * @param lies The queue that the letters are taken from.
   * @param done Told of each letter when its fate is certain; it acknowledges those that were put back.
   */
  constructor(
    lies: string,
    publisher: Publisher,
    done: (delivery: Delivery, fate: Fate) => void,
  ) {
    this.#lies = lies;
    this.#publisher = publisher;
    this.#done = done;
  }

  /**
   * Puts a letter back, once there is room for it.
   *
   * @param signal Ends the wait for room: the letter stays then.
   * @throws What made the broker refuse those before.
   */
  async put(delivery: Delivery, signal: AbortSignal): Promise<void> {
    const fate = destination(delivery, this.#lies);
    if ("stays" in fate) return this.#done(delivery, fate);
    const { to } = fate;
    // A message that comes back is known by queue and id: never two with the same under way.
    const key = `${delivery.messageId ?? ""} ${to}`;
    const same = this.#underWay.get(key);
    if (same) await unlessAborted(same, signal);
    await this.#publisher.room(signal);
    if (this.#failure) throw this.#failure.error;
    if (signal.aborted) return;
    const work = this.#publisher.publish(revived(delivery, to, this.#publisher.frameBytes)).then(
      (outcome) =>
        this.#done(delivery, outcome === "confirmed" ? fate : { stays: `there is no queue ${to}` }),
      (error) => {
        this.#failure ??= { error };
      },
    ).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, work);
  }

  /**
   * Waits until the fate of each is certain; once `signal` is aborted for 5 s at most.
   *
   * @throws What made the broker refuse.
   */
  async finished(signal: AbortSignal): Promise<void> {
    await this.#publisher.drained(signal);
    if (this.#publisher.unconfirmed === 0) await Promise.all(this.#underWay.values());
    if (this.#failure) throw this.#failure.error;
  }
}
