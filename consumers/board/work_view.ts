/** The board's picture of a work stream: what came in, who handled it, how long it waited. */
import type { z } from "zod";
import { PRESENCE_MS } from "../../shared/watch.ts";
import { Dead, Handled, Produced, WorkerPresence } from "./announcements.ts";
import { Growth, percentile, Seconds } from "./counts.ts";

/** A worker that says nothing for so long is gone, in milliseconds. */
const GONE_MS = 2.5 * PRESENCE_MS;

/** Lanes kept, and workers whose totals are; those gone longest go first. */
const MAX_LANES = 200;
const MAX_WORKERS = 1000;
const MAX_ITEMS = 30;
const MAX_WAITS = 1000;

/** Bars of what happened, second by second: one lane for what comes in, one for each worker. */
class Lane {
  here = true;
  /** When it was last heard of, in ms since 1970. */
  heard = 0;
  readonly seconds = new Seconds();

  constructor(readonly name: string) {}
}

/** A ticket or task on its way. */
interface Item {
  readonly id: string;
  /** When the board heard of it first, in ms since 1970. */
  readonly at: number;
  /** When it was published, in ms since 1970; `undefined` if nobody has said. */
  came: number | undefined;
  readonly text: string;
  readonly category: string | undefined;
  worker?: string;
  waitMs?: number | undefined;
  redelivered?: boolean;
  dead?: string;
}

export class WorkView {
  readonly #in = new Lane("in");
  readonly #lanes = new Map<string, Lane>();
  readonly #growth = new Growth();
  /** By lane, also of workers that have been gone for long. */
  readonly #totals = new Map<string, number>();
  #handled = 0;
  readonly #categories = new Map<string, number>();
  readonly #items = new Map<string, Item>();
  #waits: { at: number; ms: number }[] = [];
  #sampledAt = 0;
  #revision = 0;

  produced(body: unknown, now: number, revision: number): void {
    const { success, data } = Produced.safeParse(body);
    if (!success) return;
    this.#revision = revision;
    const { instance, run, row, item, totals } = data;
    this.#count(this.#in, { instance, total: totals.confirmed, atLeast: 1 }, now, revision);
    this.#item(`${run}/${row}`, now, {
      came: now,
      text: typeof item === "string" ? item : item.name,
      category: typeof item === "string" ? undefined : item.category,
    });
  }

  handled(body: unknown, now: number, revision: number): void {
    const { success, data } = Handled.safeParse(body);
    if (!success) return;
    this.#revision = revision;
    const { worker, instance, name, text, category, redelivered, waitMs, totals } = data;
    const lane = this.#lane(worker, now);
    this.#handled += this.#count(
      lane,
      { instance, total: totals.handled, atLeast: 1 },
      now,
      revision,
    );
    this.#countCategories(instance, totals);
    const id = data.id ?? `${instance}/${totals.handled}`;
    const item = this.#item(id, now, { came: data.publishedAt, text: text ?? name, category });
    Object.assign(item, { worker, waitMs, redelivered });
    if (waitMs !== undefined) this.#waits.push({ at: now, ms: waitMs });
    if (this.#waits.length > MAX_WAITS) this.#waits.shift();
  }

  dead(body: unknown, now: number, revision: number): void {
    const { success, data } = Dead.safeParse(body);
    if (!success) return;
    this.#revision = revision;
    const id = data.id ?? `${data.instance}/${revision}`;
    const item = this.#item(id, now, { came: undefined, text: "", category: undefined });
    item.dead = data.reason;
  }

  /** @param handles What a worker of this stream announces; others that are present are no workers. */
  present(body: unknown, handles: string, now: number, revision: number): void {
    const { success, data } = WorkerPresence.safeParse(body);
    if (!success || data.handles !== handles) return;
    this.#revision = revision;
    const { name, instance, here, totals } = data;
    const lane = this.#lane(name, now);
    lane.here = here;
    const total = totals.handled;
    this.#handled += this.#count(lane, { instance, total, atLeast: 0 }, now, revision);
    this.#countCategories(instance, totals);
  }

  /** Notices who is gone, and forgets what is older than `before`; whether that shows. */
  tidy(now: number, before: number, revision: number): boolean {
    for (const lane of this.#lanes.values()) {
      if (lane.here && now - lane.heard > GONE_MS) {
        lane.here = false;
        this.#revision = revision;
      }
      if (lane.heard < before) {
        this.#lanes.delete(lane.name);
        this.#revision = revision;
      }
    }
    for (const lane of [this.#in, ...this.#lanes.values()]) {
      lane.seconds.forget(Math.floor(before / 1000));
    }
    for (const [id, { at }] of this.#items) if (at < before) this.#items.delete(id);
    const waits = this.#waits.filter(({ at }) => at >= before);
    if (waits.length < this.#waits.length) this.#revision = revision;
    this.#waits = waits;
    return this.#revision === revision;
  }

  /** What changed after a revision; `undefined` if nothing did. */
  since(revision: number, now: number) {
    if (this.#revision <= revision) return undefined;
    const waits = this.#waits.map(({ ms }) => ms);
    const lane = ({ name, here, seconds }: Lane) => ({
      name,
      total: this.#totals.get(name) ?? 0,
      here,
      seconds: seconds.since(revision),
    });
    return {
      in: lane(this.#in),
      handled: this.#handled,
      lanes: [...this.#lanes.values()].map(lane),
      categories: Object.fromEntries(this.#categories),
      waits: { count: waits.length, median: percentile(waits, 0.5), p95: percentile(waits, 0.95) },
      items: [...this.#items.values()].toReversed(),
      sampled: now - this.#sampledAt < 5000,
    };
  }

  #lane(name: string, now: number): Lane {
    const lane = this.#lanes.get(name) ?? new Lane(name);
    this.#lanes.set(name, lane);
    lane.here = true;
    lane.heard = now;
    if (this.#lanes.size > MAX_LANES) {
      const oldest = [...this.#lanes.values()].toSorted((a, b) =>
        Number(a.here) - Number(b.here) || a.heard - b.heard
      )[0];
      if (oldest) {
        this.#lanes.delete(oldest.name);
      }
    }
    return lane;
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
    const growth = this.#growth.take(`${lane.name}/${instance}`, total);
    const before = this.#totals.get(lane.name) ?? 0;
    this.#totals.delete(lane.name);
    this.#totals.set(lane.name, before + (growth ?? total));
    const [oldest] = this.#totals.keys();
    if (this.#totals.size > MAX_WORKERS && oldest !== undefined) this.#totals.delete(oldest);
    if ((growth ?? 0) > 1) this.#sampledAt = now;
    lane.seconds.add(Math.floor(now / 1000), growth ?? atLeast, revision);
    return growth ?? total;
  }

  #countCategories(instance: string, { categories }: z.infer<typeof Handled>["totals"]): void {
    for (const [letter, total = 0] of Object.entries(categories ?? {})) {
      const growth = this.#growth.take(`${letter} ${instance}`, total) ?? total;
      this.#categories.set(letter, (this.#categories.get(letter) ?? 0) + growth);
    }
  }

  #item(id: string, at: number, about: Pick<Item, "came" | "text" | "category">): Item {
    const item: Item = this.#items.get(id) ?? { id, at, ...about };
    this.#items.set(id, item);
    const [oldest] = this.#items.keys();
    if (this.#items.size > MAX_ITEMS && oldest !== undefined) this.#items.delete(oldest);
    return item;
  }
}
