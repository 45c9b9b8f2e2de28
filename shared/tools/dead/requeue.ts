/**
 * Putting dead letters back: each to the queue that it says it was in, if that is one of ours, confirmed there
 * before it is acknowledged in the queue of dead letters.
 */
import { type Delivery, originalMessage, originalQueue, type Publisher } from "../../connection.ts";
import { unlessAborted } from "../../script.ts";
import { NOTICE_KINDS, noticeQueue } from "../../streams.ts";

/** What becomes of one letter: its queue, or why it stays. */
export type Destination = { readonly to: string } | { readonly stays: string };

/** The destinations of many letters, counted. */
export class Destinations {
  readonly #to = new Map<string, number>();
  readonly #stays = new Map<string, number>();

  add(destination: Destination): void {
    const [counts, key] = "to" in destination
      ? [this.#to, destination.to]
      : [this.#stays, destination.stays];
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
 * Where a letter would go: to a queue of ours, or to the one beside which it lies.
 *
 * @param lies The queue that it was taken from.
 * @param ours The queues that consumers of ours read.
 */
export function destinationOf(
  letter: Delivery,
  lies: string,
  ours: ReadonlySet<string>,
): Destination {
  const queue = originalQueue(letter);
  if (queue === undefined) return { stays: "it doesn't say from which queue it came" };
  // Anybody can publish a letter: it must not choose a queue that nobody here reads, such as a saved state.
  const beside = lies.replace(/\.dead$/, "");
  const here = [beside, ...NOTICE_KINDS.map((kind) => noticeQueue(kind, beside).queue)];
  if (!ours.has(queue) && !here.includes(queue)) {
    return { stays: "it names a queue that isn't one of ours" };
  }
  return { to: queue };
}

export class Requeuer {
  readonly #destinationOf: (letter: Delivery) => Destination;
  readonly #publisher: Publisher;
  readonly #done: (delivery: Delivery, destination: Destination) => void;
  readonly #underWay = new Map<string, Promise<void>>();
  #failure: { error: unknown } | undefined;

  /**
   * @param destinationOf Where each letter goes.
   * @param done Told of each letter when its destination is certain; it acknowledges those that were put back.
   */
  constructor(
    destinationOf: (letter: Delivery) => Destination,
    publisher: Publisher,
    done: (delivery: Delivery, destination: Destination) => void,
  ) {
    this.#destinationOf = destinationOf;
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
    const destination = this.#destinationOf(delivery);
    if ("stays" in destination) return this.#done(delivery, destination);
    const { to } = destination;
    // A message that comes back is known by queue and id: never two with the same under way.
    const key = `${delivery.messageId ?? ""} ${to}`;
    const same = this.#underWay.get(key);
    if (same) await unlessAborted(same, signal);
    await this.#publisher.room(signal);
    if (this.#failure) throw this.#failure.error;
    if (signal.aborted) return;
    const work = this.#publisher.publish(originalMessage(delivery, to, this.#publisher.frameBytes))
      .then(
        (outcome) =>
          this.#done(
            delivery,
            outcome === "confirmed" ? destination : { stays: `there is no queue ${to}` },
          ),
        (error) => {
          this.#failure ??= { error };
        },
      ).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, work);
  }

  /**
   * Waits until the destination of each is certain; once `signal` is aborted for 5 s at most.
   *
   * @throws What made the broker refuse.
   */
  async finished(signal: AbortSignal): Promise<void> {
    await this.#publisher.drained(signal);
    if (this.#publisher.unconfirmed === 0) await Promise.all(this.#underWay.values());
    if (this.#failure) throw this.#failure.error;
  }
}
