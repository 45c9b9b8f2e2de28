/** The board's picture of measurements: the run that began last, what was measured in it, and the alerts. */
import type { z } from "zod";
import { AlertNews, Judged, MonitorPresence, type Published } from "./announcements.ts";

/** Points of one key, and of a run; where there are many keys each has its part. */
const MAX_POINTS = 10_000;
const MAX_RUN_POINTS = 100_000;
const MAX_KEYS = 500;
const MAX_ALERTS = 200;
const MAX_RUNS = 4;

/** The run of readings that don't say theirs. */
const NO_RUN = "without ids";

interface Point {
  /** In ms on the recording's own calendar. */
  readonly time: number;
  readonly values: readonly (number | null)[];
  readonly revision: number;
  /** When the board heard of it, in ms since 1970. */
  readonly at: number;
}

interface Shown {
  readonly id: string;
  readonly key: string;
  readonly rule: string;
  /** `undefined` where nobody has said. */
  readonly run: string | undefined;
  /** Recorded times. */
  readonly opened: number;
  readonly resolved: number | null;
  readonly text: string;
  readonly at: number;
}

/** One key in one run. */
class Key {
  points: Point[] = [];
  /** Of each quantity: by how much it changed in its window. */
  changes: readonly number[] = [];
  /** `[quantity, length of its window]`. */
  windowsMs: readonly (readonly [quantity: number, ms: number])[] = [];
  /** When something of it changed last. */
  revision = 0;

  /** Puts a point in its place, unless there is one of its time. */
  add(point: Point, most: number): void {
    let index = this.points.length;
    while (index > 0 && (this.points[index - 1]?.time ?? 0) > point.time) index--;
    if (this.points[index - 1]?.time === point.time) return;
    this.points.splice(index, 0, point);
    this.revision = point.revision;
    if (this.points.length > most) this.points.splice(0, this.points.length - most);
  }
}

/** One run. */
class Run {
  readonly keys = new Map<string, Key>();

  constructor(readonly name: string) {}

  /** `undefined` when there are too many. */
  key(name: string): Key | undefined {
    let key = this.keys.get(name);
    if (!key && this.keys.size < MAX_KEYS) this.keys.set(name, key = new Key());
    return key;
  }

  get most(): number {
    return Math.min(MAX_POINTS, Math.ceil(MAX_RUN_POINTS / this.keys.size));
  }
}

export class SeriesView {
  readonly #quantities: number;
  readonly #runs = new Map<string, Run>();
  readonly #alerts = new Map<string, Shown>();
  /** The run that is shown, and since which revision. */
  #shown: { run: Run | undefined; revision: number } = { run: undefined, revision: 0 };
  #revision = 0;

  /** @param quantities How many are measured. */
  constructor(quantities: number) {
    this.#quantities = quantities;
  }

  published({ run, readings }: z.infer<typeof Published>, now: number, revision: number): void {
    for (const [key, time, ...values] of readings) {
      this.#add(run, key, { time, values, at: now, revision });
    }
  }

  judged(body: unknown, now: number, revision: number): void {
    const { success, data } = Judged.safeParse(body);
    if (!success) return;
    for (const { key, run: said, readings, changes, windowsMs, open } of data.keys) {
      const run = said ?? NO_RUN;
      for (const [time, ...values] of readings) {
        this.#add(run, key, { time, values, at: now, revision });
      }
      const known = this.#runs.get(run)?.keys.get(key);
      if (known) Object.assign(known, { changes, windowsMs, revision });
      const last = readings.at(-1)?.[0];
      if (last !== undefined) this.#closeOthers(key, open, last, revision);
    }
    this.#revision = revision;
  }

  alert(body: unknown, now: number, revision: number): void {
    const { success, data } = AlertNews.safeParse(body);
    if (!success) return;
    const { id, key, rule, state, opened, at, text } = data;
    const known = this.#alerts.get(id);
    const run = data.run ?? known?.run;
    const alert = { id, key, rule, run, opened, at: now };
    // What has happened is said where it opened.
    if (state === "open") this.#show({ ...alert, resolved: null, text }, revision);
    else this.#show({ ...alert, resolved: at, text: known?.text ?? text }, revision);
  }

  /** A monitor says which episodes are open: some may have opened before the board was there. */
  present(body: unknown, now: number, revision: number): void {
    const { success, data } = MonitorPresence.safeParse(body);
    if (!success) return;
    for (const { id, key, rule, opened, text, run } of data.open) {
      if (this.#alerts.has(id)) continue;
      const alert = { id, key, rule, opened, text, run: run ?? undefined };
      this.#show({ ...alert, resolved: null, at: now }, revision);
    }
  }

  /** Forgets what is older than `before`; whether another run is shown then. */
  tidy(before: number, revision: number): boolean {
    for (const [name, { keys }] of this.#runs) {
      for (const [name, key] of keys) {
        if (key.points.some(({ at }) => at < before)) {
          key.points = key.points.filter(({ at }) => at >= before);
        }
        if (key.points.length === 0) keys.delete(name);
      }
      if (keys.size === 0) this.#runs.delete(name);
    }
    for (const [id, { at, resolved }] of this.#alerts) {
      if (at < before && resolved !== null) this.#alerts.delete(id);
    }
    return this.#choose(revision);
  }

  /** What changed after a revision; `undefined` if nothing did. Of points those that are new. */
  since(revision: number) {
    if (this.#revision <= revision) return undefined;
    const { run, revision: chosen } = this.#shown;
    const since = chosen > revision ? 0 : revision;
    const keys = [...run?.keys ?? []].flatMap(([key, { points, changes, windowsMs, revision }]) => {
      if (revision <= since) return [];
      const news = points.filter((point) => point.revision > since);
      return [{
        key,
        points: news.map(({ time, values }) => [time, ...values]),
        changes,
        windowsMs,
      }];
    });
    return {
      run: run?.name ?? null,
      full: run?.keys.size === MAX_KEYS,
      keys,
      alerts: [...this.#alerts.values()].toReversed().map(({ at: _, ...alert }) => ({
        ...alert,
        run: alert.run ?? null,
        until: alert.resolved ?? this.#newest(alert),
      })),
    };
  }

  /** The recorded time up to which an open alert is known to have lasted. */
  #newest({ key, run, opened }: Pick<Shown, "key" | "run" | "opened">): number {
    const { points } = (run === undefined ? this.#shown.run : this.#runs.get(run))?.keys.get(key) ??
      { points: [] };
    return Math.max(opened, points.at(-1)?.time ?? opened);
  }

  #add(name: string, key: string, { values, ...point }: Point): void {
    let run = this.#runs.get(name);
    if (!run) {
      run = new Run(name);
      this.#runs.set(name, run);
      const [oldest] = this.#runs.keys();
      if (this.#runs.size > MAX_RUNS && oldest !== undefined) this.#runs.delete(oldest);
    }
    const all = Array.from({ length: this.#quantities }, (_, index) => values[index] ?? null);
    run.key(key)?.add({ ...point, values: all }, run.most);
    this.#revision = point.revision;
    this.#choose(point.revision);
  }

  /** Shows the run that began last; whether that is another one. */
  #choose(revision: number): boolean {
    const run = [...this.#runs.values()].at(-1);
    if (run === this.#shown.run) return false;
    this.#shown = { run, revision };
    this.#revision = revision;
    return true;
  }

  /** An alert whose end was missed is over when a monitor says that it isn't open. */
  #closeOthers(key: string, open: readonly string[], time: number, revision: number): void {
    for (const alert of this.#alerts.values()) {
      if (alert.key !== key || alert.resolved !== null || open.includes(alert.id)) continue;
      this.#show({ ...alert, resolved: Math.max(alert.opened, time) }, revision);
    }
  }

  #show(alert: Shown, revision: number): void {
    this.#alerts.set(alert.id, alert);
    if (this.#alerts.size > MAX_ALERTS) {
      const all = [...this.#alerts.values()];
      const oldest = all.find(({ resolved }) => resolved !== null) ?? all[0];
      if (oldest) this.#alerts.delete(oldest.id);
    }
    this.#revision = revision;
  }
}
