/** Alerts in words. */
import { type Alert, type Channel, hundredths } from "./alerts.ts";
import { parseLocalTime } from "./local_time.ts";

export const CHANNEL_NAMES: Record<Channel, string> = {
  "smoker": "Smoker",
  "food-a": "Food A",
  "food-b": "Food B",
};

/** The time of day of a recorded time. */
export function timeOfDay(time: string): string {
  return time.split("T")[1] ?? time;
}

/** A length of time, as a person says it. */
export function spanText(ms: number): string {
  return ms % 60_000 === 0 || ms > 60_000 ? `${ms / 60_000} min` : `${ms / 1000} s`;
}

/** How long an alert has lasted, as a person says it; nothing where the recorded times don't tell. */
export function lastedText({ opened, at, reason }: Alert): string {
  // Another cook's times say nothing about this one's end.
  const seconds = Math.round((parseLocalTime(at) - parseLocalTime(opened)) / 1000);
  return reason === "new run" || seconds < 0 ? "" : lengthText(seconds);
}

/** A length of time in words: its two largest units, such as `1 h 45 min`. */
export function lengthText(seconds: number): string {
  const [h, min, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) return min > 0 ? `${h} h ${min} min` : `${h} h`;
  if (min > 0) return s > 0 ? `${min} min ${s} s` : `${min} min`;
  return `${s} s`;
}

/**
 * What an alert says, in one line.
 *
 * @param spanMs Length of the window it looked at, in milliseconds.
 * @param options `lasted` adds to a resolved alert how long it was open.
 */
export function alertText(
  alert: Alert,
  spanMs: number,
  options: { lasted?: boolean } = {},
): string {
  const { channel, rule, state, opened, fahrenheit, min, max, reason } = alert;
  const name = CHANNEL_NAMES[channel];
  const now = `now ${fahrenheit} °F`;
  if (state === "resolved") {
    const why = reason === "new run" ? ", because a new cook began" : "";
    const lasted = options.lasted && lastedText(alert);
    const after = lasted ? ` after ${lasted}` : "";
    return `${name} ${rule} of ${timeOfDay(opened)} is over${after}${why}, ${now}`;
  }
  return rule === "drop"
    ? `${name} dropped ${hundredths(max - fahrenheit)} °F in ${spanText(spanMs)}, ${now}`
    : `${name} stalled: ${hundredths(max - min)} °F of change in ${spanText(spanMs)}, ${now}`;
}
