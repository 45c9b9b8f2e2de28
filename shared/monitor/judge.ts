/**
 * Judges the readings of one key: which are new, which rules are true of its windows, and where an episode of alerting
 * readings opens and resolves; pure, no broker, no clock.
 *
 * What comes out depends on the readings and their order alone. All that a judge knows is in its state: saved between
 * any two readings and restored in another process, it makes a judge that goes on to the byte as the first would have.
 */
import { z } from "zod";
import type { Sample, SlidingWindow } from "../deque.ts";
import { type Alert, type AlertWords, formatLocalTime, type Quantity } from "../streams.ts";
import { type EpisodeSummary, OpenEpisode, summaryOf, withReading } from "./episode.ts";
import { changeOf, type Rule } from "./rules.ts";
import { type Origin, RunLedger } from "./run_ledger.ts";

const RUNS = { run: z.string(), row: z.number(), priorRuns: z.array(z.string()) };

/** Time in ms on the recording's own calendar and value of each reading, oldest first. */
const Samples = z.array(z.tuple([z.number(), z.number()]));

/**
 * What is saved of a key: a schema, because it comes back from a queue that anyone can write to. A key with one
 * quantity and one rule has one window and at most one episode; any other has them by quantity and by rule.
 */
export const KeyState = z.union([
  z.object({ ...RUNS, window: Samples.min(1), episode: OpenEpisode.nullable() }),
  z.object({
    ...RUNS,
    windows: z.record(z.string(), Samples),
    episodes: z.record(z.string(), OpenEpisode),
    /** Since when a rule has been true that must be so for some time; in ms. */
    pending: z.record(z.string(), z.number()).exactOptional(),
  }),
]);

export type KeyState = z.infer<typeof KeyState>;

/** A reading of one key. `run` and `row` come from its `message_id`: both, or neither. */
export interface NewReading extends Origin {
  /** In ms on the recording's own calendar. */
  readonly time: number;
  /** In the order of the quantities; `null` where one wasn't measured. */
  readonly values: readonly (number | null)[];
}

export interface Judgement {
  readonly verdict: "judged" | "late" | "duplicate";
  /** Newest − oldest of each quantity's window as this reading leaves it, to 0.01. */
  readonly changes: readonly number[];
  /** The names of the rules that are true of a reading that was judged. */
  readonly alerting: readonly string[];
  /** To be published in this order. */
  readonly alerts: readonly Alert[];
  /** The reading is late because its run came before the current one: two runs interleave. */
  readonly interleaved: boolean;
}

/** What a judge is about. */
export interface Judged {
  readonly stream: string;
  readonly key: string;
  readonly quantities: readonly Quantity[];
  readonly words: AlertWords;
}

const NOTHING: readonly never[] = [];

/** With `/resolved` behind it, AMQP's 255 bytes. */
const MAX_ID_BYTES = 240;

const ENCODER = new TextEncoder();

/** As long as the name of a run without a name, and what tells a reading apart, can be. */
const UNNUMBERED_RUN = "unnumbered@2021-05-22T12:34:10.123~100";
const LONGEST_OPENER = "+275760-09-13T00:00:00.000";

/** Times from the year 0 to 9999, in ms: others aren't written as they are read. */
const MIN_TIME = Date.UTC(-1, 12);
const MAX_TIME = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** Larger values, of either sign, aren't measured: their differences and means would end in noise. */
const MAX_VALUE = 1e15;

/** A rule with its open episode, and the window that it shares with the other rules of its quantity. */
interface Watch {
  readonly rule: Rule;
  episode: OpenEpisode | null;
  /** Since when it has been true without a break, in ms; `undefined` while it isn't. */
  since: number | undefined;
  /** Whether this judge itself judged a reading of the open episode; until then it isn't in its summary. */
  isOwn: boolean;
}

/** Keeps one key's windows and episodes, and judges its readings one after the other. */
export class KeyJudge {
  readonly #about: Judged;
  readonly #watches: readonly Watch[];
  readonly #runs: RunLedger;
  /** By quantity; `undefined` where no rule looks at it. */
  #windows: (SlidingWindow<Sample> | undefined)[];
  /** By quantity: whether the last reading's value is its window's newest. */
  readonly #added: boolean[] = [];
  /** Open episodes of a saved state whose rules there are no more: they end with the next reading. */
  #withoutRule: readonly OpenEpisode[] = NOTHING;
  /** The run of which ids are known to fit. */
  #fittingRun: string | undefined;
  /** Since they were taken, by their ids, in order. */
  #resolved = new Map<string, EpisodeSummary>();

  /**
   * @param rules What to judge by. If the state was saved under others, its windows keep what fits.
   * @param state Where another judge left off; without it the key is new.
   * @throws {RangeError} If rules of one quantity have windows of different lengths, or a window of the state holds a
   * number that isn't finite.
   */
  constructor(about: Judged, rules: readonly Rule[], state: KeyState | null = null) {
    this.#about = about;
    this.#runs = new RunLedger(state);
    this.#watches = rules.map((rule) => ({
      rule,
      episode: null,
      since: undefined,
      isOwn: false,
    }));
    for (const { quantity, spanMs } of rules) {
      if (rules.some((other) => other.quantity === quantity && other.spanMs !== spanMs)) {
        const { name } = about.quantities[quantity] ?? {};
        throw new RangeError(`Cannot judge ${name}: its rules must have windows of one length`);
      }
    }
    this.#windows = this.#emptyWindows();
    if (state !== null) this.#restore(state);
  }

  /** The rules, each with its window and its open episode, if there is one; to look at. */
  get rules(): { rule: Rule; window: SlidingWindow<Sample>; episode: OpenEpisode | null }[] {
    return this.#watches.map(({ rule, episode }) => ({
      rule,
      window: this.#windowOf(rule),
      episode,
    }));
  }

  /** All that a successor needs, as plain JSON; `null` before the first reading. O(windows). */
  save(): KeyState | null {
    const runs = this.#runs.save();
    if (runs === null) return null;
    const { run, row, priorRuns } = runs;
    const saved = { run, row, priorRuns: [...priorRuns] };
    const [only, ...others] = this.#watches;
    if (only && others.length === 0 && this.#windows.length === 1 && !only.rule.forMs) {
      const episode = only.episode ?? this.#withoutRule[0] ?? null;
      return { ...saved, window: samplesOf(this.#windowOf(only.rule)), episode };
    }
    const windows = this.#windows.flatMap((window, quantity) =>
      window ? [[this.#about.quantities[quantity]?.name ?? "", samplesOf(window)]] : []
    );
    const episodes = this.#watches.flatMap(({ rule, episode }) =>
      episode ? [[rule.name, episode]] : []
    );
    const pending = this.#watches.flatMap(({ rule, since }) =>
      rule.forMs && since !== undefined ? [[rule.name, since]] : []
    );
    return {
      ...saved,
      windows: Object.fromEntries(windows),
      episodes: Object.fromEntries([
        ...this.#withoutRule.map((episode) => [episode.rule, episode]),
        ...episodes,
      ]),
      ...(pending.length > 0 ? { pending: Object.fromEntries(pending) } : {}),
    };
  }

  /** Its latest reading: run, time, and what tells it apart from others; `undefined` before the first. */
  get latest():
    | { readonly run: string; readonly time: number; reading: string | number }
    | undefined {
    const { name: run, last: reading } = this.#runs;
    const time = this.#newest();
    return run === null || time === undefined ? undefined : { run, time, reading };
  }

  /**
   * Opens the alerts of rules that are true because the stream has gone on without this key.
   *
   * @param ms How long it has, in recorded time.
   * @param time The stream's, in ms; `opener` tells the reading apart that has brought it there.
   * @returns Those that weren't open.
   */
  silence(ms: number, time: number, opener: string | number): readonly Alert[] {
    const silent = this.#watches.filter(({ rule: { silentAfterMs }, episode }) =>
      silentAfterMs !== undefined && episode === null && ms > silentAfterMs
    );
    return silent.map((watch) => {
      const value = this.#windowOf(watch.rule).newest?.value ?? 0;
      return this.#open(watch, { at: time, opener, value });
    });
  }

  /**
   * The episodes of which this judge judged a reading itself, by their ids, in order: those that were resolved since
   * the last call, and the open ones as they are now. O(what it returns).
   */
  takeEpisodes(): Map<string, EpisodeSummary> {
    const episodes = this.#resolved;
    this.#resolved = new Map();
    for (const { episode, isOwn } of this.#watches) {
      if (episode && isOwn) episodes.set(episode.id, summaryOf(episode, null));
    }
    return episodes;
  }

  /**
   * Takes the key's next reading.
   *
   * At a new run open episodes are resolved as the old run's last judged reading left them, and the windows start
   * empty. Beside what {@link RunLedger} leaves out, a value behind the newest of its window is late, and one whose
   * time the window holds already a duplicate (by time; windows that count readings don't look at it): no rule looks
   * at these, and a reading that has no other is late or a duplicate itself.
   *
   * @throws {RangeError} If a value is not a finite number, or the time not that of a date; the judge is as before.
   */
  judge(reading: NewReading): Judgement {
    const { time, values } = reading;
    refuseInvalid(time, values);
    this.#refuseLongId(reading.run);
    const taken = this.#runs.take(reading, time, this.#newest());
    if (taken === "late" || taken === "duplicate") return this.#leftOut(taken, taken === "late");
    let alerts: readonly Alert[] = NOTHING;
    if (taken === "new run") {
      alerts = this.#watches.flatMap((watch) => this.#resolve(watch, "new run"));
      this.#windows = this.#emptyWindows();
      for (const watch of this.#watches) watch.since = undefined;
    }
    const pushed = this.#push(time, values);
    if (pushed !== "added") return this.#leftOut(pushed);
    if (this.#withoutRule.length > 0) alerts = [...alerts, ...this.#resolveWithoutRule()];
    let alerting: readonly string[] = NOTHING;
    for (const watch of this.#watches) {
      const { quantity } = watch.rule;
      const value = values[quantity];
      if (value === null || value === undefined || !this.#added[quantity]) continue;
      const isTrue = this.#hasLasted(watch, time);
      if (isTrue) alerting = [...alerting, watch.rule.name];
      if (isTrue || watch.episode !== null) {
        alerts = [...alerts, ...isTrue ? this.#extend(watch, value) : this.#resolve(watch)];
      }
    }
    return { verdict: "judged", changes: this.#changes(), alerting, alerts, interleaved: false };
  }

  /** An alert's message id `<id>/resolved` must fit into AMQP's 255 bytes: better no reading than an alert that isn't sent. */
  #refuseLongId(run = UNNUMBERED_RUN): void {
    if (run === this.#fittingRun) return;
    const { stream, key, words } = this.#about;
    for (const { rule: { name: rule } } of this.#watches) {
      const id = words.idOf({ stream, run, key, rule }, LONGEST_OPENER);
      if (ENCODER.encode(id).length > MAX_ID_BYTES) {
        throw new RangeError(`the key is too long for the ids of its alerts: ${key.slice(0, 40)}…`);
      }
    }
    this.#fittingRun = run;
  }

  /** Whether a rule is true, and has been for as long as it must. */
  #hasLasted(watch: Watch, time: number): boolean {
    const { rule } = watch;
    if (!rule.isTrue(this.#windowOf(rule))) {
      watch.since = undefined;
      return false;
    }
    if (!rule.forMs) return true;
    watch.since ??= time;
    return time - watch.since >= rule.forMs;
  }

  #emptyWindows(): (SlidingWindow<Sample> | undefined)[] {
    return this.#about.quantities.map((_, quantity) =>
      this.#watches.find(({ rule }) => rule.quantity === quantity)?.rule.window()
    );
  }

  #restore(state: KeyState): void {
    const { quantities } = this.#about;
    for (const [quantity, window] of this.#windows.entries()) {
      const samples = "window" in state
        ? quantity === 0 ? state.window : []
        : state.windows[quantities[quantity]?.name ?? ""] ?? [];
      for (const [time, value] of samples) window?.push({ time, value });
    }
    const saved = "window" in state ? [state.episode ?? []].flat() : Object.values(state.episodes);
    for (const watch of this.#watches) {
      watch.episode = saved.find(({ rule }) => rule === watch.rule.name) ?? null;
      if (!("window" in state)) watch.since = state.pending?.[watch.rule.name];
    }
    this.#withoutRule = saved.filter(({ rule }) =>
      !this.#watches.some((watch) => watch.rule.name === rule)
    );
  }

  /** Ends the episodes of rules that there are no more. */
  #resolveWithoutRule(): readonly Alert[] {
    const [first] = this.#watches;
    const episodes = this.#withoutRule;
    if (!first || episodes.length === 0) return NOTHING;
    this.#withoutRule = [];
    const at = this.#newest() ?? 0;
    return episodes.map((episode) => {
      const rule = { ...first.rule, name: episode.rule };
      const alert = this.#alert(episode, rule, { state: "resolved", at });
      this.#resolved.set(episode.id, summaryOf(episode, alert.at));
      return alert;
    });
  }

  /**
   * Offers each value to its window.
   *
   * @returns `added` if one was, or none had a window; else what became of the first.
   */
  #push(time: number, values: NewReading["values"]): "added" | "late" | "duplicate" {
    let result: "added" | "late" | "duplicate" | undefined;
    for (let quantity = 0; quantity < values.length; quantity++) {
      const value = values[quantity];
      const window = this.#windows[quantity];
      if (value === null || value === undefined || !window) continue;
      const pushed = window.push({ time, value });
      this.#added[quantity] = pushed === "added";
      if (pushed === "added") result = pushed;
      else result ??= pushed === "duplicate" ? pushed : "late";
    }
    return result ?? "added";
  }

  #windowOf({ quantity }: Rule): SlidingWindow<Sample> {
    return this.#windows[quantity] as SlidingWindow<Sample>;
  }

  #newest(): number | undefined {
    let newest: number | undefined;
    for (const window of this.#windows) {
      const time = window?.newest?.time;
      if (time !== undefined && !(newest !== undefined && newest >= time)) newest = time;
    }
    return newest;
  }

  #changes(): number[] {
    return this.#windows.map((window) =>
      window ? changeOf(window, this.#about.words.difference) : 0
    );
  }

  #leftOut(verdict: "late" | "duplicate", interleaved = false): Judgement {
    const changes = this.#changes();
    return { verdict, changes, alerting: NOTHING, alerts: NOTHING, interleaved };
  }

  /** Opens an episode, or adds the reading to the open one: only the first is worth an alert. */
  #extend(watch: Watch, value: number): readonly Alert[] {
    const { rule, episode } = watch;
    watch.isOwn = true;
    if (episode !== null) {
      watch.episode = withReading(episode, value);
      return NOTHING;
    }
    const at = this.#windowOf(rule).newest?.time ?? 0;
    return [this.#open(watch, { at, opener: this.#runs.last, value })];
  }

  /** @param opened `opener` is what tells the reading apart at whose time `at` it opens. */
  #open(
    watch: Watch,
    { at, opener, value }: { at: number; opener: string | number; value: number },
  ): Alert {
    const { stream, key, words } = this.#about;
    const rule = watch.rule.name;
    const id = words.idOf({ stream, run: this.#runs.run ?? "", key, rule }, opener);
    watch.isOwn = true;
    watch.episode = { id, rule, opened: formatLocalTime(at), readings: 1, min: value, max: value };
    const reason = watch.rule.silentAfterMs === undefined ? {} : { reason: "silent" as const };
    return this.#alert(watch.episode, watch.rule, { state: "open", at, ...reason });
  }

  /** Ends the open episode, if there is one, with the window as it is. */
  #resolve(watch: Watch, reason?: "new run"): readonly Alert[] {
    const { rule, episode } = watch;
    if (episode === null) return NOTHING;
    const at = this.#windowOf(rule).newest?.time ?? 0;
    const alert = this.#alert(episode, rule, { state: "resolved", at, ...reason && { reason } });
    this.#resolved.set(episode.id, summaryOf(episode, alert.at));
    watch.episode = null;
    return [alert];
  }

  #alert(
    { id, opened }: OpenEpisode,
    rule: Rule,
    { at, ...state }: Pick<Alert, "state" | "reason"> & { readonly at: number },
  ): Alert {
    const { stream, key, quantities, words } = this.#about;
    const { name: quantity = "", unit = "" } = quantities[rule.quantity] ?? {};
    const window = this.#windowOf(rule);
    const { newest = { time: 0, value: 0 }, min = 0, max = 0, mean = 0, size: readings } = window;
    return {
      ...{ stream, id, key, rule: rule.name, opened, at: formatLocalTime(at) },
      ...{
        quantity,
        unit,
        value: newest.value,
        change: changeOf(window, words.difference),
        min,
        max,
        mean,
      },
      ...{ readings, ...state },
    };
  }
}

function refuseInvalid(time: number, values: NewReading["values"]): void {
  for (const value of values) {
    if (value !== null && !(Math.abs(value) <= MAX_VALUE)) {
      throw new RangeError(
        `Cannot judge a reading: a value must be a finite number up to 1e15, got ${value}`,
      );
    }
  }
  if (!(time >= MIN_TIME && time <= MAX_TIME)) {
    throw new RangeError(
      `Cannot judge a reading: the time must be in the years 0 to 9999, got ${time} ms since 1970`,
    );
  }
}

function samplesOf(window: SlidingWindow<Sample>): [number, number][] {
  return window.items().map(({ time, value }) => [time, value]);
}
