/**
 * Sends the messages of rows and keeps account of them: what was published, confirmed, returned, rejected,
 * and where a stopped replay goes on.
 */
import { type RejectedRow, reportRejected } from "./csv_replay.ts";
import { reasonOf } from "./errors.ts";
import { counted, inert, type Output } from "./output.ts";
import type { Message } from "./connection.ts";
import type { Publisher } from "./publisher.ts";
import type { Stream } from "./replay.ts";
import { type Place, Tally } from "./tally.ts";
import type { Announcer } from "./watch.ts";
import type { Outgoing } from "./messages.ts";

export interface SenderOptions<T> {
  readonly stream: Pick<Stream<T>, "task" | "script" | "key" | "line">;
  readonly out: Output;
  /** The messages of a row. */
  readonly messages: (item: T) => Outgoing[];
  /** Whether the script can go on where it was stopped. @default true */
  readonly resumable?: boolean;
  /** Where the replay begins. */
  readonly start: Place;
  /** Left out in a dry run. */
  readonly publisher?: Publisher | undefined;
  readonly announcer?: Announcer | undefined;
  /** Called when a row is done; `false` when the row needs no line of its own. */
  readonly onRow: (tally: Tally) => boolean;
}

export class Sender<T> {
  readonly tally: Tally;
  /** Why the broker takes nothing more; `undefined` as long as it does. */
  refused: unknown;
  readonly #options: SenderOptions<T>;
  readonly #started = performance.now();

  constructor(options: SenderOptions<T>) {
    this.#options = options;
    this.tally = new Tally(options.start);
  }

  /** Sends all messages of a row; what becomes of them is counted as the broker tells. */
  send(place: Place, item: T): void {
    const { stream, publisher } = this.#options;
    const messages = this.#options.messages(item);
    const key = this.tally.take(place, messages.length, publisher !== undefined);
    for (const outgoing of messages) {
      const message = toMessage(outgoing, place, stream.script);
      if (!publisher) this.#published(place, message);
      else {
        publisher.send(message, (outcome, error) => {
          if (!outcome) this.refused ??= error;
          this.#settle(key, place, item, message, outcome === "confirmed");
        });
      }
    }
    if (!publisher || messages.length === 0) this.#done(place, item);
  }

  /** Reports a malformed row. */
  reject(row: RejectedRow): void {
    this.tally.reject(row);
    reportRejected(this.#options.out, row);
  }

  /** Prints the summary and how to go on. Returns the exit code. */
  finish(stopped: boolean): number {
    const { out, publisher, stream, start, resumable = true } = this.#options;
    const { tally } = this;
    tally.failed += publisher?.unconfirmed ?? 0;
    const { rows, published, confirmed, rejected, failed } = tally;
    const seconds = Math.round(performance.now() - this.#started) / 1000;
    const rowsPerSecond = seconds > 0 ? Math.round(rows / seconds * 10) / 10 : rows;
    const { run, row } = publisher ? tally.next : start;
    const next = { run, nextRow: row };
    if (this.refused !== undefined) out.error(reasonOf(this.refused));
    out.summary(
      {
        event: "summary",
        run: next.run,
        rows,
        published,
        confirmed,
        rejected,
        failed,
        seconds,
        rowsPerSecond,
        nextRow: next.nextRow,
      },
      () =>
        `${counted(rows, "row")} in ${seconds} s (${rowsPerSecond} rows/s): ` +
        `${counted(published, "message")} ` +
        (publisher ? `published, ${confirmed} confirmed` : "made, none sent (dry run)") +
        `, ${counted(rejected, "row")} rejected, ${counted(failed, "message")} failed`,
    );
    if (publisher && resumable && (stopped || failed > 0)) {
      out.note(
        `To go on: deno task ${stream.task} --run ${run} --skip ${row - 1}, and the flags you gave`,
      );
    }
    return failed > 0 || this.refused !== undefined ? 1 : rejected > 0 ? 2 : 0;
  }

  #settle(key: number, row: Place, item: T, message: Message, confirmed: boolean): void {
    const whole = this.tally.settle(key, confirmed);
    if (confirmed) this.#published(row, message);
    else if (this.refused === undefined) this.#returned(row, message);
    if (whole) this.#done(row, item);
  }

  #published({ row }: Place, { queue, body, properties }: Message): void {
    const { out, publisher } = this.#options;
    if (publisher && !out.hearsEvents) return;
    const event = { event: "published", row, queue, id: properties.messageId };
    const text = () => textOf(body);
    if (publisher) return out.event(event, undefined, () => ({ body: text() }));
    // A dry run is there to show them.
    out.event(
      { ...event, body: text() },
      () => `${String(row).padStart(6)}  ${queue}  ${inert(text())}`,
    );
  }

  #returned({ row }: Place, { queue, properties }: Message): void {
    this.#options.out.problem(
      { event: "returned", row, id: properties.messageId },
      () => `Row ${row} came back: ${queue} is gone. Start again to declare it`,
    );
  }

  #done(place: Place, item: T): void {
    const { stream, out, publisher, announcer, onRow } = this.#options;
    const { rows, confirmed, rejected, failed } = this.tally;
    if (onRow(this.tally) && publisher) {
      out.line(() => `${String(place.row).padStart(6)}  ${inert(stream.line(item))}`);
    }
    announcer?.announce(stream.key, () => ({
      run: place.run,
      row: place.row,
      item,
      totals: { rows, confirmed, rejected, failed },
    }));
  }
}

/** Gives a message its id and the properties that all have. */
function toMessage(outgoing: Outgoing, { run, row }: Place, appId: string): Message {
  const { queue, channel, body, contentType } = outgoing;
  return {
    queue,
    body: Buffer.from(body),
    properties: {
      ...contentType === undefined ? {} : { contentType },
      messageId: channel === undefined ? `${run}/${row}` : `${run}/${row}/${channel}`,
      appId,
      headers: { "published-at": Date.now() },
    },
  };
}

const textOf = (body: Uint8Array) => new TextDecoder().decode(body);
