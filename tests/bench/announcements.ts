/**
 * What scripts announce on the exchange `watch`, heard by the bench: how far a consumer is and when, at no cost
 * to the consumer, which announces anyway.
 */
import { type Connection, watch } from "../../shared/connection.ts";
import { FailedError, unlessAborted } from "../../shared/script.ts";
import { STREAMS } from "../../shared/streams.ts";

/** One announcement. */
export interface Announcement {
  readonly key: string;
  /** When it was made, in milliseconds since 1970; of an alert the recorded time. */
  readonly at: number;
  /** Of a presence: `false` is the last thing that a script announces. */
  readonly here?: boolean;
  readonly totals: Readonly<Record<string, number>>;
}

/** The last announcement of a script that has ended may be so long on its way, in milliseconds. */
const PATIENCE_MS = 5000;

/** Hears announcements. `using` ends that. */
export class Announcements implements Disposable {
  readonly #ended = new AbortController();
  #heard: Announcement[] = [];
  #wake = () => {};

  /** Begins to hear what is announced on a connection's virtual host. */
  static async open(connection: Connection): Promise<Announcements> {
    const announcements = new Announcements();
    const ready = Promise.withResolvers<void>();
    watch(connection, {
      streams: STREAMS.map(({ name }) => name),
      onAnnouncement: (key, body) => announcements.#hear({ ...body as Announcement, key }),
      onReady: ready.resolve,
      signal: announcements.#ended.signal,
    }).catch(ready.reject);
    await ready.promise;
    return announcements;
  }

  /**
   * Waits for the last announcement of a consumer that has ended.
   *
   * @returns All that was heard since the last call.
   * @throws {FailedError} If it doesn't come.
   */
  async whole(): Promise<Announcement[]> {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    while (this.#heard.at(-1)?.here !== false) {
      if (patience.aborted) throw new FailedError("A consumer's last announcement wasn't heard");
      await unlessAborted(new Promise<void>((resolve) => this.#wake = resolve), patience);
    }
    return this.#heard.splice(0);
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
  }

  #hear(announcement: Announcement): void {
    this.#heard.push(announcement);
    this.#wake();
  }
}

/** How fast a total grew from one announcement to another, per second. */
export function rateOf(
  total: string,
  first: Announcement | undefined,
  last: Announcement | undefined,
): number {
  if (!first || !last) {
    throw new FailedError(`Too little was announced to tell how fast ${total} grew`);
  }
  const grown = (last.totals[total] ?? NaN) - (first.totals[total] ?? NaN);
  return grown / (last.at - first.at) * 1000;
}
