/** Alerts that waited before the notifier was started: it says how many, and leaves out those that are too old. */
import type { Connection, Queue } from "../connection.ts";
import { counted, type Output } from "../script.ts";
import { formatLocalTime, lengthText, localNow } from "../streams.ts";
import type { Notice } from "./notices.ts";

export class Backlog {
  /** Notices that were left out. */
  skipped = 0;
  readonly #started = Date.now();
  readonly #notBefore: number;
  readonly #out: Output;
  #waiting: number;

  private constructor(waiting: number, notBefore: number, out: Output) {
    this.#waiting = waiting;
    this.#notBefore = notBefore;
    this.#out = out;
  }

  /**
   * @param alerts The queue of the alerts.
   * @param notices The queues of their notices: an alert may wait in each.
   * @param options `notBefore`: notices of alerts published before are left out, in ms since 1970; `undefined` leaves
   * out none.
   */
  static async count(
    connection: Connection,
    alerts: Queue,
    notices: readonly Queue[],
    { notBefore = -Infinity, out }: { notBefore: number | undefined; out: Output },
  ): Promise<Backlog> {
    const ready = async ({ queue }: Queue) => (await connection.inspect(queue))?.ready ?? 0;
    const waiting = await ready(alerts) + Math.max(0, ...await Promise.all(notices.map(ready)));
    return new Backlog(waiting, notBefore, out);
  }

  /** Whether a notice is left out. Says before the first one how many wait, and how old that one is. */
  skips({ publishedAt }: Notice): boolean {
    // Another notifier may have sent those that waited.
    if (this.#waiting > 0 && publishedAt < this.#started) this.#say(publishedAt);
    this.#waiting = 0;
    const skips = publishedAt < this.#notBefore;
    if (skips) this.skipped++;
    return skips;
  }

  #say(publishedAt: number): void {
    const age = lengthText(Math.round((Date.now() - publishedAt) / 1000));
    const wait = this.#waiting === 1 ? "waits" : "wait";
    const next = this.#notBefore === -Infinity
      ? "sending them; --skip-waiting leaves them out, --since 1h the older ones"
      : `leaving out those of before ${
        formatLocalTime(localNow(new Date(this.#notBefore))).replace("T", " ")
      }`;
    this.#out.aside(
      `${counted(this.#waiting, "alert")} ${wait}, the first was published ${age} ago: ${next}`,
    );
  }
}
