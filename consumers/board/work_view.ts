/**
 * The board's picture of work: what came in, what waits, who has what in hand, what was handled and how long it waited.
 */
import type { z } from "zod";
import { PRESENCE_MS } from "../../shared/connection.ts";
import { Dead, Handled, Published, Taken, WorkerPresence } from "./announcements.ts";
import { Growth, percentile, Seconds } from "./counts.ts";

/** A worker that says nothing for so long is gone, in milliseconds. */
export const GONE_MS = 2.5 * PRESENCE_MS;

/** After the broker was away, workers are given so long to be heard of again, in milliseconds. */
const BACK_MS = 15_000;

/** Lanes kept, and workers whose totals are; those gone longest go first. */
const MAX_LANES = 200;
const MAX_WORKERS = 1000;
const MAX_DONE = 30;
const MAX_WAITS = 1000;
const MAX_GROUPS = 50;
/** Processes that go by the name of one worker. */
const MAX_INSTANCES = 10;

/** Items known to wait: the oldest, which are next. */
const MAX_WAITING = 500;
/** Those of them that are shown. */
const NEXT = 5;

/** An announcement may come so long after the queue was looked at, though the item was there, in milliseconds. */
const NEWS_MS = 1000;

/** An item as it is announced. */
interface Shown {
  readonly id: string;
  readonly text: string;
  readonly group: string | undefined;
}

/** An item that waits. */
interface Waiting extends Shown {
  /** When the board heard of it, in ms since 1970. */
  readonly since: number;
}

/** An item in a worker's hands. */
interface InHand extends Shown {
  /** In ms since 1970. */
  readonly since: number;
  readonly redelivered: boolean;
}

/** An item that is done with: handled, or a dead letter. */
interface Done extends Shown {
  /** When the board heard of that, in ms since 1970. */
  readonly at: number;
  readonly worker: string;
  readonly waitMs?: number | undefined;
  readonly redelivered?: boolean;
  readonly dead?: string;
}

/** A process that works. */
interface Process {
  /** When it was last heard of, in ms since 1970. */
  heard: number;
  inHand: InHand | undefined;
}

/** Bars of what happened, second by second: one lane for what comes in, one for each worker. */
class Lane {
  /** When it was last heard of, in ms since 1970. */
  heard = 0;
  readonly seconds = new Seconds();
  /** Those that are there under its name. */
  readonly processes = new Map<string, Process>();

  /** @param key Tells it from those that aren't workers. */
  constructor(readonly name: string, readonly key = `worker ${name}`) {}

  process(instance: string, now: number): Process {
    const process = this.processes.get(instance) ?? { heard: now, inHand: undefined };
    process.heard = now;
    this.processes.set(instance, process);
    const [oldest] = this.processes.keys();
    if (this.processes.size > MAX_INSTANCES && oldest !== undefined) this.processes.delete(oldest);
    return process;
  }
}

export class WorkView {
  readonly #in = new Lane("came in", "in");
  readonly #others = new Lane("other programs", "others");
  readonly #lanes = new Map<string, Lane>();
  readonly #growth = new Growth();
  /** By lane's key, also of workers that have been gone for long. */
  readonly #totals = new Map<string, number>();
  #handled = 0;
  #dead = 0;
  readonly #groups = new Map<string, number>();
  readonly #waiting = new Map<string, Waiting>();
  /** Latest first. */
  #done: Done[] = [];
  #waits: { at: number; ms: number }[] = [];
  #sampledAt = 0;
  #away = false;
  #revision = 0;

  published(
    { instance, run, row, ...item }: z.infer<typeof Published>,
    now: number,
    revision: number,
  ) {
    this.#revision = revision;
    this.#count(this.#in, { instance, total: item.totals.confirmed, atLeast: 1 }, now, revision);
    if (item.text === undefined || this.#waiting.size >= MAX_WAITING) return;
    const { named = row, part } = item;
    const id = part === undefined ? `${run}/${named}` : `${run}/${named}/${part}`;
    this.#waiting.set(id, { id, text: item.text, group: item.group, since: now });
  }

  taken(body: unknown, now: number, revision: number): void {
    const { success, data } = Taken.safeParse(body);
    if (!success) return;
    this.#revision = revision;
    const { worker, instance, text, group, redelivered } = data;
    const id = data.id ?? "";
    this.#waiting.delete(id);
    const inHand = { id, text, group, redelivered, since: now };
    this.#lane(worker, now).process(instance, now).inHand = inHand;
  }

  handled(body: unknown, now: number, revision: number): void {
    const { success, data } = Handled.safeParse(body);
    if (!success) return;
    this.#revision = revision;
    const { worker, instance, text, group, redelivered, waitMs, totals } = data;
    const lane = this.#lane(worker, now);
    this.#countWorker(lane, { instance, totals, atLeast: 1 }, now, revision);
    const id = data.id ?? "";
    this.#takenAway(lane.process(instance, now), id);
    this.#waiting.delete(id);
    this.#end({ id, at: now, text, group, worker, waitMs, redelivered });
    if (waitMs !== undefined) this.#waits.push({ at: now, ms: waitMs });
    if (this.#waits.length > MAX_WAITS) this.#waits.shift();
  }

  dead(data: z.infer<typeof Dead>, now: number, revision: number): void {
    this.#revision = revision;
    const { instance, name, reason, body } = data;
    const id = data.id ?? "";
    const process = this.#lanes.get(name)?.processes.get(instance);
    const held = process?.inHand?.id === id ? process.inHand : this.#waiting.get(id);
    if (process) this.#takenAway(process, id);
    this.#waiting.delete(id);
    const { text = body ?? "", group } = held ?? {};
    this.#end({ id, at: now, text, group, worker: name, dead: reason });
  }

  present(body: unknown, now: number, revision: number): void {
    const { success, data } = WorkerPresence.safeParse(body);
    if (!success) return;
    this.#revision = revision;
    const { name, instance, here, totals, inHand } = data;
    const lane = this.#lane(name, now);
    this.#countWorker(lane, { instance, totals, atLeast: 0 }, now, revision);
    if (!here) return void lane.processes.delete(instance);
    const process = lane.process(instance, now);
    if (inHand === undefined) return;
    const id = inHand?.id ?? "";
    // When it was taken is known better from the announcement of that.
    const since = process.inHand?.id === id ? process.inHand.since : undefined;
    this.#waiting.delete(id);
    if (!inHand) return void (process.inHand = undefined);
    const { text, group, redelivered, forMs } = inHand;
    process.inHand = { id, text, group, redelivered, since: since ?? now - forMs };
  }

  /**
   * Its queue was looked at: of the items that are known to wait only so many still can; whether that shows.
   *
   * @param at When, in ms since 1970.
   */
  looked(ready: number, at: number, revision: number): boolean {
    const before = [...this.#waiting.values()].filter(({ since }) => since < at - NEWS_MS);
    const gone = before.slice(0, Math.max(0, before.length - ready));
    for (const { id } of gone) this.#waiting.delete(id);
    if (gone.length > 0) this.#revision = revision;
    return gone.length > 0;
  }

  /** The broker was lost, or is back: nobody is gone because nothing is heard of him. */
  setAway(away: boolean, now: number): void {
    this.#away = away;
    const heard = now + BACK_MS - GONE_MS;
    for (const { processes } of this.#lanes.values()) {
      for (const process of processes.values()) process.heard = heard;
    }
  }

  /** Notices who is gone, and forgets what is older than `before`; whether that shows. */
  tidy(now: number, before: number, revision: number): boolean {
    if (this.#away) return false;
    for (const lane of this.#lanes.values()) {
      for (const [instance, { heard }] of lane.processes) {
        if (now - heard <= GONE_MS) continue;
        lane.processes.delete(instance);
        this.#revision = revision;
      }
      if (lane.heard < before) {
        this.#lanes.delete(lane.name);
        this.#revision = revision;
      }
    }
    for (const lane of [this.#in, this.#others, ...this.#lanes.values()]) {
      lane.seconds.forget(Math.floor(before / 1000));
    }
    for (const [id, { since }] of this.#waiting) if (since < before) this.#waiting.delete(id);
    const done = this.#done.filter(({ at }) => at >= before);
    const waits = this.#waits.filter(({ at }) => at >= before);
    if (waits.length < this.#waits.length || done.length < this.#done.length) {
      this.#revision = revision;
    }
    this.#done = done;
    this.#waits = waits;
    return this.#revision === revision;
  }

  /** What changed after a revision; `undefined` if nothing did. */
  since(revision: number, now: number) {
    if (this.#revision <= revision) return undefined;
    const waits = this.#waits.map(({ ms }) => ms);
    const total = ({ key }: Lane) => this.#totals.get(key) ?? 0;
    const lane = (lane: Lane) => ({
      name: lane.name,
      total: total(lane),
      here: lane.processes.size > 0,
      inHand: [...lane.processes.values()].flatMap(({ inHand }) => inHand ?? []),
      seconds: lane.seconds.since(revision),
    });
    // What came before the board was there was announced to nobody.
    const announced = total(this.#in) + total(this.#others);
    return {
      came: Math.max(announced, this.#handled + this.#dead),
      in: lane(this.#in),
      others: lane(this.#others),
      handled: this.#handled,
      lanes: [...this.#lanes.values()].map(lane),
      groups: [...this.#groups],
      waits: { count: waits.length, median: percentile(waits, 0.5), p95: percentile(waits, 0.95) },
      next: [...this.#waiting.values()].slice(0, NEXT),
      done: this.#done,
      sampled: now - this.#sampledAt < 5000,
    };
  }

  #lane(name: string, now: number): Lane {
    const lane = this.#lanes.get(name) ?? new Lane(name);
    this.#lanes.set(name, lane);
    lane.heard = now;
    if (this.#lanes.size > MAX_LANES) {
      const isHere = (lane: Lane) => Number(lane.processes.size > 0);
      const oldest = [...this.#lanes.values()].filter((other) => other !== lane)
        .toSorted((a, b) => isHere(a) - isHere(b) || a.heard - b.heard)[0];
      if (oldest) this.#lanes.delete(oldest.name);
    }
    return lane;
  }

  /** Adds what a worker's totals have grown by. */
  #countWorker(
    lane: Lane,
    { instance, totals, atLeast }: {
      instance: string;
      totals: z.infer<typeof Handled>["totals"];
      atLeast: number;
    },
    now: number,
    revision: number,
  ): void {
    const { handled, dead, others = 0, groups } = totals;
    this.#handled += this.#count(lane, { instance, total: handled, atLeast }, now, revision);
    this.#dead += this.#growth.take(`dead ${instance}`, dead) ?? dead;
    this.#count(this.#others, { instance, total: others, atLeast: 0 }, now, revision);
    for (const [group, total] of groups) {
      const growth = this.#growth.take(`group ${group} ${instance}`, total) ?? total;
      const before = this.#groups.get(group);
      if (before === undefined && this.#groups.size >= MAX_GROUPS) continue;
      this.#groups.set(group, (before ?? 0) + growth);
    }
  }

  /**
   * Adds what a running total has grown by; `atLeast` is known of an instance not heard of before.
   *
   * @returns What is new in the lane's total.
   */
  #count(
    lane: Lane,
    { instance, total, atLeast }: { instance: string; total: number; atLeast: number },
    now: number,
    revision: number,
  ): number {
    const growth = this.#growth.take(`${lane.key} ${instance}`, total);
    const before = this.#totals.get(lane.key) ?? 0;
    this.#totals.delete(lane.key);
    this.#totals.set(lane.key, before + (growth ?? total));
    const [oldest] = this.#totals.keys();
    if (this.#totals.size > MAX_WORKERS && oldest !== undefined) this.#totals.delete(oldest);
    if ((growth ?? 0) > 1) this.#sampledAt = now;
    lane.seconds.add(Math.floor(now / 1000), growth ?? atLeast, revision);
    return growth ?? total;
  }

  /** A sample may leave out what it has taken since: that stays in its hands. */
  #takenAway(process: Process, id: string): void {
    if (process.inHand?.id === id) process.inHand = undefined;
  }

  #end(done: Done): void {
    this.#done = [done, ...this.#done].slice(0, MAX_DONE);
  }
}
