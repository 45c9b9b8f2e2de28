/**
 * What a monitor announces: the readings it has judged, batch by batch; its alerts, never sampled; its dead letters;
 * and, for who starts to watch later, which episodes are open.
 */
import type { Announcer } from "../connection.ts";
import {
  type Alert,
  alertText,
  type AnyStream,
  happenedText,
  presenceOf,
  wordsOf,
} from "../streams.ts";
import type { JudgedReading } from "./queue_monitor.ts";

/** An open episode as it is announced. */
interface OpenAlert {
  readonly id: string;
  readonly key: string;
  readonly rule: string;
  readonly opened: string;
  readonly text: string;
  /** `undefined` where its readings don't say. */
  readonly run: string | undefined;
}

export class MonitorAnnouncer {
  readonly #announcer: Announcer;
  readonly #stream: AnyStream;
  readonly #totals: () => Record<string, unknown>;
  /** By queue and key. */
  readonly #open = new Map<string, Map<string, OpenAlert[]>>();
  /** The queues that it reads, or waits for. */
  readonly #queues = new Set<string>();

  /** @param totals The counts of all keys together. */
  constructor(announcer: Announcer, stream: AnyStream, totals: () => Record<string, unknown>) {
    this.#announcer = announcer;
    this.#stream = stream;
    this.#totals = totals;
  }

  /** From now on it says that the monitor is there. */
  present(): void {
    this.#announcer.present(`${this.#stream.name}.presence`, () => ({
      ...presenceOf(this.#stream),
      queues: [...this.#queues],
      open: [...this.#open.values()].flatMap((keys) => [...keys.values()].flat()),
      totals: this.#totals(),
    }));
  }

  /** The queue is another monitor's, or nobody's: what is open there isn't known any more. */
  lost(queue: string): void {
    this.#queues.add(queue);
    this.#open.delete(queue);
  }

  /** A batch was judged and its alerts are published. */
  judged(queue: string, batch: readonly JudgedReading[]): void {
    if (batch.length === 0) return;
    const { name } = this.#stream;
    const open = this.#open.get(queue) ?? new Map<string, OpenAlert[]>();
    this.#open.set(queue, open);
    // An alert is of the run in which it opened: a reading of the next run may end it.
    const runs = new Map([...open.values()].flat().map(({ id, run }) => [id, run]));
    for (const { judgement, judge, run } of batch) {
      for (const alert of judgement.alerts) {
        if (alert.state === "open") runs.set(alert.id, run);
        const windowMs = judge.rules.find(({ rule }) => rule.name === alert.rule)?.rule.spanMs ?? 0;
        this.#announcer.announce(`${name}.alert`, () => ({
          ...shown(alert, windowMs),
          run: runs.get(alert.id),
          totals: this.#totals(),
        }), { always: true });
      }
    }
    const latest = new Map(batch.map((reading) => [reading.key, reading]));
    const touched = batch.flatMap(({ key, run, judge, others }) => [
      { key, run, judge },
      ...[...others].map(([key, judge]) => ({ key, run, judge })),
    ]);
    for (const { key, judge, run } of touched) {
      const alerts = this.#openAlerts(key, judge)
        .map((alert) => ({ ...alert, run: runs.has(alert.id) ? runs.get(alert.id) : run }));
      if (alerts.length > 0) open.set(key, alerts);
      else open.delete(key);
    }
    const keys = [...latest].map(([key, { run, judge, judgement }]) => ({
      key,
      run,
      readings: batch.filter((reading) =>
        reading.key === key && reading.run === run && reading.judgement.verdict === "judged"
      ).map(({ time, values }) => [time, ...values]),
      changes: judgement.changes,
      windowsMs: judge.rules.map(({ rule }) => [rule.quantity, rule.spanMs]),
      open: open.get(key)?.map(({ id }) => id) ?? [],
    }));
    this.#announcer.announce(
      `${name}.judged`,
      () => ({ keys, totals: this.#totals() }),
      { always: true },
    );
  }

  /** @param body How the body of the letter begins. */
  dead(id: string | null, queue: string, reason: string, body?: string): void {
    this.#announcer.announce(
      `${this.#stream.name}.dead`,
      () => ({ id, queue, reason, body, totals: this.#totals() }),
    );
  }

  #openAlerts(key: string, judge: JudgedReading["judge"]): Omit<OpenAlert, "run">[] {
    const words = wordsOf(this.#stream.name);
    return judge.rules.flatMap(({ rule: { name: rule }, episode }) => {
      if (!episode) return [];
      const { id, opened } = episode;
      return [{ id, key, rule, opened, text: `${words.keyName(key)} ${rule}` }];
    });
  }
}

/** An alert as the board shows it, beside its times: of an open one what has happened, not what is so now. */
function shown(alert: Alert, windowMs: number) {
  const { id, key, rule, state, opened, at } = alert;
  const words = wordsOf(alert.stream);
  const text = state === "open"
    ? happenedText(alert, words, windowMs)
    : alertText(alert, words, { spanMs: windowMs, lasted: true });
  return { id, key, rule, state, opened, at, text };
}
