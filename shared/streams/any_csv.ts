/** Any CSV: a stream that no file here declares, made of what its user says of it. */
import type { Delivery } from "../connection.ts";
import { reasonOf } from "../script.ts";
import { valueOf } from "./codec.ts";
import { cellOf, cellText, type CellType, columnAmong, type CsvRow } from "./csv_cells.ts";
import { type Decimal, jsonOf, shown, valueOfCell } from "./csv_cells.ts";
import type { CsvDescription } from "./csv_description.ts";
import { parseRecorded } from "./local_time.ts";
import type { AnyHeader, CsvForm, Measurement, SeriesPanel, Stream, WorkPanel } from "./stream.ts";

/** A row of the file: what its message holds, and what its columns say of that message. */
export interface CsvLine {
  readonly item: CsvRow;
  /** In the message's id in the place of the row's number. */
  readonly name?: string;
  readonly routingKey?: string;
}

/** A stream of rows. */
export type CsvStream = Stream<CsvRow, "rows", CsvLine> & {
  readonly csv: CsvForm<CsvRow, "rows", CsvLine>;
};

/** A line for people shows at most this much of a cell, in characters. */
const MAX_CELL = 200;

/** With the run before it an id must fit into 255 bytes, and so must a routing key. */
const MAX_NAME_BYTES = 150;
const MAX_KEY_BYTES = 255;

/** Keys of windows become parts of alerts. */
const KEY = /^[^\p{Cc}\p{Cf}\p{Cs}]{1,100}$/u;

/** The key of the one window, where no column says whose it is. */
const ONE_KEY = "all";

/**
 * The stream that a description describes; one with a `value` is a stream of measurements, for a monitor.
 *
 * @param description With a queue or an exchange.
 */
export function csvStream(description: CsvDescription): CsvStream {
  const { queue, exchange, value, title, file, interval, time, timeFormat } = description;
  const { delimiter = "," } = description;
  const place = queue ?? exchange ?? "";
  const monitored = value !== undefined;
  const line = (row: CsvRow) => lineOf(row, description.show);
  const rowOf = rowMaker(description);
  return {
    name: `csv/${place}`,
    title: title ?? place,
    queues: {
      rows: {
        name: place,
        usersOwn: true,
        ...(monitored ? { kind: "ordered", monitored } : { kind: "shared" }),
      },
    },
    decode: decodeRow,
    encode: (row, format) =>
      format === "text"
        ? {
          body: [...row.values()].map((value) => quoted(cellText(value), delimiter)).join(
            delimiter,
          ),
        }
        : { body: jsonOf(row), contentType: "application/json" },
    line,
    panel: monitored ? seriesPanel(value, description) : workPanel(line),
    csv: {
      file: file ?? "-",
      interval: interval ?? "0",
      ...(time === undefined ? {} : { timeColumn: time }),
      ...(timeFormat === undefined ? {} : { timeFormat }),
      anyHeader: { needed: neededColumns(description) },
      row: rowOf,
      messages: ({ item, name, routingKey }) => [{
        to: "rows",
        item,
        ...(name === undefined ? {} : { name }),
        ...(routingKey === undefined ? {} : { routingKey }),
      }],
      line: ({ item }) => line(item),
    },
  };
}

/** Where things are in the files of one header. */
interface Places {
  readonly names: readonly string[];
  /** Of each column; `undefined` where its cells aren't converted at all. */
  readonly types: readonly (CellType | undefined)[];
  /** Of a column that the description names, in whatever case. */
  readonly of: (column: string) => number;
}

function placesIn(names: readonly string[], types: CsvDescription["types"]): Places {
  const of = (column: string) => names.indexOf(columnAmong(names, column) ?? "");
  const typed = new Map([...types?.columns ?? []].map(([column, type]) => [of(column), type]));
  const others = types?.others === "text" ? undefined : "any";
  return { names, types: names.map((_, index) => typed.get(index) ?? others), of };
}

/** Makes rows of cells. */
function rowMaker(
  description: CsvDescription,
): (cells: readonly string[], time: number, names: readonly string[]) => CsvLine {
  const { types, decimal = ".", id, value, exchange, routingKey = "" } = description;
  let places = placesIn([], types);
  return (cells, _, names) => {
    if (names !== places.names) places = placesIn(names, types);
    const item = new Map<string, unknown>();
    for (const [at, name] of names.entries()) {
      const [cell = "", type] = [cells[at], places.types[at]];
      // Without any conversion an empty cell is an empty text.
      item.set(name, type ? converted(name, cell, type, decimal) : cell);
    }
    // What a monitor couldn't read isn't sent to it.
    if (value !== undefined) measurementOf(item, value, description);
    const cellIn = (column: string) => cells[places.of(column)] ?? "";
    return {
      item,
      ...(id === undefined ? {} : { name: nameIn(id, cellIn(id)) }),
      ...(exchange === undefined ? {} : { routingKey: routingKeyOf(routingKey, cellIn) }),
    };
  };
}

function converted(name: string, cell: string, type: CellType, decimal: Decimal): unknown {
  try {
    return valueOfCell(cell, type, decimal);
  } catch (error) {
    throw new RangeError(`${name} ${reasonOf(error)}`);
  }
}

const bytesIn = (text: string) => new TextEncoder().encode(text).length;

function nameIn(column: string, cell: string): string {
  if (cell === "") throw new RangeError(`no id in ${column}`);
  if (bytesIn(cell) > MAX_NAME_BYTES) {
    throw new RangeError(`the id in ${column} has more than ${MAX_NAME_BYTES} bytes`);
  }
  return cell;
}

const PLACEHOLDER = /\{([^{}]+)\}/g;

function routingKeyOf(template: string, cellIn: (column: string) => string): string {
  const key = template.replace(PLACEHOLDER, (_, column) => cellIn(column));
  if (bytesIn(key) > MAX_KEY_BYTES) {
    throw new RangeError(`the routing key has more than ${MAX_KEY_BYTES} bytes`);
  }
  return key;
}

/** Columns that a file must have, by what names them. */
function neededColumns(description: CsvDescription): AnyHeader["needed"] {
  const { types, id, show = [], by, value, exchange, routingKey = "" } = description;
  const inKey = exchange === undefined ? [] : [...routingKey.matchAll(PLACEHOLDER)];
  return [
    ...[...types?.columns.keys() ?? []].map((column) => ({ column, by: "--types" })),
    ...show.map((column) => ({ column, by: "--show" })),
    ...inKey.map(([, column = ""]) => ({ column, by: "--routing-key" })),
    ...id === undefined ? [] : [{ column: id, by: "--id" }],
    ...by === undefined ? [] : [{ column: by, by: "--by" }],
    ...value === undefined ? [] : [{ column: value, by: "--value" }],
  ];
}

/** @throws {RangeError} If the body isn't a JSON object. */
function decodeRow(delivery: Delivery): CsvRow {
  const value = valueOf(delivery, (text) => {
    try {
      return JSON.parse(text);
    } catch {
      throw new RangeError("the body is not JSON");
    }
  });
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const type = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
    throw new RangeError(`must be a JSON object, got ${type}`);
  }
  return new Map(Object.entries(value));
}

/** The columns that are shown, or all; what a row lacks is shown as nothing. */
function lineOf(row: CsvRow, show?: readonly string[]): string {
  const names = show?.map((column) => columnAmong(row.keys(), column) ?? column) ?? [...row.keys()];
  return names.map((name) => {
    const text = cellText(row.get(name));
    return text.length > MAX_CELL ? `${text.slice(0, MAX_CELL)}…` : text;
  }).join("  ");
}

/** A cell as a CSV has it. */
function quoted(text: string, delimiter: string): string {
  const needsQuotes = text.includes(delimiter) || /["\r\n]/.test(text);
  return needsQuotes ? `"${text.replaceAll('"', '""')}"` : text;
}

function workPanel(line: (row: CsvRow) => string): WorkPanel<CsvRow> {
  return { kind: "work", item: "row", shown: (row) => ({ text: line(row) }) };
}

function seriesPanel(value: string, description: CsvDescription): SeriesPanel<CsvRow> {
  return {
    kind: "series",
    key: description.by ?? "",
    keys: {},
    quantities: [{ name: value, unit: description.unit ?? "" }],
    measured: (row) => measurementOf(row, value, description),
  };
}

function measurementOf(row: CsvRow, column: string, description: CsvDescription): Measurement {
  const { by, time } = description;
  const key = by === undefined ? ONE_KEY : cellText(cellOf(row, by));
  if (!KEY.test(key)) {
    throw new RangeError(
      key === "" ? `${by} is empty` : `${by} must be short printable text, got ${shown(key)}`,
    );
  }
  const value = cellOf(row, column);
  if (typeof value !== "number" && value !== null) {
    throw new RangeError(`${column} must be a number, got ${shown(cellText(value))}`);
  }
  return { key, time: time === undefined ? 0 : timeOf(row, description), values: [value] };
}

/**
 * The recorded time of a row, in ms on the recording's own calendar.
 *
 * @throws {RangeError} If it has none that can be read.
 */
export function timeOf(
  row: CsvRow,
  { time = "time", timeFormat = parseRecorded }: Pick<CsvDescription, "time" | "timeFormat">,
): number {
  const value = cellOf(row, time);
  if (typeof value !== "string" && typeof value !== "number") {
    throw new RangeError(`${time} must be a time, got ${JSON.stringify(value) ?? "nothing"}`);
  }
  return timeFormat(String(value)).local;
}
