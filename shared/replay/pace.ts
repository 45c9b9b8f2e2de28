/**
 * When the rows of a replay are due. Due times are absolute, computed from the start and never from the row
 * before, so a replay can't drift, however long it is.
 */

/** Rows `intervalMs` apart, or at their recorded distances `speed` times as fast. */
export type Pace = { readonly intervalMs: number } | { readonly speed: number };

/** Time as a replay sees it, in milliseconds. */
export interface Clock {
  now(): number;
  /** Waits; ends early, without an error, when the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** setTimeout overflows beyond 24.8 days: longer waits are made of several. */
const MAX_SLEEP_MS = 86_400_000;

/** Hands out due times, row by row. */
export class Schedule {
  readonly #pace: Pace;
  #start: number;
  #count = 0;
  #recordedStart: number | undefined;
  #latest: number;

  /** @param start When the first row is due, on the clock, in milliseconds. */
  constructor(pace: Pace, start: number) {
    this.#pace = pace;
    this.#start = start;
    this.#latest = start;
  }

  /**
   * When the next row is due, in milliseconds on the clock.
   *
   * @param recorded Recorded time of the row, in milliseconds; needed for `speed`. Rows of equal time are due
   * together; one that is out of order may be due in the past.
   */
  due(recorded?: number): number {
    let due: number;
    if ("intervalMs" in this.#pace) {
      due = this.#start + this.#count++ * this.#pace.intervalMs;
    } else {
      const time = recorded ?? this.#recordedStart ?? 0;
      this.#recordedStart ??= time;
      due = this.#start + (time - this.#recordedStart) / this.#pace.speed;
    }
    this.#latest = Math.max(this.#latest, due);
    return due;
  }

  /** Begins another pass over the same rows: recorded times start again where the last one ended. */
  nextPass(): void {
    if ("intervalMs" in this.#pace) return;
    this.#start = this.#latest;
    this.#recordedStart = undefined;
  }
}

/** Waits until a due time has come, or the signal is aborted. What is overdue doesn't wait at all. */
export async function waitUntil(due: number, clock: Clock, signal?: AbortSignal): Promise<void> {
  for (let left = due - clock.now(); left > 0 && !signal?.aborted; left = due - clock.now()) {
    await clock.sleep(Math.min(left, MAX_SLEEP_MS), signal);
  }
}
