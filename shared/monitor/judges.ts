/**
 * The judges of a queue's keys, made as keys come; and the keys without which the stream goes on. Pure, no broker, no
 * clock but the recorded times.
 */
import { z } from "zod";
import { type Alert, type Measurement } from "../streams.ts";
import { type Judgement, KeyJudge, KeyState } from "./judge.ts";
import type { Origin } from "./run_ledger.ts";

export interface JudgesOptions {
  /** The key of all messages of the queue; `undefined` where each message has its own. */
  readonly key: string | undefined;
  /** Makes the judge of a key. */
  readonly judgeOf: (key: string, state: KeyState | null) => KeyJudge;
}

/**
 * The latest time of a run, in ms, whichever key had it; and what it was when a reading of each key came. A file sorted by
 * key and not by time has readings far behind it, which are no silence.
 */
const Clock = z.object({
  run: z.string(),
  time: z.number(),
  heard: z.record(z.string(), z.number()),
});

const KeyStates = z.object({
  keys: z.record(z.string(), KeyState),
  clock: Clock.exactOptional(),
});

/** What came of a reading. */
export interface JudgedOne {
  readonly judge: KeyJudge;
  readonly judgement: Judgement;
  /** Other keys of which it has opened alerts, with their judges. */
  readonly others: ReadonlyMap<string, KeyJudge>;
}

const NO_OTHERS: ReadonlyMap<string, KeyJudge> = new Map();

export class Judges {
  /** Whether there was a state that could not be read. */
  readonly unreadable: boolean;
  readonly #options: JudgesOptions;
  readonly #judges = new Map<string, KeyJudge>();
  /** After so long a key without readings is silent, in ms: of each rule about that. */
  #spans: readonly number[] = [];
  #clock: { readonly run: string; readonly time: number } | undefined;
  /** The clock's time when the last reading of each key came, of those that had one in its run. */
  readonly #heard = new Map<string, number>();
  /** Until then no key becomes silent, unless its last reading is in between. */
  #due = Infinity;

  /** @param saved The state as it comes from the queue; `undefined` if there is none. */
  constructor(options: JudgesOptions, saved: unknown) {
    this.#options = options;
    const { key } = options;
    const state = key === undefined ? KeyStates.safeParse(saved).data : undefined;
    const single = key === undefined ? undefined : KeyState.safeParse(saved).data;
    this.unreadable = saved !== undefined && state === undefined && single === undefined;
    if (key !== undefined && single) this.#add(key, single);
    for (const [key, one] of Object.entries(state?.keys ?? {})) this.#add(key, one);
    if (!state?.clock) return;
    this.#clock = { run: state.clock.run, time: state.clock.time };
    for (const [key, time] of Object.entries(state.clock.heard)) this.#heardOf(key, time);
  }

  /**
   * Judges the next reading of the queue.
   *
   * @returns What came of it, and the judge of its key. The alerts may be those of `others`, too: the stream has gone on
   * without them.
   * @throws {RangeError} If it can't be judged.
   */
  judge({ key, time, values }: Measurement, origin: Origin): JudgedOne {
    // Read back, an object has no such key.
    if (key === "__proto__") throw new RangeError("__proto__ can't be the name of a key");
    const judge = this.#judges.get(key) ?? this.#add(key, null);
    const judgement = judge.judge({ time, values, ...origin });
    if (this.#spans.length === 0 || judgement.verdict !== "judged") {
      return { judge, judgement, others: NO_OTHERS };
    }
    const silent = this.#silentAfter(key, judge);
    if (silent.length === 0) return { judge, judgement, others: NO_OTHERS };
    const others = new Map(silent.flatMap(({ key }) => {
      const other = this.#judges.get(key);
      return other ? [[key, other]] : [];
    }));
    return { judge, judgement: { ...judgement, alerts: [...judgement.alerts, ...silent] }, others };
  }

  /** All that a successor needs; `null` before the first reading. */
  save(): unknown {
    const { key } = this.#options;
    if (key !== undefined) return this.#judges.get(key)?.save() ?? null;
    const states = [...this.#judges].flatMap(([key, judge]) => {
      const state = judge.save();
      // One whose only reading could not be judged knows nothing.
      return state === null ? [] : [[key, state]];
    });
    const clock = this.#clock && { ...this.#clock, heard: Object.fromEntries(this.#heard) };
    return { keys: Object.fromEntries(states), ...(clock ? { clock } : {}) };
  }

  #add(key: string, state: KeyState | null): KeyJudge {
    const judge = this.#options.judgeOf(key, state);
    this.#judges.set(key, judge);
    // The rules are the same for all keys of a queue.
    this.#spans = judge.rules.flatMap(({ rule: { silentAfterMs } }) => silentAfterMs ?? []);
    return judge;
  }

  #heardOf(key: string, time: number): void {
    this.#heard.set(key, time);
    for (const span of this.#spans) this.#due = Math.min(this.#due, time + span);
  }

  /** The alerts of keys that are silent now that this one had a reading. */
  #silentAfter(key: string, judge: KeyJudge): readonly Alert[] {
    const { latest } = judge;
    if (!latest) return [];
    const { run, time, reading } = latest;
    // Another run's times say nothing about this one's.
    if (this.#clock?.run !== run) {
      this.#clock = { run, time };
      this.#heard.clear();
      this.#due = Infinity;
    }
    const now = Math.max(this.#clock.time, time);
    this.#clock = { run, time: now };
    this.#heardOf(key, now);
    if (now <= this.#due) return [];
    this.#due = Infinity;
    const alerts: Alert[] = [];
    // In an order that doesn't depend on which came first: a successor doesn't know that.
    for (const [other, heard] of [...this.#heard].sort(([a], [b]) => a < b ? -1 : 1)) {
      for (const span of this.#spans) {
        if (now <= heard + span) this.#due = Math.min(this.#due, heard + span);
        else alerts.push(...this.#judges.get(other)?.silence(now - heard, now, reading) ?? []);
      }
    }
    return alerts;
  }
}
