/** Remembers the latest ids, so that what is delivered twice is handled once. */
export class RecentIds {
  readonly #limit: number;
  readonly #ids = new Set<string>();
  /** The same ids in a ring: the oldest of a Set is found ever more slowly, the more were deleted before it. */
  readonly #ring: string[] = [];
  #next = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Adds an id; beyond the limit the oldest is forgotten. */
  add(id: string): void {
    const { size } = this.#ids;
    if (this.#ids.add(id).size === size) return;
    const oldest = this.#ring[this.#next];
    if (oldest !== undefined) this.#ids.delete(oldest);
    this.#ring[this.#next] = id;
    this.#next = (this.#next + 1) % this.#limit;
  }
}
