/** Ends a consumer when none of its queues has had anything to do for a while. */

/** Looks at the clock so many times per idle time. */
const LOOKS = 10;

export class IdleWatch implements Disposable {
  /** Aborted when the idle time is over; never without one. */
  readonly signal: AbortSignal;
  readonly #idleMs: number;
  readonly #isHeldBack: () => boolean | Promise<boolean>;
  readonly #isHopeless: () => boolean;
  readonly #busy = new Set<string>();
  readonly #over = new AbortController();
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #last = performance.now();
  #looking = false;

  /**
   * @param idleMs In milliseconds; `undefined` never ends.
   * @param isHeldBack Whether it is quiet for another reason than that there is nothing to do.
   * @param isHopeless Whether nothing can come until somebody helps: then the time counts, whatever else is so.
   */
  constructor(
    idleMs: number | undefined,
    isHeldBack: () => boolean | Promise<boolean>,
    isHopeless: () => boolean = () => false,
  ) {
    this.signal = this.#over.signal;
    this.#idleMs = idleMs ?? Infinity;
    this.#isHeldBack = isHeldBack;
    this.#isHopeless = isHopeless;
    if (idleMs !== undefined) this.#timer = setInterval(() => this.#look(), idleMs / LOOKS);
  }

  /** Something came for one of the queues, or all that came is done with. */
  touch(queue: string, busy: boolean): void {
    if (busy) {
      this.#busy.add(queue);
    } else {
      this.#busy.delete(queue);
      this.#last = performance.now();
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    // An answer may take longer than the time between two looks.
    if (this.#looking) return;
    this.#looking = true;
    const isIdle = () =>
      (this.#busy.size === 0 || this.#isHopeless()) &&
      performance.now() - this.#last >= this.#idleMs;
    if (isIdle()) {
      if (!this.#isHopeless() && await this.#isHeldBack()) this.#last = performance.now();
      else if (isIdle()) this.#over.abort();
    }
    this.#looking = false;
  }
}
