/**
 * What a stream is, as data. Producer, worker, monitor, notifier, board and the tools read it; none of them names a
 * stream.
 */
import type { Delivery, QueueKind } from "../connection.ts";
import type { AlertWords } from "./alert.ts";
import type { TimeFormat } from "./time_format.ts";

/** How a producer writes its messages: JSON, or text as older programs do. */
export type Format = "json" | "text";

/** A stream, declared once: `Item` is what a message holds, `K` are the keys of its queues. */
export interface Stream<Item, K extends string = string, Row = Item> {
  /** Begins the keys of its announcements: `<name>.published`, `.taken`, `.handled`, `.judged`, `.alert`, `.dead`. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  readonly queues: Readonly<Record<K, StreamQueue>>;
  /**
   * Reads a message of one of its queues.
   *
   * @throws {RangeError} If the delivery holds none; the message says why.
   */
  decode(delivery: Delivery, key: K): Item;
  /** Writes one. */
  encode(item: Item, format: Format): Encoded;
  /** An item in words, in one line. */
  line(item: Item): string;
  readonly panel: WorkPanel<Item> | SeriesPanel<Item>;
  readonly csv?: CsvForm<Item, K, Row>;
  /** Left out where nothing is monitored. */
  readonly alerts?: AlertWords;
}

/** A stream of whatever items: what those take that don't look into them. */
export type AnyStream = Stream<unknown, string, unknown>;

/** A queue of a stream. */
export interface StreamQueue {
  /** Its usual name: `--queue` puts another in its place. */
  readonly name: string;
  readonly kind: QueueKind;
  /** Whether a monitor reads it, which keeps its state in `<name>.state`. */
  readonly monitored?: true;
  /** Whether it may be the user's own, made with whatever arguments: where it exists, it is taken as it is. */
  readonly usersOwn?: true;
  /** Whether its dead letters go elsewhere than to `<name>.dead`. */
  readonly deadElsewhere?: true;
}

/** A message's body. */
export interface Encoded {
  readonly body: string;
  /** Left out for text as older programs send it. */
  readonly contentType?: string;
}

/** A message that a row makes, before it has its id. */
export interface Outgoing<Item, K extends string> {
  readonly to: K;
  readonly item: Item;
  /** Set where a row makes several messages: part of the id. */
  readonly part?: string;
  /** In the id in the place of the row's number. */
  readonly name?: string;
  /** Where it goes when it is published to an exchange. */
  readonly routingKey?: string;
}

/** The CSV of a stream. */
export interface CsvForm<Item, K extends string, Row> {
  /** The one that is replayed by default. */
  readonly file: string;
  /** Time between rows unless a flag says otherwise, as a user would type it. */
  readonly interval: string;
  /** Our name of each column, and the header names that are taken for it; left out for a file without a header. */
  readonly columns?: Readonly<Record<string, readonly string[]>>;
  /** The one of these that holds a row's recorded time, if there is one. */
  readonly timeColumn?: string;
  /** How its recorded times are written. @default the class's way, or ISO 8601 */
  readonly timeFormat?: TimeFormat;
  /** Set for a file with whatever header, of which all columns are taken, as they come. */
  readonly anyHeader?: AnyHeader;
  /**
   * Makes a row of its cells: in the order of `columns`, or without them as they come.
   *
   * @param time The recorded time, in ms on the recording's own calendar; 0 where the rows have none.
   * @param names Of the cells, with `anyHeader`; the same array for all rows of a file.
   * @throws {RangeError} If it can't; the message says why.
   */
  row(cells: readonly string[], time: number, names: readonly string[]): Row;
  messages(row: Row): readonly Outgoing<Item, K>[];
  /** A row in words, in one line. */
  line(row: Row): string;
}

/** What a file with whatever header must have. */
export interface AnyHeader {
  /** Columns that are needed, and what names them: `--id`. The time's is `timeColumn`, else it is looked for. */
  readonly needed: readonly { readonly column: string; readonly by: string }[];
}

/** A stream of work on the board: who handles what, how much of each group, how long it waited. */
export interface WorkPanel<Item> {
  readonly kind: "work";
  /** What one item is called: `ticket`. */
  readonly item: string;
  /** Groups that items belong to, and what they are called. */
  readonly groups?: Readonly<Record<string, string>>;
  /** What the board shows of an item. */
  shown(item: Item): { readonly text: string; readonly group?: string };
}

/** A stream of measurements on the board: a line for each quantity of each key, its windows and its alerts. */
export interface SeriesPanel<Item> {
  readonly kind: "series";
  /** What a key is: `channel`, `bed`. */
  readonly key: string;
  /** Names of keys, in the order in which they are shown; others follow as they come. */
  readonly keys: Readonly<Record<string, string>>;
  /** What is measured, with its unit. */
  readonly quantities: readonly Quantity[];
  measured(item: Item): Measurement;
}

export interface Quantity {
  readonly name: string;
  /** Such as `°F`; empty for a plain number. */
  readonly unit: string;
}

/** What an item says of one key at one time. */
export interface Measurement {
  readonly key: string;
  /** In ms on the recording's own calendar. */
  readonly time: number;
  /** In the order of the panel's quantities; `null` where one wasn't measured. */
  readonly values: readonly (number | null)[];
}

/** What a script's presence says of its stream, so that a board can show one that it doesn't know. */
export function presenceOf({ name: stream, title, panel }: AnyStream) {
  if (panel.kind === "work") {
    const { kind, item, groups } = panel;
    return { stream, title, panel: { kind, item, groups } };
  }
  const { kind, key, keys, quantities } = panel;
  return { stream, title, panel: { kind, key, keys, quantities } };
}
