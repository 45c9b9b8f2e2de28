/**
 * Standing by at queues with a single active consumer. RabbitMQ doesn't tell a waiting consumer whether another one
 * is active, so who is there first takes the name `<queue>.monitor` for as long as its connection lives.
 *
 * The name is asked for only when something depends on it: each refusal is an error in RabbitMQ's log.
 */
import type { Output } from "../script.ts";
import type { Connection } from "./connection.ts";

/** Knows at which of some queues another consumer is active, and says when we take over from it. */
export class Standby {
  readonly #connection: Connection;
  readonly #out: Output;
  readonly #unsubscribed: Set<string>;
  /** That give us deliveries. */
  readonly #active = new Set<string>();
  /** At which another one was first. */
  readonly #waiting = new Set<string>();
  /** Of those, at which it has gone. */
  readonly #inherited = new Set<string>();

  /**
   * @param out Says where we stand by, and what we take over.
   * @param queues All that we are going to consume.
   */
  constructor(connection: Connection, out: Output, queues: readonly string[]) {
    this.#connection = connection;
    this.#out = out;
    this.#unsubscribed = new Set(queues);
  }

  /** To be called when the broker has accepted us as a consumer of a queue, anew after every loss. */
  async subscribed(queue: string): Promise<void> {
    this.#active.delete(queue);
    this.#inherited.delete(queue);
    const first = await this.#isFirst(queue);
    this.#unsubscribed.delete(queue);
    // A delivery, which only the active consumer gets, may come before the answer.
    if (first || this.#active.has(queue)) return;
    this.#waiting.add(queue);
    this.#out.note(`${queue} has a monitor: standing by`);
  }

  /** To be called when a queue gives us deliveries. */
  delivered(queue: string): void {
    this.#active.add(queue);
    if (!this.#waiting.delete(queue)) return;
    this.#out.note(`Took over ${queue}`);
    this.#isFirst(queue);
  }

  /** Whether it was quiet until now because we are not subscribed, or because another one is active. */
  async isHeldBack(): Promise<boolean> {
    if (this.#connection.away || this.#unsubscribed.size > 0) return true;
    let inherited = false;
    // All ask in the same order: two that had a part each would wait for each other.
    for (const queue of [...this.#waiting].sort()) {
      if (this.#inherited.has(queue)) continue;
      if (!await this.#isFirst(queue)) return true;
      this.#inherited.add(queue);
      inherited = true;
    }
    // Just inherited, it has been quiet for somebody else: our own time begins.
    return inherited;
  }

  #isFirst(queue: string): Promise<boolean> {
    return this.#connection.lock(`${queue}.monitor`).catch(() => true);
  }
}
