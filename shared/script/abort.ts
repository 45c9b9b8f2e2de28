/** Waiting that a signal can end, without errors and without listeners left behind. */

/** setTimeout overflows beyond 24.8 days and ends at once: longer waits are made of several. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Waits some milliseconds; `signal` ends the wait early. */
export async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  let left = ms;
  for (; left > MAX_TIMER_MS && !signal?.aborted; left -= MAX_TIMER_MS) {
    await delay(MAX_TIMER_MS, signal);
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  const time = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.min(left, MAX_TIMER_MS));
  });
  await (signal ? unlessAborted(time, signal) : time);
  clearTimeout(timer);
}

/** A signal that follows another one some milliseconds later, unless it is disposed of before. */
export function later(signal: AbortSignal, ms: number): { signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onAbort = () => {
    timer = setTimeout(() => controller.abort(), ms);
  };
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    },
  };
}

/**
 * How long a script that was stopped waits for a broker that doesn't let it finish, in milliseconds. With what closing
 * the connections takes then, every script has ended within 10 s.
 */
export const STOP_MS = 5000;

/** Waits for something, but no longer than the signal allows: `undefined` then. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const onAbort = () => resolve(undefined);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
