/**
 * One queue under watch: decodes its messages, has the readings of each key judged, makes the messages of their alerts,
 * and keeps account across restarts of the judging.
 */
import type { BatchHandler, BatchResult, Delivery, Message } from "../connection.ts";
import { reasonOf } from "../script.ts";
import { type Alert, type Measurement, originOf } from "../streams.ts";
import type { EpisodeSummary } from "./episode.ts";
import type { KeyJudge } from "./judge.ts";
import { type JudgedOne, Judges, type JudgesOptions } from "./judges.ts";
import type { Rule } from "./rules.ts";

/** A summary lists at most this number of episodes of a key, the latest. */
const MAX_EPISODES = 10_000;

/** A reading that has been judged. */
export interface JudgedReading extends Measurement, JudgedOne {
  readonly id: string | null;
  readonly run: string | undefined;
  readonly redelivered: boolean;
}

/** What a key's summary says. */
export interface KeySummary {
  readonly readings: number;
  readonly alertingReadings: number;
  readonly episodes: EpisodeSummary[];
}

/** What a monitor reports, as it happens. */
export interface MonitorListener {
  /** A reading was judged and its alerts are published; in order. */
  onJudged: (judged: JudgedReading) => void;
  onDead: (delivery: Delivery, reason: string) => void;
  /** The saved state can't be read: the windows begin empty. */
  onUnreadable: () => void;
  /** A batch is reported: what isn't written out now may be lost, as its readings won't come again. */
  onReported: (batch: readonly JudgedReading[]) => void;
}

/** What a queue's messages are, and how they are watched. */
export interface QueueWatch extends JudgesOptions {
  /** @throws {RangeError} If the delivery holds no measurement. */
  readonly measured: (delivery: Delivery) => Measurement;
  readonly alertMessage: (alert: Alert, rule: Rule | undefined) => Message;
}

/** The counts of a key. */
class KeyTally {
  readings = 0;
  alertingReadings = 0;
  /** By id: one that went on after a restart of the judging is reported once, with its latest figures. */
  readonly episodes = new Map<string, EpisodeSummary>();

  /** Takes over what the judge knows of its episodes. */
  note(judge: KeyJudge): void {
    for (const [id, episode] of judge.takeEpisodes()) this.episodes.set(id, episode);
    for (const id of this.episodes.keys()) {
      if (this.episodes.size <= MAX_EPISODES) break;
      this.episodes.delete(id);
    }
  }
}

export class QueueMonitor {
  readings = 0;
  late = 0;
  duplicates = 0;
  dead = 0;
  readonly #watch: QueueWatch;
  readonly #listener: MonitorListener;
  readonly #tallies = new Map<string, KeyTally>();

  constructor(watch: QueueWatch, listener: MonitorListener) {
    this.#watch = watch;
    this.#listener = listener;
    if (watch.key !== undefined) this.#tallies.set(watch.key, new KeyTally());
  }

  /** The summary of each key. */
  get summaries(): Map<string, KeySummary> {
    return new Map(
      [...this.#tallies].map(([key, { readings, alertingReadings, episodes }]) => [
        key,
        { readings, alertingReadings, episodes: [...episodes.values()] },
      ]),
    );
  }

  /** Goes on from a saved state; one that can't be read counts as none, and is reported. */
  restore(saved: unknown): BatchHandler {
    const judges = new Judges(this.#watch, saved);
    if (judges.unreadable) this.#listener.onUnreadable();
    return { handle: (batch) => this.#handle(judges, batch) };
  }

  /** Judges readings that no broker holds: those of one row after the other. */
  backtest(): (id: string, measurement: Measurement, row: { run: string; row: number }) => void {
    const judges = new Judges(this.#watch, undefined);
    return (id, { key, time, values }, { run, row }) => {
      if (isEmpty(values)) return;
      const judged = judges.judge({ key, time, values }, { run, row });
      this.#listener.onJudged({ id, key, time, values, run, ...judged, redelivered: false });
      this.#count(key, judged);
    };
  }

  #handle(judges: Judges, batch: readonly Delivery[]): BatchResult {
    const dead: { delivery: Delivery; reason: string }[] = [];
    const judged: JudgedReading[] = [];
    for (const delivery of batch) {
      const { redelivered } = delivery;
      // Some clients send an empty one: that is none.
      const messageId = delivery.messageId || undefined;
      try {
        const { key, time, values } = this.#watch.measured(delivery);
        if (isEmpty(values)) continue;
        const { run, row } = originOf(delivery);
        const one = judges.judge({ key, time, values }, { run, row });
        judged.push({ id: messageId ?? null, key, time, values, run, ...one, redelivered });
      } catch (error) {
        dead.push({ delivery, reason: reasonOf(error) });
      }
    }
    return {
      publish: judged.flatMap(({ judgement, judge }) =>
        judgement.alerts.map((alert) =>
          this.#watch.alertMessage(
            alert,
            judge.rules.find(({ rule }) => rule.name === alert.rule)?.rule,
          )
        )
      ),
      dead,
      state: judged.length > 0 ? judges.save() : null,
      repeated: judged.some(({ judgement, redelivered }) =>
        (judgement.verdict === "duplicate" || judgement.interleaved) && !redelivered
      ),
      onPublished: () => {
        for (const each of judged) this.#listener.onJudged(each);
        for (const { delivery, reason } of dead) this.#listener.onDead(delivery, reason);
        this.#listener.onReported(judged);
      },
      onSaved: () => {
        this.dead += dead.length;
        for (const one of judged) this.#count(one.key, one);
      },
    };
  }

  #count(key: string, { judgement, judge, others }: JudgedOne): void {
    const { verdict, alerting } = judgement;
    if (verdict === "late") this.late++;
    else if (verdict === "duplicate") this.duplicates++;
    else this.readings++;
    const tally = this.#tallyOf(key);
    if (verdict === "judged") tally.readings++;
    if (alerting.length > 0) tally.alertingReadings++;
    tally.note(judge);
    for (const [other, judge] of others) this.#tallyOf(other).note(judge);
  }

  #tallyOf(key: string): KeyTally {
    let tally = this.#tallies.get(key);
    if (!tally) this.#tallies.set(key, tally = new KeyTally());
    return tally;
  }
}

/** Whether nothing was measured: an empty cell is no reading, and no mistake either. */
function isEmpty(values: Measurement["values"]): boolean {
  return values.every((value) => value === null);
}
