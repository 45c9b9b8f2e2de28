/**
 * Sliding windows over a stream of samples: the last `n` of them, or those of the last span of recorded
 * time, with their newest, oldest, least, greatest and mean at a cost per sample that doesn't grow with the window.
 *
 * A window keeps its samples in a ring buffer, and beside it two monotonic deques of candidates, one for the
 * minimum and one for the maximum: a sample that is older than another and strictly worse can never be the
 * extreme again and is dropped at once, so the front candidate is the extreme. Every sample enters and leaves
 * the ring and each deque at most once: O(1) amortised a sample, O(1) to read any of the four. (A single
 * `push()` after a long gap drops many samples, but each only once.)
 */
import { ExactSum } from "./deque/exact_sum.ts";

/** What a window holds. It is kept as given, never copied: don't change it afterwards. */
export interface Sample {
  /** Recorded time, in milliseconds on any one scale. */
  readonly time: number;
  readonly value: number;
}

/** What `push()` did: `late` was put in its place behind the newest, the last two were left out. */
export type Pushed = "added" | "late" | "too late" | "duplicate";

/** A double-ended queue in a ring buffer that doubles when it is full; all operations O(1) amortised. */
class Deque<T> {
  #slots: (T | undefined)[] = new Array(8);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get oldest(): T | undefined {
    return this.#slots[this.#head];
  }

  get newest(): T | undefined {
    return this.#slots[this.#slot(this.#size - 1)];
  }

  pushNewest(item: T): void {
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[this.#slot(this.#size++)] = item;
  }

  popNewest(): T | undefined {
    const item = this.newest;
    if (this.#size > 0) this.#slots[this.#slot(--this.#size)] = undefined;
    return item;
  }

  popOldest(): T | undefined {
    const item = this.oldest;
    if (this.#size > 0) {
      this.#slots[this.#head] = undefined;
      this.#head = this.#slot(1);
      this.#size--;
    }
    return item;
  }

  *[Symbol.iterator](): Generator<T> {
    for (let i = 0; i < this.#size; i++) yield this.#slots[this.#slot(i)] as T;
  }

  /** The slot of the i-th oldest item; the length is a power of two, so -1 wraps around as well. */
  #slot(i: number): number {
    return (this.#head + i) & (this.#slots.length - 1);
  }

  #grow(): void {
    const items = [...this];
    this.#slots = items.concat(new Array(items.length));
    this.#head = 0;
  }
}

/** Takes the items newer than `time` out of a deque in order of time; the newest comes first. */
function takeNewer<T extends Sample>(deque: Deque<T>, time: number): T[] {
  const taken: T[] = [];
  for (let last = deque.newest; last && last.time > time; last = deque.newest) {
    taken.push(last);
    deque.popNewest();
  }
  return taken;
}

/** Puts back what `takeNewer` took. */
function putBack<T extends Sample>(deque: Deque<T>, taken: T[]): void {
  for (const item of taken.reverse()) deque.pushNewest(item);
}

/** The monotonic deque: its oldest candidate is the minimum (sign 1) or the maximum (sign -1). */
class Extreme<T extends Sample> {
  readonly #candidates = new Deque<T>();
  readonly #sign: 1 | -1;

  constructor(sign: 1 | -1) {
    this.#sign = sign;
  }

  get value(): number | undefined {
    return this.#candidates.oldest?.value;
  }

  /** Equal candidates all stay: when one leaves the window, the others still hold the extreme. */
  add(item: T): void {
    let last = this.#candidates.newest;
    while (last !== undefined && this.#beats(item, last)) {
      this.#candidates.popNewest();
      last = this.#candidates.newest;
    }
    this.#candidates.pushNewest(item);
  }

  /** Adds an item behind the newest, unless a newer candidate beats it already. */
  addLate(item: T): void {
    const newer = takeNewer(this.#candidates, item.time);
    const next = newer.at(-1);
    if (next === undefined || !this.#beats(next, item)) this.add(item);
    putBack(this.#candidates, newer);
  }

  /** Must be called when the window's oldest item leaves. Equal values mean that it is the front candidate. */
  remove(oldest: T): void {
    if (this.value === oldest.value) this.#candidates.popOldest();
  }

  #beats(a: T, b: T): boolean {
    return this.#sign * a.value < this.#sign * b.value;
  }
}

/** What both kinds of window share: all that is read from them. */
export abstract class SlidingWindow<T extends Sample> {
  readonly #items = new Deque<T>();
  readonly #min = new Extreme<T>(1);
  readonly #max = new Extreme<T>(-1);
  readonly #sum = new ExactSum();

  /**
   * Offers a sample to the window.
   *
   * @throws {RangeError} If its value or its time is not a finite number.
   */
  abstract push(item: T): Pushed;

  get size(): number {
    return this.#items.size;
  }

  /** The sample added last; `undefined` while the window is empty. */
  get newest(): T | undefined {
    return this.#items.newest;
  }

  get oldest(): T | undefined {
    return this.#items.oldest;
  }

  /** The least value in the window; `undefined` while it is empty. */
  get min(): number | undefined {
    return this.#min.value;
  }

  /** The greatest value in the window; `undefined` while it is empty. */
  get max(): number | undefined {
    return this.#max.value;
  }

  /** The mean of the values in the window, correctly rounded; `undefined` while it is empty. */
  get mean(): number | undefined {
    return this.size === 0 ? undefined : this.#sum.value / this.size;
  }

  /** All samples, oldest first: pushed into an empty window of the same kind they restore this one. O(size). */
  items(): T[] {
    return [...this.#items];
  }

  protected append(item: T): void {
    this.#items.pushNewest(item);
    this.#min.add(item);
    this.#max.add(item);
    this.#sum.add(item.value);
  }

  /** Puts an item in its place by time, at the cost of those newer than it; false if its time is taken. */
  protected insert(item: T): boolean {
    const newer = takeNewer(this.#items, item.time);
    const free = this.#items.newest?.time !== item.time;
    if (free) {
      this.#items.pushNewest(item);
      this.#min.addLate(item);
      this.#max.addLate(item);
      this.#sum.add(item.value);
    }
    putBack(this.#items, newer);
    return free;
  }

  protected dropOldest(): void {
    const oldest = this.#items.popOldest();
    if (oldest === undefined) return;
    this.#min.remove(oldest);
    this.#max.remove(oldest);
    this.#sum.add(-oldest.value);
  }
}

/** Keeps the last `count` samples in the order they came; their times don't matter. */
export class CountWindow<T extends Sample> extends SlidingWindow<T> {
  readonly #count: number;

  /**
   * @param count Most samples held, a whole number from 1.
   * @throws {RangeError} If `count` is not a positive whole number.
   */
  constructor(count: number) {
    super();
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new RangeError(
        `Cannot create a count window: count must be a positive whole number, got ${count}`,
      );
    }
    this.#count = count;
  }

  /** Adds a sample, and drops the oldest when there are more than `count`: always `added`. */
  override push(item: T): Pushed {
    checkFinite(item);
    this.append(item);
    if (this.size > this.#count) this.dropOldest();
    return "added";
  }
}

/**
 * Keeps the samples of the last `span` milliseconds of recorded time: with the newest at time t, those with
 * times in [t − span, t], both ends included.
 *
 * Time is that of the samples, never of the clock, so a replay at any speed yields the same windows.
 */
export class TimeWindow<T extends Sample> extends SlidingWindow<T> {
  readonly #span: number;

  /**
   * @param span Length of the window, in milliseconds, above 0.
   * @throws {RangeError} If `span` is not a positive finite number.
   */
  constructor(span: number) {
    super();
    if (!Number.isFinite(span) || span <= 0) {
      throw new RangeError(
        `Cannot create a time window: span must be a positive finite number of milliseconds, got ${span}`,
      );
    }
    this.#span = span;
  }

  /**
   * Adds a sample. One behind the newest is put in its place if it is at most a span old, which costs
   * O(samples newer than it): the usual straggler is cheap, the worst is the size of the window. An older one
   * is left out, and so is one whose time the window holds already: the first counts.
   */
  override push(item: T): Pushed {
    checkFinite(item);
    const newest = this.newest?.time ?? -Infinity;
    if (item.time < newest - this.#span) return "too late";
    if (item.time <= newest) return this.insert(item) ? "late" : "duplicate";
    this.append(item);
    // The item just added is never dropped: it is not older than itself.
    while ((this.oldest?.time ?? Infinity) < item.time - this.#span) this.dropOldest();
    return "added";
  }
}

/** One NaN would make every comparison false and leave the window wrong for good. */
function checkFinite({ time, value }: Sample): void {
  if (!Number.isFinite(value)) {
    throw new RangeError(`Cannot add a sample: value must be a finite number, got ${value}`);
  }
  if (!Number.isFinite(time)) {
    throw new RangeError(`Cannot add a sample: time must be a finite number, got ${time}`);
  }
}
