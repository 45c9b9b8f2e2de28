/**
 * One channel of the smart smoker under watch: decodes its readings, has them judged, makes the messages of
 * its alerts, and keeps account across restarts of the judging.
 */
import type { Alert, ChannelRule } from "./alerts.ts";
import type { Delivery, Message } from "./connection.ts";
import {
  ChannelJudge,
  channelState,
  type EpisodeSummary,
  type NewReading,
  type Verdict,
} from "./episodes.ts";
import { reasonOf } from "./errors.ts";
import { decodeReading, placeOf } from "./messages.ts";
import type { Keeper, Outcome } from "./stateful_consumer.ts";

/** A summary lists so many episodes, the latest. */
const MAX_EPISODES = 10_000;

/** A reading that has been judged. */
export interface Judged {
  readonly id: string | null;
  readonly reading: NewReading;
  readonly verdict: Verdict;
  readonly judge: ChannelJudge;
  readonly redelivered: boolean;
}

/** What a channel's summary says. */
export interface ChannelSummary {
  readonly readings: number;
  readonly alertingReadings: number;
  readonly episodes: EpisodeSummary[];
}

/** What a monitor tells of, as it happens. */
export interface ChannelListener {
  /** A reading was judged and its alerts are published; in order. */
  onJudged: (judged: Judged) => void;
  onDead: (delivery: Delivery, reason: string) => void;
  /** The saved state can't be read: the channel begins with an empty window. */
  onUnreadable: () => void;
  /** A batch is told of: what isn't written out now may be lost, as its readings won't come again. */
  onTold: (batch: readonly Judged[]) => void;
}

export class ChannelMonitor {
  readonly rule: ChannelRule;
  late = 0;
  duplicates = 0;
  dead = 0;
  #readings = 0;
  #alertingReadings = 0;
  /** By id: one that went on after a restart of the judging is told once, with its latest figures. */
  readonly #episodes = new Map<string, EpisodeSummary>();
  readonly #alertQueue: string;
  readonly #listener: ChannelListener;

  /** @param alertQueue Where its alerts go. */
  constructor(rule: ChannelRule, alertQueue: string, listener: ChannelListener) {
    this.rule = rule;
    this.#alertQueue = alertQueue;
    this.#listener = listener;
  }

  /** Readings that were judged. */
  get readings(): number {
    return this.#readings;
  }

  get summary(): ChannelSummary {
    return {
      readings: this.#readings,
      alertingReadings: this.#alertingReadings,
      episodes: [...this.#episodes.values()],
    };
  }

  /** Goes on from a saved state; one that can't be read counts as none, and is reported. */
  restore(saved: unknown): Keeper {
    const { success, data } = channelState.safeParse(saved);
    if (saved !== undefined && !success) this.#listener.onUnreadable();
    const judge = new ChannelJudge(this.rule, success ? data : null);
    return { handle: (batch) => this.#handle(judge, batch) };
  }

  /** Judges one reading that no broker holds. */
  judge(judge: ChannelJudge, id: string, reading: NewReading): void {
    const verdict = judge.judge(reading);
    this.#listener.onJudged({ id, reading, verdict, judge, redelivered: false });
    this.#count([verdict], judge);
  }

  #handle(judge: ChannelJudge, batch: readonly Delivery[]): Outcome {
    const dead: { delivery: Delivery; reason: string }[] = [];
    const judged: Judged[] = [];
    for (const delivery of batch) {
      const { redelivered } = delivery;
      // Some clients send an empty one: that is none.
      const messageId = delivery.messageId || undefined;
      try {
        const { time, fahrenheit } = decodeReading(delivery, this.rule.channel);
        const reading = { time, fahrenheit, ...placeOf(messageId) };
        const verdict = judge.judge(reading);
        judged.push({ id: messageId ?? null, reading, verdict, judge, redelivered });
      } catch (error) {
        dead.push({ delivery, reason: reasonOf(error) });
      }
    }
    return {
      publish: judged.flatMap(({ verdict }) =>
        verdict.alerts.map((alert) => alertMessage(alert, this.rule, this.#alertQueue))
      ),
      dead,
      state: judged.length > 0 ? judge.save() : null,
      repeated: judged.some(({ verdict, redelivered }) =>
        (verdict.verdict === "duplicate" || verdict.interleaved) && !redelivered
      ),
      onPublished: () => {
        for (const each of judged) this.#listener.onJudged(each);
        for (const { delivery, reason } of dead) this.#listener.onDead(delivery, reason);
        this.#listener.onTold(judged);
      },
      onSaved: () => {
        this.dead += dead.length;
        this.#count(judged.map(({ verdict }) => verdict), judge);
      },
    };
  }

  #count(verdicts: readonly Verdict[], judge: ChannelJudge): void {
    for (const { verdict, alert } of verdicts) {
      if (verdict === "late") this.late++;
      else if (verdict === "duplicate") this.duplicates++;
      else this.#readings++;
      if (alert !== null) this.#alertingReadings++;
    }
    for (const [id, episode] of judge.takeEpisodes()) this.#episodes.set(id, episode);
    for (const id of this.#episodes.keys()) {
      if (this.#episodes.size <= MAX_EPISODES) break;
      this.#episodes.delete(id);
    }
  }
}

/** The message of an alert: `<id>/<state>` makes it one and the same, however often it is published. */
function alertMessage(alert: Alert, { span }: ChannelRule, queue: string): Message {
  return {
    queue,
    body: Buffer.from(JSON.stringify(alert)),
    properties: {
      contentType: "application/json",
      messageId: `${alert.id}/${alert.state}`,
      appId: "smoker_monitor",
      headers: { "published-at": Date.now(), "window-ms": span },
    },
  };
}
