/**
 * Standing by at queues with a single active consumer. RabbitMQ doesn't tell a waiting consumer whether another one
 * is active, so who is first at a queue takes the name `<queue>.monitor` for as long as its connection lives.
 */
import type { Connection } from "./connection.ts";
import type { Output } from "./output.ts";

export class Standby {
  readonly #connection: Connection;
  readonly #out: Output;
  /** Queues that give us deliveries, and those at which another one was first. */
  readonly #active = new Set<string>();
  readonly #waiting = new Set<string>();

  /** @param out Says where we stand by, and what we take over. */
  constructor(connection: Connection, out: Output) {
    this.#connection = connection;
    this.#out = out;
  }

  /** To be called when the broker has accepted us as a consumer of a queue, anew after every loss. */
  async subscribed(queue: string): Promise<void> {
    this.#active.delete(queue);
    // A delivery, which only the active consumer gets, may come before the answer.
    if (await this.#isFirst(queue) || this.#active.has(queue)) return;
    this.#waiting.add(queue);
    this.#out.note(`${queue} has a monitor: standing by`);
  }

  /** To be called when a queue gives us deliveries. */
  async delivered(queue: string): Promise<void> {
    this.#active.add(queue);
    if (!this.#waiting.delete(queue)) return;
    this.#out.note(`Took over ${queue}`);
    await this.#isFirst(queue);
  }

  /** Whether it is quiet because another one is active, or nobody can tell. */
  async isHeldBack(): Promise<boolean> {
    if (this.#connection.away) return true;
    for (const queue of this.#waiting) if (!await this.#isFirst(queue)) return true;
    return false;
  }

  #isFirst(queue: string): Promise<boolean> {
    return this.#connection.lock(`${queue}.monitor`).catch(() => true);
  }
}
