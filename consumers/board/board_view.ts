/**
 * All that the board shows, kept for half an hour. Whatever changes it raises its revision, so that a tab can be
 * sent what has changed since it was last sent something, or everything.
 */
import { type AnyStream, presenceOf } from "../../shared/streams.ts";
import { Declaration } from "./announcements.ts";
import { Growth } from "./counts.ts";
import { DeadLetters } from "./dead_letters.ts";
import { StreamView } from "./stream_view.ts";

/** How long the board remembers, in milliseconds. */
export const HISTORY_MS = 30 * 60_000;

/** Streams shown that the board isn't given, the first that it hears of. */
const MAX_UNKNOWN = 20;

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
  readonly #broker: string;
  #revision = 1;
  #away: { value: number | null; revision: number } = { value: null, revision: 1 };
  #queues: { value: readonly QueueState[]; revision: number } = { value: [], revision: 1 };
  readonly #processes = new Growth();
  readonly #letters = new DeadLetters();
  readonly #streams = new Map<string, StreamView>();
  readonly #unknown = new Set<string>();
  /** Whether a stream was left out because there are too many. */
  #full = false;

  /**
   * @param streams Shown in this order, also when nothing is heard of them.
   * @param broker Which one is watched, for people.
   */
  constructor(streams: readonly AnyStream[], broker = "") {
    this.#broker = broker;
    for (const stream of streams) {
      const view = this.#add(Declaration.parse(presenceOf(stream)), true);
      const [first, ...others] = Object.values(stream.queues);
      const all = stream.panel.kind === "work" ? [first] : [first, ...others];
      for (const queue of all) if (queue) view.queues.add(queue.name);
    }
  }

  get revision(): number {
    return this.#revision;
  }

  /** The queues of all streams, also those that only their consumers say. */
  get queueNames(): string[] {
    return [...this.#streams.values()].flatMap(({ queues }) => [...queues]);
  }

  /**
   * Takes an announcement; whether it comes from a process not heard of before.
   *
   * @param key `<stream>.<what>`; a stream's name can have dots.
   */
  hear(key: string, body: unknown, now = Date.now()): boolean {
    this.heard++;
    const end = key.lastIndexOf(".");
    this.#streams.get(key.slice(0, end))?.hear(key.slice(end + 1), body, now, ++this.#revision);
    const { instance } = Object(body);
    return typeof instance === "string" && this.#processes.take(instance, 0) === undefined;
  }

  /** Takes the presence of a stream that isn't shown; whether it is from now on. */
  meet(name: string, body: unknown): boolean {
    const { success, data } = Declaration.safeParse(body);
    if (!success || data.stream !== name || this.#streams.has(name)) return false;
    if (this.#unknown.size >= MAX_UNKNOWN) {
      if (!this.#full) this.#revision++;
      this.#full = true;
      return false;
    }
    this.#unknown.add(name);
    this.#add(data, false);
    return true;
  }

  /**
   * Takes what was seen of the queues.
   *
   * @param at When the look began, in ms since 1970.
   */
  looked(queues: readonly QueueState[], at = Date.now()): void {
    const next = this.#revision + 1;
    const states = new Map(queues.map((state) => [state.queue, state]));
    const changed = [...this.#streams.values()].map((stream) => {
      const counts = [...stream.queues].flatMap((queue) => states.get(queue)?.ready ?? []);
      const ready = counts.reduce((sum, count) => sum + count, 0);
      return counts.length > 0 && stream.looked(ready, at, next);
    });
    for (const { queue, dead } of queues) {
      if (!dead) changed.push(this.#letters.none(queue, at, next));
    }
    if (JSON.stringify(queues) !== JSON.stringify(this.#queues.value)) {
      this.#queues = { value: queues, revision: next };
      changed.push(true);
    }
    if (changed.includes(true)) this.#revision = next;
  }

  /** @param since When the broker was lost, in ms since 1970; `null` while it is there. */
  setAway(since: number | null, now = Date.now()): void {
    if (since === this.#away.value) return;
    this.#away = { value: since, revision: ++this.#revision };
    for (const stream of this.#streams.values()) stream.setAway(since !== null, now);
  }

  /** Notices who is gone, and forgets what is too old. */
  tidy(now = Date.now()): void {
    const before = now - HISTORY_MS;
    const next = this.#revision + 1;
    const changed = [...this.#streams.values()].map((stream) => stream.tidy(now, before, next));
    if (changed.includes(true)) this.#revision = next;
  }

  /**
   * What has changed after a revision, 0 for everything; what hasn't is left out.
   *
   * Lanes' seconds and keys' points are only those that changed, to be merged by their time; all else is whole.
   */
  since(revision: number, now = Date.now()) {
    const changed = <T>({ value, revision: at }: { value: T; revision: number }) =>
      at > revision ? value : undefined;
    return {
      all: revision === 0,
      now,
      broker: revision === 0 ? this.#broker : undefined,
      away: changed(this.#away),
      full: this.#full,
      queues: changed(this.#queues),
      letters: this.#letters.since(revision),
      streams: [...this.#streams.values()].flatMap((stream) => stream.since(revision, now) ?? []),
    };
  }

  #add(declaration: Declaration, known: boolean): StreamView {
    const revision = ++this.#revision;
    const view = new StreamView(declaration, { letters: this.#letters, revision, known });
    this.#streams.set(declaration.stream, view);
    return view;
  }
}
