/** One stream on the board: how it is shown, and what is known of it. */
import { Dead, type Declaration, Presence, Published } from "./announcements.ts";
import type { DeadLetters } from "./dead_letters.ts";
import { SeriesView } from "./series_view.ts";
import { WorkView } from "./work_view.ts";

type News = readonly [body: unknown, now: number, revision: number];

/** Queues of a stream, those that are announced included. */
const MAX_QUEUES = 10;

export class StreamView {
  readonly declaration: Declaration;
  /** The queues whose messages are its work: the usual one, and those that its consumers say. */
  readonly queues = new Set<string>();
  readonly #letters: DeadLetters;
  readonly #work = new WorkView();
  readonly #series: SeriesView;
  /** Since when it is known. */
  readonly #revision: number;
  readonly #hears: ReadonlyMap<string, (...news: News) => void> = new Map([
    ["published", (...news: News) => this.#published(...news)],
    ["taken", (...news: News) => this.#work.taken(...news)],
    ["handled", (...news: News) => this.#work.handled(...news)],
    ["dead", (...news: News) => this.#dead(...news)],
    ["presence", (...news: News) => this.#present(...news)],
    ["judged", (...news: News) => this.#series.judged(...news)],
    ["alert", (...news: News) => this.#series.alert(...news)],
  ]);

  /** Whether the board was given it: it has tasks of its name. */
  readonly #known: boolean;

  constructor(
    declaration: Declaration,
    { letters, revision, known }: { letters: DeadLetters; revision: number; known: boolean },
  ) {
    this.declaration = declaration;
    this.#letters = letters;
    this.#revision = revision;
    this.#known = known;
    const { panel } = declaration;
    this.#series = new SeriesView(panel.kind === "series" ? panel.quantities.length : 0);
  }

  /** @param what Which announcement of the stream: `published`. */
  hear(what: string, ...news: News): void {
    this.#hears.get(what)?.(...news);
  }

  /** So many messages are ready in its queues; whether that shows. */
  looked(ready: number, at: number, revision: number): boolean {
    return this.#work.looked(ready, at, revision);
  }

  setAway(away: boolean, now: number): void {
    this.#work.setAway(away, now);
  }

  /** Notices who is gone, and forgets what is older than `before`; whether that shows. */
  tidy(now: number, before: number, revision: number): boolean {
    const worked = this.#work.tidy(now, before, revision);
    return this.#series.tidy(before, revision) || worked;
  }

  /** What changed after a revision; `undefined` if nothing did. */
  since(revision: number, now: number) {
    const work = this.#work.since(revision, now);
    const series = this.#series.since(revision);
    if (!work && !series && this.#revision <= revision) return undefined;
    const { stream: name, title, panel } = this.declaration;
    return { name, title, panel, known: this.#known, queues: [...this.queues], work, series };
  }

  #published(...[body, now, revision]: News): void {
    const { success, data } = Published.safeParse(body);
    if (!success) return;
    this.#work.published(data, now, revision);
    this.#series.published(data, now, revision);
  }

  #dead(...[body, now, revision]: News): void {
    const { success, data } = Dead.safeParse(body);
    if (!success) return;
    this.#letters.add(data, now, revision);
    this.#work.dead(data, now, revision);
  }

  #present(...news: News): void {
    const { success, data } = Presence.safeParse(news[0]);
    if (!success) return;
    for (const queue of data.queues) if (this.queues.size < MAX_QUEUES) this.queues.add(queue);
    this.#work.present(...news);
    this.#series.present(...news);
  }
}
