/** Which readings of a key are new: its runs, and the rows taken of the current one. */
import { formatLocalTime } from "../streams.ts";

/** How many of the runs before the current one are remembered. */
const MAX_PRIOR_RUNS = 100;

/** Without a run's name, a time this far behind the newest means a new run, in milliseconds. */
const NEW_RUN_AFTER = 3_600_000;

/** Begins the names of runs whose readings came without a `message_id`; no producer names a run like this. */
const UNNUMBERED = "unnumbered@";

/** What is saved of it. */
export interface SavedRuns {
  readonly run: string;
  /** The highest row taken of the run; of an unnumbered run, how many readings were taken. */
  readonly row: number;
  /** Oldest first, at most 100. */
  readonly priorRuns: readonly string[];
}

/** Where a reading comes from: both from its `message_id`, or neither. */
export interface Origin {
  readonly run?: string | undefined;
  readonly row?: number | undefined;
}

export class RunLedger {
  /** The current run; `null` before the first reading. */
  run: string | null = null;
  /** Tells the reading taken last apart from all others of its run: its row, or its time. */
  last: string | number = 0;
  #row = 0;
  #priorRuns: readonly string[] = [];

  constructor(saved: SavedRuns | null = null) {
    if (saved === null) return;
    this.run = saved.run;
    this.#row = saved.row;
    this.#priorRuns = [...saved.priorRuns];
  }

  /** What the runs of several keys have in common: those without a name are one. */
  get name(): string | null {
    return this.run?.startsWith(UNNUMBERED) ? UNNUMBERED : this.run;
  }

  save(): SavedRuns | null {
    if (this.run === null) return null;
    return { run: this.run, row: this.#row, priorRuns: [...this.#priorRuns] };
  }

  /**
   * Takes the next reading.
   *
   * A run that is neither the current one nor remembered begins. A reading of a remembered run is late. A row not above
   * the run's highest is a duplicate. A reading without run and row belongs to the current run, unless its time is more
   * than an hour behind the newest: then it begins a run that is named after its time, and whose readings are counted
   * as rows.
   *
   * @param time Of the reading; `newest` is the latest so far, `undefined` at the beginning of a run.
   */
  take(
    { run, row }: Origin,
    time: number,
    newest: number | undefined,
  ): "next" | "new run" | "late" | "duplicate" {
    let taken: "next" | "new run" = "next";
    if (run === undefined || row === undefined) {
      if (newest === undefined || time < newest - NEW_RUN_AFTER) {
        this.#begin(this.#nameFor(time));
        taken = "new run";
      }
      // Among readings with rows, one without has none to count: its time tells it apart.
      this.last = this.run?.startsWith(UNNUMBERED) ? ++this.#row : formatLocalTime(time);
      return taken;
    }
    if (run !== this.run) {
      if (this.#priorRuns.includes(run)) return "late";
      this.#begin(run);
      taken = "new run";
    } else if (row <= this.#row) {
      return "duplicate";
    }
    this.last = this.#row = row;
    return taken;
  }

  #begin(run: string): void {
    if (this.run !== null) {
      this.#priorRuns = [...this.#priorRuns, this.run].slice(-MAX_PRIOR_RUNS);
    }
    this.run = run;
    this.#row = 0;
  }

  /** Names a run after its first time; the same again is `~2`, `~3`, …, so that its alerts are new ones. */
  #nameFor(time: number): string {
    const name = `${UNNUMBERED}${formatLocalTime(time)}`;
    const numbers = [...this.#priorRuns, this.run ?? ""]
      .filter((run) => run === name || run.startsWith(`${name}~`))
      .map((run) => Number(run.slice(name.length + 1) || 1));
    return numbers.length === 0 ? name : `${name}~${Math.max(...numbers) + 1}`;
  }
}
