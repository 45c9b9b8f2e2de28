/** Alerts in words. */
import { type Alert, type Channel, hundredths } from "./alerts.ts";

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

/**
 * What an alert says, in one line.
 *
 * @param spanMs Length of the window it looked at, in milliseconds.
 */
export function alertText(alert: Alert, spanMs: number): string {
  const { channel, rule, state, opened, fahrenheit, min, max, reason } = alert;
  const name = CHANNEL_NAMES[channel];
  const now = `now ${fahrenheit} °F`;
  if (state === "resolved") {
    const why = reason === "new run" ? ", because a new cook began" : "";
    return `${name} ${rule} of ${timeOfDay(opened)} is over${why}, ${now}`;
  }
  return rule === "drop"
    ? `${name} dropped ${hundredths(max - fahrenheit)} °F in ${spanText(spanMs)}, ${now}`
    : `${name} stalled: ${hundredths(max - min)} °F of change in ${spanText(spanMs)}, ${now}`;
}
