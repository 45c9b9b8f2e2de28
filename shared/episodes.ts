/**
 * Judges the readings of one channel: which are new, whether the rule is true of the window, and where an
 * episode of alerting readings opens and resolves; pure, no broker, no clock.
 *
 * What comes out depends on the readings and their order alone. All that a judge knows is in its
 * {@link ChannelState}: saved between any two readings and restored in another process, it makes a judge that
 * goes on to the byte as the first would have.
 */
import { z } from "zod";
import {
  type Alert,
  changeOf,
  type ChannelRule,
  figuresOf,
  isTrue,
  type Measured,
  type Rule,
  windowFor,
} from "./alerts.ts";
import type { SlidingWindow } from "./deque.ts";
import { formatLocalTime, parseLocalTime } from "./local_time.ts";

/** How many of the runs before the current one are remembered. */
const MAX_PRIOR_RUNS = 100;

/** Without a run's name, a time this far behind the newest means a new cook, in milliseconds. */
const NEW_COOK_AFTER = 3_600_000;

/** Begins the names of runs whose readings came without a `message_id`; no producer names a run like this. */
const UNNUMBERED = "unnumbered@";

/** What is saved of a channel: a schema, because it comes back from a queue that anyone can write to. */
export const channelState = z.object({
  run: z.string(),
  /** The highest row taken of the run; of an unnumbered run, how many readings were taken. */
  row: z.number(),
  /** Oldest first, at most 100. */
  priorRuns: z.array(z.string()),
  /** Time in ms (local time, as if it were UTC) and °F of each reading, oldest first; never empty. */
  window: z.array(z.tuple([z.number(), z.number()])).min(1),
  /** The open episode with its figures so far, over the readings for which its rule was true. */
  episode: z.object({
    id: z.string(),
    rule: z.enum(["drop", "stall"]),
    opened: z.string(),
    readings: z.number(),
    min: z.number(),
    max: z.number(),
  }).nullable(),
});

export type ChannelState = z.infer<typeof channelState>;

export type OpenEpisode = NonNullable<ChannelState["episode"]>;

/** A decoded reading. `run` and `row` come from its `message_id`: both, or neither. */
export interface NewReading {
  /** Local ISO 8601 without a zone, as the message has it. */
  readonly time: string;
  readonly fahrenheit: number;
  readonly run?: string | undefined;
  readonly row?: number | undefined;
}

export interface Verdict {
  readonly verdict: "judged" | "late" | "duplicate";
  /** Newest − oldest of the window as this reading leaves it, in °F, to 0.01. */
  readonly change: number;
  /** The rule, if the reading was judged and it is true. */
  readonly alert: Rule | null;
  /** To be published in this order: none, one, or a resolution by `new run` and an opening. */
  readonly alerts: readonly Alert[];
  /** The reading is late because its run came before the current one: two runs interleave. */
  readonly interleaved: boolean;
}

/** Figures of an episode over the readings for which its rule was true. */
export interface EpisodeSummary {
  readonly rule: Rule;
  readonly opened: string;
  /** The `at` of its resolution; null while it is open. */
  readonly resolved: string | null;
  readonly readings: number;
  readonly min: number;
  readonly max: number;
}

/** Keeps one channel's window and episode, and judges its readings one after the other. */
export class ChannelJudge {
  /** What this judge did itself, which is no part of the state; `readings` are those it judged. */
  readonly counts = { readings: 0, alertingReadings: 0, late: 0, duplicates: 0 };
  readonly #rule: ChannelRule;
  /** Since they were taken, by their ids, in order. */
  #resolved = new Map<string, EpisodeSummary>();
  #run: string | null = null;
  #row = 0;
  #priorRuns: readonly string[] = [];
  #window: SlidingWindow<Measured>;
  #episode: OpenEpisode | null = null;
  /** Whether this judge itself judged a reading of the open episode; until then it isn't in its summary. */
  #ownEpisode = false;

  /**
   * @param rule What to judge by. If the state was saved under another, its window keeps what fits.
   * @param state Where another judge left off; without it the channel is new.
   * @throws {RangeError} If the state's window holds a number that isn't finite.
   */
  constructor(rule: ChannelRule, state: ChannelState | null = null) {
    this.#rule = rule;
    this.#window = windowFor(rule);
    if (state === null) return;
    this.#run = state.run;
    this.#row = state.row;
    this.#priorRuns = [...state.priorRuns];
    this.#episode = state.episode;
    for (const [time, value] of state.window) this.#window.push({ time, value });
  }

  /** The window as it is now, to look at. */
  get window(): Omit<SlidingWindow<Measured>, "push"> {
    return this.#window;
  }

  /** The open episode, if there is one. */
  get episode(): OpenEpisode | null {
    return this.#episode;
  }

  /** All that a successor needs, as plain JSON; null before the first reading. O(window). */
  save(): ChannelState | null {
    if (this.#run === null) return null;
    return {
      run: this.#run,
      row: this.#row,
      priorRuns: [...this.#priorRuns],
      window: this.#window.items().map(({ time, value }) => [time, value]),
      episode: this.#episode,
    };
  }

  /**
   * The episodes of which this judge judged a reading itself, by their ids, in order: those that were resolved since
   * the last call, and the open one as it is now. O(what it returns).
   */
  takeEpisodes(): Map<string, EpisodeSummary> {
    const episodes = this.#resolved;
    this.#resolved = new Map();
    if (this.#episode && this.#ownEpisode) {
      episodes.set(this.#episode.id, summaryOf(this.#episode, null));
    }
    return episodes;
  }

  /**
   * Takes the channel's next reading.
   *
   * A reading of a run that is neither the current one nor remembered begins a new cook: an open episode is
   * resolved as the old run's last judged reading left it, and the window starts empty. A reading of a
   * remembered run is late, and so is (in mode `time`) one behind the newest. A row not above the run's highest
   * is a duplicate, and so is (in mode `time`) a time that the window holds already.
   *
   * A reading without run and row belongs to the current run, unless its time is more than an hour behind the
   * window's newest: then it begins a cook that is named after its time, and whose readings are counted as rows.
   *
   * @throws {RangeError} If its time can't be read, or its temperature is not a finite number.
   */
  judge({ time: local, fahrenheit: value, run, row }: NewReading): Verdict {
    const time = parseLocalTime(local);
    if (!Number.isFinite(value)) {
      throw new RangeError(
        `Cannot judge a reading: fahrenheit must be a finite number, got ${value}`,
      );
    }
    const alerts: Alert[] = [];
    let opener: string | number;
    if (run === undefined || row === undefined) {
      const newest = this.#window.newest;
      if (newest === undefined || time < newest.time - NEW_COOK_AFTER) {
        alerts.push(...this.#startRun(this.#nameFor(time)));
      }
      // Among readings with rows, one without has none to count: its time tells it apart.
      opener = this.#run?.startsWith(UNNUMBERED) ? ++this.#row : formatLocalTime(time);
    } else {
      if (run !== this.#run) {
        if (this.#priorRuns.includes(run)) return this.#leaveOut("late", true);
        alerts.push(...this.#startRun(run));
      } else if (row <= this.#row) {
        return this.#leaveOut("duplicate");
      }
      opener = this.#row = row;
    }
    const pushed = this.#window.push({ time, value });
    if (pushed !== "added") return this.#leaveOut(pushed === "duplicate" ? "duplicate" : "late");
    return this.#judgeNewest(value, `${opener}`, alerts);
  }

  #leaveOut(verdict: "late" | "duplicate", interleaved = false): Verdict {
    this.counts[verdict === "late" ? "late" : "duplicates"]++;
    return { verdict, change: changeOf(this.#window), alert: null, alerts: [], interleaved };
  }

  #judgeNewest(value: number, opener: string, alerts: Alert[]): Verdict {
    const alert = isTrue(this.#rule, this.#window) ? this.#rule.rule : null;
    this.counts.readings++;
    if (alert === null) {
      alerts.push(...this.#resolve());
    } else {
      this.counts.alertingReadings++;
      alerts.push(...this.#alerting(value, opener));
    }
    const change = changeOf(this.#window);
    return { verdict: "judged", change, alert, alerts, interleaved: false };
  }

  /** Opens an episode, or adds the reading to the open one: only the first is worth an alert. */
  #alerting(value: number, opener: string): Alert[] {
    const { channel, rule } = this.#rule;
    const before = this.#episode;
    this.#ownEpisode = true;
    if (before !== null) {
      const [min, max] = [Math.min(before.min, value), Math.max(before.max, value)];
      this.#episode = { ...before, readings: before.readings + 1, min, max };
      return [];
    }
    const id = `${this.#run}/${channel}/${rule}/${opener}`;
    const { at: opened, ...figures } = figuresOf(this.#window);
    this.#episode = { id, rule, opened, readings: 1, min: value, max: value };
    return [{ id, channel, rule, state: "open", opened, at: opened, ...figures }];
  }

  /** Ends the open episode, if there is one, with the window as it is. */
  #resolve(reason?: "new run"): Alert[] {
    if (this.#episode === null) return [];
    const { id, rule, opened } = this.#episode;
    const figures = figuresOf(this.#window);
    this.#resolved.set(id, summaryOf(this.#episode, figures.at));
    this.#episode = null;
    const { channel } = this.#rule;
    return [{ id, channel, rule, state: "resolved", opened, ...figures, ...reason && { reason } }];
  }

  #startRun(run: string): Alert[] {
    const alerts = this.#resolve("new run");
    if (this.#run !== null) {
      this.#priorRuns = [...this.#priorRuns, this.#run].slice(-MAX_PRIOR_RUNS);
    }
    this.#run = run;
    this.#row = 0;
    this.#window = windowFor(this.#rule);
    return alerts;
  }

  /** Names a run after its first time; the same cook again is `~2`, `~3`, …, so that its alerts are new ones. */
  #nameFor(time: number): string {
    const name = `${UNNUMBERED}${formatLocalTime(time)}`;
    const numbers = [...this.#priorRuns, this.#run ?? ""]
      .filter((run) => run === name || run.startsWith(`${name}~`))
      .map((run) => Number(run.slice(name.length + 1) || 1));
    return numbers.length === 0 ? name : `${name}~${Math.max(...numbers) + 1}`;
  }
}

function summaryOf(episode: OpenEpisode, resolved: string | null): EpisodeSummary {
  const { rule, opened, readings, min, max } = episode;
  return { rule, opened, resolved, readings, min, max };
}
