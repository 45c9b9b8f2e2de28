/**
 * All that the board shows, kept for half an hour. Whatever changes it raises its revision, so that a tab can be
 * sent what has changed since it was last sent something, or everything.
 */
import { CATEGORIES } from "../../shared/messages.ts";
import { Growth } from "./counts.ts";
import { SmokerView } from "./smoker_view.ts";
import { WorkView } from "./work_view.ts";

/** How long the board remembers, in milliseconds. */
export const HISTORY_MS = 30 * 60_000;

/** A queue and its dead letters; counts are `null` where there is no such queue. */
export interface QueueState {
  readonly queue: string;
  readonly ready: number | null;
  readonly consumers: number | null;
  readonly dead: number | null;
}

export class BoardView {
  /** Announcements taken. */
  heard = 0;
  #revision = 1;
  #away: { value: number | null; revision: number } = { value: null, revision: 1 };
  #queues: { value: readonly QueueState[]; revision: number } = { value: [], revision: 1 };
  readonly #processes = new Growth();
  readonly #helpdesk = new WorkView();
  readonly #tasks = new WorkView();
  readonly #smoker = new SmokerView();
  readonly #views = new Map<string, (body: unknown, now: number, revision: number) => void>([
    ["helpdesk.ticket", (...news) => this.#helpdesk.produced(...news)],
    ["helpdesk.handled", (...news) => this.#helpdesk.handled(...news)],
    ["helpdesk.dead", (...news) => this.#helpdesk.dead(...news)],
    ["helpdesk.presence", (body, ...news) => this.#helpdesk.present(body, "handled", ...news)],
    ["tasks.task", (...news) => this.#tasks.produced(...news)],
    ["tasks.done", (...news) => this.#tasks.handled(...news)],
    ["tasks.dead", (...news) => this.#tasks.dead(...news)],
    ["tasks.presence", (body, ...news) => this.#tasks.present(body, "done", ...news)],
    ["smoker.reading", (...news) => this.#smoker.reading(...news)],
    ["smoker.judged", (...news) => this.#smoker.judged(...news)],
    ["smoker.alert", (...news) => this.#smoker.alert(...news)],
    ["smoker.presence", (...news) => this.#smoker.present(...news)],
  ]);

  get revision(): number {
    return this.#revision;
  }

  /** Takes an announcement; whether it comes from a process not heard of before. */
  hear(key: string, body: unknown, now = Date.now()): boolean {
    this.heard++;
    this.#views.get(key)?.(body, now, ++this.#revision);
    const { instance } = Object(body);
    return typeof instance === "string" && this.#processes.take(instance, 0) === undefined;
  }

  set queues(value: readonly QueueState[]) {
    if (JSON.stringify(value) === JSON.stringify(this.#queues.value)) return;
    this.#queues = { value, revision: ++this.#revision };
  }

  /** @param since When the broker was lost, in ms since 1970; `null` while it is there. */
  set away(since: number | null) {
    if (since !== this.#away.value) this.#away = { value: since, revision: ++this.#revision };
  }

  /** Notices who is gone, and forgets what is too old. */
  tidy(now = Date.now()): void {
    const before = now - HISTORY_MS;
    const next = this.#revision + 1;
    const changed = [
      this.#helpdesk.tidy(now, before, next),
      this.#tasks.tidy(now, before, next),
      this.#smoker.tidy(before, next),
    ];
    if (changed.includes(true)) this.#revision = next;
  }

  /**
   * What has changed after a revision, 0 for everything; what hasn't is left out.
   *
   * Lanes' seconds and channels' points are only those that changed, to be merged by their time; all else is
   * whole.
   */
  since(revision: number, now = Date.now()) {
    const changed = <T>({ value, revision: at }: { value: T; revision: number }) =>
      at > revision ? value : undefined;
    return {
      all: revision === 0,
      now,
      words: revision === 0 ? CATEGORIES : undefined,
      away: changed(this.#away),
      queues: changed(this.#queues),
      helpdesk: this.#helpdesk.since(revision, now),
      tasks: this.#tasks.since(revision, now),
      smoker: this.#smoker.since(revision),
    };
  }
}
