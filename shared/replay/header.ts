/** The header of a CSV: where the columns are that a stream needs. */
import { UsageError } from "../script.ts";
import {
  type AnyHeader,
  columnAmong,
  columnNames,
  type CsvForm,
  numberOf,
  parseRecorded,
  type TimeFormat,
} from "../streams.ts";
import type { CsvRecord } from "./csv.ts";

/** An error line shows at most this many cells of a header, each up to this length, in characters. */
const MAX_HEADER_CELLS = 10;
const MAX_HEADER_CELL = 40;

/** The beginning of a text. */
export const shortened = (text: string, length: number) =>
  text.length > length ? `${text.slice(0, length)}…` : text;

/** What of a stream's CSV says how its rows are read. */
export type RowForm<T> = Pick<CsvForm<unknown, string, T>, Read>;
type Read = "columns" | "timeColumn" | "timeFormat" | "anyHeader" | "row";

/** What a header says of the cells of each record. */
export interface Layout {
  readonly pick: (cells: string[]) => string[];
  /** Of the picked cells the one that holds the recorded time. */
  readonly time?: number;
  /** Of the picked cells. */
  readonly names: readonly string[];
}

export const AS_THEY_COME: Layout = { pick: (cells) => cells, names: [] };

/** @throws {UsageError} If the header can't be read or lacks a column. */
export function layoutOf(
  header: CsvRecord,
  { columns = {}, timeColumn, anyHeader }: Pick<RowForm<unknown>, Exclude<Read, "row">>,
  mapping: Record<string, string> = {},
): Layout {
  if ("reason" in header) throw new UsageError(`The header can't be read: ${header.reason}`);
  if (anyHeader) return wholeLayout(header.cells, anyHeader, { timeColumn, mapping });
  const names = Object.keys(columns);
  const pick = picker(header.cells, columns, mapping);
  return timeColumn === undefined
    ? { pick, names }
    : { pick, names, time: names.indexOf(timeColumn) };
}

/** All columns of a file, under its own names or those that `mapping` gives them. */
function wholeLayout(
  header: readonly string[],
  { needed }: AnyHeader,
  { timeColumn, mapping }: { timeColumn: string | undefined; mapping: Record<string, string> },
): Layout {
  const names = columnNames(header);
  const find = (column: string, by: string) => {
    const name = columnAmong(names, column);
    if (name !== undefined) return names.indexOf(name);
    throw new UsageError(
      `${by}: the file has no column ${JSON.stringify(column)}, its header is ${headerText(names)}`,
    );
  };
  for (const [ours, theirs] of Object.entries(mapping)) names[find(theirs, "--columns")] = ours;
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new UsageError(`--columns: two columns would be ${twice}`);
  for (const { column, by } of needed) find(column, by);
  const { pick } = AS_THEY_COME;
  return timeColumn === undefined
    ? { pick, names }
    : { pick, names, time: find(timeColumn, "--time") };
}

/**
 * The first column whose cells are all times. A number is none, unless the user says how times are written.
 *
 * @throws {UsageError} If there is none.
 */
export function timeAmong(
  records: readonly CsvRecord[],
  names: readonly string[],
  timeFormat: TimeFormat,
): number {
  const rows = records.flatMap((record) => "cells" in record ? [record.cells] : []);
  const isTime = (cell = "") => {
    if (timeFormat === parseRecorded && numberOf(cell) !== undefined) return false;
    try {
      timeFormat(cell);
      return true;
    } catch {
      return false;
    }
  };
  const index = rows.length === 0
    ? -1
    : names.findIndex((_, index) => rows.every((cells) => isTime(cells[index])));
  if (index >= 0) return index;
  throw new UsageError(
    "--speed needs recorded times, and no column holds times only: name it, --time COLUMN, and how they are " +
      "written, --time-format FORMAT",
  );
}

function headerText(header: readonly string[]): string {
  const seen = header.slice(0, MAX_HEADER_CELLS)
    .map((cell) => JSON.stringify(shortened(cell, MAX_HEADER_CELL)));
  return `${seen.join(", ")}${header.length > seen.length ? ", …" : ""}`;
}

/** Finds the columns in the header, whatever their order and case; others are ignored. */
function picker(
  header: readonly string[],
  columns: NonNullable<RowForm<unknown>["columns"]>,
  mapping: Record<string, string>,
): (cells: string[]) => string[] {
  const names = header.map((cell) => cell.trim().toLowerCase());
  const places = Object.entries(columns).map(([name, aliases]) => {
    const wanted = mapping[name] === undefined ? [...aliases, name] : [mapping[name]];
    const place = names.findIndex((cell) => wanted.some((alias) => alias.toLowerCase() === cell));
    if (place >= 0) return place;
    throw new UsageError(
      `The file has no column for ${name}: expected ${wanted.join(" or ")}, its header is ` +
        `${headerText(header)}. To map another: --columns ${name}=<header name>`,
    );
  });
  return (cells) => places.map((place) => cells[place] ?? "");
}
