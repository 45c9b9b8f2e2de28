/** Deliveries that wait for their handler. */
import type { Delivery } from "./channel.ts";

export class DeliveryBuffer {
  #waiting: Delivery[] = [];
  #ended = false;
  #wake: () => void = () => {};

  /** Deliveries that wait. */
  get size(): number {
    return this.#waiting.length;
  }

  put(delivery: Delivery): void {
    this.#waiting.push(delivery);
    this.#wake();
  }

  /** Hands out no more; returns what came and nobody has taken. */
  end(): Delivery[] {
    this.#ended = true;
    this.#wake();
    return this.#waiting;
  }

  /** The next delivery; `undefined` when it has ended or nothing came for `timeoutMs` milliseconds. */
  async take(timeoutMs?: number): Promise<Delivery | undefined> {
    return await this.#gather(1, timeoutMs) ? this.#waiting.shift() : undefined;
  }

  /**
   * The next deliveries in order: what comes within `gatherMs` of the first, at most `max`; none when it has
   * ended.
   */
  async takeBatch(max: number, gatherMs: number): Promise<Delivery[]> {
    if (!await this.#gather(1, undefined)) return [];
    const gathered = performance.now() + gatherMs;
    for (let left = gatherMs; left > 0; left = gathered - performance.now()) {
      if (await this.#gather(max, left)) break;
      if (this.#ended) return [];
    }
    return this.#waiting.splice(0, max);
  }

  /** Waits until so many are there; `false` when it has ended or the time is over before. */
  async #gather(count: number, timeoutMs: number | undefined): Promise<boolean> {
    let late = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    while (!this.#ended && !late && this.#waiting.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (timeoutMs !== undefined) {
          timer ??= setTimeout(() => {
            late = true;
            this.#wake();
          }, timeoutMs);
        }
      });
    }
    clearTimeout(timer);
    return !this.#ended && this.#waiting.length >= count;
  }
}
