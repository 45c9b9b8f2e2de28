/** Remembers the latest ids, so that what is delivered twice is handled once. */
export class RecentIds {
  readonly #limit: number;
  /** In the order of adding. */
  readonly #ids = new Set<string>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Adds an id; beyond the limit the oldest is forgotten. */
  add(id: string): void {
    this.#ids.add(id);
    if (this.#ids.size <= this.#limit) return;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      break;
    }
  }
}
