/** The counts of a replay, and the row at which to go on. Pure. */

/** A row of a run. */
export interface Place {
  readonly run: string;
  readonly row: number;
}

interface OpenRow {
  readonly place: Place;
  unconfirmed: number;
}

export class Tally {
  /** Data rows taken from the file, malformed ones included. */
  rows = 0;
  /** Messages handed to the broker, each counted once however often it was sent. */
  published = 0;
  confirmed = 0;
  /** Malformed rows. */
  rejected = 0;
  /** Messages that came back or were never confirmed. */
  failed = 0;
  /** Rows whose messages aren't all confirmed, in order. */
  readonly #open = new Map<number, OpenRow>();
  #sequence = 0;
  #firstFailed: { readonly sequence: number; readonly place: Place } | undefined;
  readonly #start: Place;
  #last: Place | undefined;

  /** @param start The first row that could be replayed. */
  constructor(start: Place) {
    this.#start = start;
  }

  /**
   * Takes a row that makes so many messages.
   *
   * @param awaited Whether their confirms will come; in a dry run they don't.
   * @returns The row's key for {@link settle}.
   */
  take(place: Place, messages: number, awaited = true): number {
    const key = this.#sequence++;
    this.rows++;
    this.published += messages;
    this.#last = place;
    if (messages > 0 && awaited) this.#open.set(key, { place, unconfirmed: messages });
    return key;
  }

  /** Counts a row that could not be read. */
  reject(place: Place): void {
    this.take(place, 0);
    this.rejected++;
  }

  /** Ends one message of a row. Returns whether that makes the row fully confirmed. */
  settle(key: number, confirmed: boolean): boolean {
    const row = this.#open.get(key);
    if (!confirmed) {
      this.failed++;
      if (row && !(this.#firstFailed && this.#firstFailed.sequence < key)) {
        this.#firstFailed = { sequence: key, place: row.place };
      }
      this.#open.delete(key);
      return false;
    }
    this.confirmed++;
    // A row of which another message failed is not open any more.
    if (!row || --row.unconfirmed > 0) return false;
    return this.#open.delete(key);
  }

  /** The first row that isn't fully confirmed, or the one after the last. */
  get next(): Place {
    const [first] = this.#open;
    const failed = this.#firstFailed;
    if (first && !(failed && failed.sequence < first[0])) return first[1].place;
    if (failed) return failed.place;
    return this.#last ? { run: this.#last.run, row: this.#last.row + 1 } : this.#start;
  }
}
