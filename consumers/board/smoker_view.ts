/** The board's picture of the smart smoker: the cook that began last, its temperatures and its alerts. */
import { alertText, CHANNEL_NAMES, timeOfDay } from "../../shared/alert_text.ts";
import { type Alert, type Channel, CHANNELS } from "../../shared/alerts.ts";
import { parseLocalTime } from "../../shared/local_time.ts";
import { AlertNews, Judged, MonitorPresence, Row } from "./announcements.ts";

const MAX_POINTS = 10_000;
const MAX_ALERTS = 100;
const MAX_RUNS = 4;

interface Point {
  /** Recorded time in ms (local time, as if it were UTC). */
  readonly time: number;
  readonly fahrenheit: number;
  readonly revision: number;
  /** When the board heard of it, in ms since 1970. */
  readonly at: number;
}

interface Shown {
  readonly id: string;
  readonly channel: Channel;
  readonly rule: string;
  /** Recorded times. */
  readonly opened: number;
  readonly resolved: number | null;
  readonly text: string;
  readonly at: number;
}

/** One cook. */
class Cook {
  readonly points: Record<Channel, Point[]> = { "smoker": [], "food-a": [], "food-b": [] };
  readonly latest: Partial<Record<Channel, { change: number; windowMs: number }>> = {};

  constructor(readonly run: string) {}

  add(channel: Channel, point: Point): void {
    const points = this.points[channel];
    let index = points.length;
    while (index > 0 && (points[index - 1]?.time ?? 0) > point.time) index--;
    if (points[index - 1]?.time === point.time) return;
    points.splice(index, 0, point);
    if (points.length > MAX_POINTS) points.shift();
  }
}

export class SmokerView {
  readonly #cooks = new Map<string, Cook>();
  readonly #alerts = new Map<string, Shown>();
  /** The cook that is shown, and since which revision. */
  #shown: { cook: Cook | undefined; revision: number } = { cook: undefined, revision: 0 };
  #revision = 0;

  reading(body: unknown, now: number, revision: number): void {
    const { success, data } = Row.safeParse(body);
    if (!success) return;
    for (const { channel, time, fahrenheit } of data.item.readings) {
      this.#add(data.run, channel, { time, fahrenheit, at: now, revision });
    }
  }

  judged(body: unknown, now: number, revision: number): void {
    const { success, data } = Judged.safeParse(body);
    if (!success) return;
    const run = data.run ?? "without ids";
    for (const [time, fahrenheit] of data.readings) {
      this.#add(run, data.channel, { time, fahrenheit, at: now, revision });
    }
    const { channel, change, windowMs, open } = data;
    const cook = this.#cooks.get(run);
    if (cook) cook.latest[channel] = { change, windowMs };
    const last = data.readings.at(-1)?.[0];
    if (last !== undefined) this.#closeOthers(channel, open, parseLocalTime(last), revision);
  }

  alert(body: unknown, now: number, revision: number): void {
    const { success, data } = AlertNews.safeParse(body);
    if (!success) return;
    const { windowMs, reason, ...figures } = data;
    const alert: Alert = { ...figures, ...(reason ? { reason } : {}) };
    const { id, channel, rule, state, opened, at } = alert;
    this.#show({
      id,
      channel,
      rule,
      opened: parseLocalTime(opened),
      resolved: state === "open" ? null : parseLocalTime(at),
      text: alertText(alert, windowMs, { lasted: true }),
      at: now,
    }, revision);
  }

  /** A monitor says which episodes are open: some may have opened before the board was there. */
  present(body: unknown, now: number, revision: number): void {
    const { success, data } = MonitorPresence.safeParse(body);
    if (!success) return;
    for (const { id, channel, rule, opened } of data.open) {
      if (this.#alerts.has(id)) continue;
      const text = `${CHANNEL_NAMES[channel]} ${rule} since ${timeOfDay(opened)}`;
      const shown = { id, channel, rule, opened: parseLocalTime(opened), resolved: null, text };
      this.#show({ ...shown, at: now }, revision);
    }
  }

  /** Forgets what is older than `before`; whether another cook is shown then. */
  tidy(before: number, revision: number): boolean {
    for (const [run, cook] of this.#cooks) {
      let left = 0;
      for (const channel of CHANNELS) {
        cook.points[channel] = cook.points[channel].filter(({ at }) => at >= before);
        left += cook.points[channel].length;
      }
      if (left === 0) this.#cooks.delete(run);
    }
    for (const [id, { at, resolved }] of this.#alerts) {
      if (at < before && resolved !== null) this.#alerts.delete(id);
    }
    return this.#choose(revision);
  }

  /** What changed after a revision; `undefined` if nothing did. */
  since(revision: number) {
    if (this.#revision <= revision) return undefined;
    const cook = this.#shown.cook;
    const since = this.#shown.revision > revision ? 0 : revision;
    const channels = CHANNELS.map((channel) => ({
      channel,
      points: cook?.points[channel].filter((point) => point.revision > since)
        .map(({ time, fahrenheit }) => [time, fahrenheit]) ?? [],
      ...cook?.latest[channel],
    }));
    const alerts = [...this.#alerts.values()].toReversed();
    return {
      run: cook?.run ?? null,
      channels,
      alerts: alerts.map((alert) => ({ ...alert, run: alert.id.split("/")[0] })),
    };
  }

  #add(
    run: string,
    channel: Channel,
    reading: { time: string; fahrenheit: number; at: number; revision: number },
  ): void {
    let cook = this.#cooks.get(run);
    if (!cook) {
      cook = new Cook(run);
      this.#cooks.set(run, cook);
      const [oldest] = this.#cooks.keys();
      if (this.#cooks.size > MAX_RUNS && oldest !== undefined) this.#cooks.delete(oldest);
    }
    cook.add(channel, { ...reading, time: parseLocalTime(reading.time) });
    this.#revision = reading.revision;
    this.#choose(reading.revision);
  }

  /** Shows the cook that began last; whether that is another one. */
  #choose(revision: number): boolean {
    const cook = [...this.#cooks.values()].at(-1);
    if (cook === this.#shown.cook) return false;
    this.#shown = { cook, revision };
    this.#revision = revision;
    return true;
  }

  /** An alert whose end was missed is over when a monitor has another one open, or none. */
  #closeOthers(channel: Channel, open: string | null, time: number, revision: number): void {
    for (const alert of this.#alerts.values()) {
      if (alert.channel !== channel || alert.resolved !== null || alert.id === open) continue;
      const text = `${CHANNEL_NAMES[channel]} ${alert.rule} is over; its end was not heard`;
      this.#show({ ...alert, resolved: Math.max(alert.opened, time), text }, revision);
    }
  }

  #show(alert: Shown, revision: number): void {
    this.#alerts.set(alert.id, alert);
    const [oldest] = this.#alerts.keys();
    if (this.#alerts.size > MAX_ALERTS && oldest !== undefined) this.#alerts.delete(oldest);
    this.#revision = revision;
  }
}
