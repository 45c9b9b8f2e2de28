/**
 * Sends the messages of rows and keeps account of them: what was published, confirmed, returned, rejected,
 * and where a stopped replay goes on.
 */
import type { Announcer, Message, Publisher } from "../connection.ts";
import { counted, inert, type Output, reasonOf } from "../script.ts";
import type { Encoded, Outgoing } from "../streams.ts";
import { type RejectedRow, reportRejected, type RowId } from "./rows.ts";

/** An exchange that messages are published to. */
export interface ExchangeTarget {
  readonly name: string;
  /** Whether a message that no queue takes is fine; else it has failed. */
  readonly unroutedOk: boolean;
}

interface OpenRow {
  readonly id: RowId;
  unconfirmed: number;
}

/** The counts of a replay, and the row at which to go on. */
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
  #firstFailed: { readonly sequence: number; readonly id: RowId } | undefined;
  readonly #start: RowId;
  #last: RowId | undefined;

  /** @param start The first row that could be replayed. */
  constructor(start: RowId) {
    this.#start = start;
  }

  /**
   * Takes a row.
   *
   * @param messages How many it makes.
   * @param awaited Whether their confirms will come; in a dry run they don't.
   * @returns The row's key for {@link settle}.
   */
  take(id: RowId, messages: number, awaited = true): number {
    const key = this.#sequence++;
    this.rows++;
    this.published += messages;
    this.#last = id;
    if (messages > 0 && awaited) this.#open.set(key, { id, unconfirmed: messages });
    return key;
  }

  /** Counts a row that could not be read. */
  reject(id: RowId): void {
    this.take(id, 0);
    this.rejected++;
  }

  /** Ends one message of a row. Returns whether that makes the row fully confirmed. */
  settle(key: number, confirmed: boolean): boolean {
    const row = this.#open.get(key);
    if (!confirmed) {
      this.failed++;
      if (row && !(this.#firstFailed && this.#firstFailed.sequence < key)) {
        this.#firstFailed = { sequence: key, id: row.id };
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
  get next(): RowId {
    const [first] = this.#open;
    const failed = this.#firstFailed;
    if (first && !(failed && failed.sequence < first[0])) return first[1].id;
    if (failed) return failed.id;
    return this.#last ? { run: this.#last.run, row: this.#last.row + 1 } : this.#start;
  }
}

export interface SenderOptions<Item, K extends string, Row> {
  /** The task and the script that send. */
  readonly usage: { readonly task: string; readonly script: string };
  readonly out: Output;
  /** The messages of a row. */
  readonly messages: (row: Row) => readonly Outgoing<Item, K>[];
  readonly encode: (item: Item) => Encoded;
  /** Where all messages go, if not to the queues. */
  readonly exchange?: ExchangeTarget | undefined;
  /** The names of the queues. */
  readonly queues: Readonly<Record<K, string>>;
  /** A row in words, in one line. */
  readonly line: (row: Row) => string;
  /** What is announced of a row, and under which key. */
  readonly announced: {
    readonly key: string;
    readonly body: (row: Row) => Record<string, unknown>;
  };
  /** Whether the script can go on where it was stopped. @default true */
  readonly resumable?: boolean;
  /** Where the replay begins. */
  readonly start: RowId;
  /** Left out in a dry run. */
  readonly publisher?: Publisher | undefined;
  readonly announcer?: Announcer | undefined;
  /** Called when a row is done; `false` when the row needs no line of its own. */
  readonly onRow: (tally: Tally) => boolean;
}

export class Sender<Item, K extends string, Row> {
  readonly tally: Tally;
  /** Why the broker takes nothing more; `undefined` as long as it does. */
  refused: unknown;
  readonly #options: SenderOptions<Item, K, Row>;
  readonly #started = performance.now();

  constructor(options: SenderOptions<Item, K, Row>) {
    this.#options = options;
    this.tally = new Tally(options.start);
  }

  /** Sends all messages of a row; what becomes of them is counted when the broker reports it. */
  send(id: RowId, row: Row): void {
    const { usage, publisher, messages, encode } = this.#options;
    const outgoing = messages(row);
    const key = this.tally.take(id, outgoing.length, publisher !== undefined);
    for (const { to, part, name, routingKey, item } of outgoing) {
      const message = {
        ...this.#destination(to, routingKey),
        ...messageOf(encode(item), { id: idOf(id, part, name), app: usage.script }, name && id),
      };
      if (!publisher) this.#published(id, message);
      else {
        publisher.send(message, (outcome, error) => {
          if (!outcome) this.refused ??= error;
          this.#settle(key, id, row, message, outcome === "confirmed");
        });
      }
    }
    if (!publisher || outgoing.length === 0) this.#done(id, row);
  }

  /** Reports a malformed row. */
  reject(row: RejectedRow): void {
    this.tally.reject(row);
    reportRejected(this.#options.out, row);
  }

  /** Prints the summary and how to go on. Returns the exit code. */
  finish(stopped: boolean): number {
    const { out, publisher, usage, start, resumable = true } = this.#options;
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
        `To go on: deno task ${usage.task} --run ${run} --skip ${row - 1}, and the flags you gave`,
      );
    }
    return failed > 0 || this.refused !== undefined ? 1 : rejected > 0 ? 2 : 0;
  }

  #destination(to: K, routingKey = ""): Pick<Message, "queue" | "exchange" | "mandatory"> {
    const { queues, exchange } = this.#options;
    if (!exchange) return { queue: queues[to] };
    const { name, unroutedOk } = exchange;
    return { exchange: name, queue: routingKey, ...(unroutedOk ? { mandatory: false } : {}) };
  }

  #settle(key: number, id: RowId, row: Row, message: Message, confirmed: boolean): void {
    const whole = this.tally.settle(key, confirmed);
    if (confirmed) this.#published(id, message);
    else if (this.refused === undefined) this.#returned(id, message);
    if (whole) this.#done(id, row);
  }

  #published({ row }: RowId, { exchange, queue, body, properties }: Message): void {
    const { out, publisher } = this.#options;
    if (publisher && !out.hearsEvents) return;
    const place = exchange === undefined ? { queue } : { exchange, routingKey: queue };
    const event = { event: "published", row, ...place, id: properties.messageId };
    const text = () => textOf(body);
    if (publisher) return out.event(event, undefined, () => ({ body: text() }));
    // A dry run is there to show them.
    out.event(
      { ...event, body: text() },
      () =>
        `${String(row).padStart(6)}  ${
          inert(exchange === undefined ? queue : `${exchange} ${queue}`)
        }  ${inert(text())}`,
    );
  }

  #returned({ row }: RowId, { exchange, queue, properties }: Message): void {
    this.#options.out.problem(
      { event: "returned", row, id: properties.messageId },
      () =>
        exchange === undefined
          ? `Row ${row} came back: ${queue} is gone. Start again to declare it`
          : `Row ${row} came back: no queue of ${exchange} takes ${
            inert(JSON.stringify(queue))
          }. With --unrouted-ok that is fine`,
    );
  }

  #done(id: RowId, row: Row): void {
    const { out, publisher, announcer, announced, line, onRow } = this.#options;
    const { rows, confirmed, rejected, failed } = this.tally;
    if (onRow(this.tally) && publisher) {
      out.line(() => `${String(id.row).padStart(6)}  ${inert(line(row))}`);
    }
    announcer?.announce(announced.key, () => ({
      run: id.run,
      row: id.row,
      ...announced.body(row),
      totals: { rows, confirmed, rejected, failed },
    }));
  }
}

/**
 * The id of a message: its row's, and where a row makes several, its part.
 *
 * @param name In the place of the row's number.
 */
export function idOf({ run, row }: RowId, part?: string, name: string | number = row): string {
  return part === undefined ? `${run}/${name}` : `${run}/${name}/${part}`;
}

/**
 * Gives a message its id and the properties that all have.
 *
 * @param origin Its row, where its id doesn't say it.
 */
function messageOf(
  { body, contentType }: Encoded,
  { id, app }: { id: string; app: string },
  origin: RowId | "" | undefined,
): Pick<Message, "body" | "properties"> {
  return {
    body: Buffer.from(body),
    properties: {
      ...contentType === undefined ? {} : { contentType },
      messageId: id,
      appId: app,
      headers: {
        "published-at": Date.now(),
        ...(origin ? { run: origin.run, row: origin.row } : {}),
      },
    },
  };
}

const textOf = (body: Uint8Array) => new TextDecoder().decode(body);
