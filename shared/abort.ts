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

/** Waits for something, but no longer than the signal allows: `undefined` then. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const onAbort = () => resolve(undefined);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
