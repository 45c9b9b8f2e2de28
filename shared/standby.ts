/**
 * Standing by at queues with a single active consumer. RabbitMQ doesn't tell a waiting consumer whether another one
 * is active, so who is there first takes the name `<queue>.monitor` for as long as its connection lives.
 */
import type { Connection } from "./connection.ts";
import type { Output } from "./output.ts";

/** Names that others have are asked for again so often, in milliseconds: the first one may have gone. */
const ASK_AGAIN_MS = 1000;

/** Knows at which queues another one is first. `using` ends the asking; the names go with the connection. */
export class Standby implements Disposable {
  readonly #connection: Connection;
  readonly #out: Output;
  readonly #queues = new Set<string>();
  /** Whose name is ours. */
  readonly #named = new Set<string>();
  /** That give us deliveries. */
  readonly #active = new Set<string>();
  /** Where we said that we stand by. */
  readonly #waiting = new Set<string>();
  readonly #timer = setInterval(() => this.#askAgain(), ASK_AGAIN_MS);
  #asking = false;

  /** @param out Says where we stand by, and what we take over. */
  constructor(connection: Connection, out: Output) {
    this.#connection = connection;
    this.#out = out;
  }

  /** Whether it may be quiet because another one is active. */
  get isHeldBack(): boolean {
    if (this.#connection.away) return true;
    return [...this.#queues].some((queue) => !this.#active.has(queue) && !this.#named.has(queue));
  }

  /** To be called when the broker has accepted us as a consumer of a queue, anew after every loss. */
  async subscribed(queue: string): Promise<void> {
    this.#queues.add(queue);
    this.#active.delete(queue);
    this.#named.delete(queue);
    await this.#ask(queue);
    // A delivery, which only the active consumer gets, may come before the answer.
    if (this.#named.has(queue) || this.#active.has(queue)) return;
    this.#waiting.add(queue);
    this.#out.note(`${queue} has a monitor: standing by`);
  }

  /** To be called when a queue gives us deliveries. */
  delivered(queue: string): void {
    this.#active.add(queue);
    if (this.#waiting.delete(queue)) this.#out.note(`Took over ${queue}`);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #ask(queue: string): Promise<void> {
    if (await this.#connection.lock(`${queue}.monitor`).catch(() => true)) this.#named.add(queue);
  }

  async #askAgain(): Promise<void> {
    if (this.#asking || this.#connection.away) return;
    this.#asking = true;
    for (const queue of this.#queues) if (!this.#named.has(queue)) await this.#ask(queue);
    this.#asking = false;
  }
}
