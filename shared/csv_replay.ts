/**
 * Rows of a stream's CSV: from a file or standard input, by column names, checked, counted from 1, pass after
 * pass.
 */
import { unlessAborted } from "./abort.ts";
import { type CsvRecord, readCsv } from "./csv.ts";
import { reasonOf, UsageError } from "./errors.ts";
import { isAllowed } from "./permission.ts";
import type { Output } from "./output.ts";
import type { Place } from "./tally.ts";

/** A rejected row is shown up to so many characters. */
const MAX_SHOWN = 500;

/** So many cells of a header are shown, each up to so many characters. */
const MAX_HEADER_CELLS = 10;
const MAX_HEADER_CELL = 40;

const shortened = (text: string, length: number) =>
  text.length > length ? `${text.slice(0, length)}…` : text;

/** A data row that could not be read. */
export interface RejectedRow extends Place {
  readonly line: number;
  readonly reason: string;
  readonly text: string;
}

/** A data row that was read. */
export interface ReadRow<T> extends Place {
  readonly line: number;
  readonly item: T;
  /** The cell of its recorded time, as it stands in the file; empty where the rows have none. */
  readonly recorded: string;
}

/** One data row: read, or rejected. */
export type Row<T> = ReadRow<T> | RejectedRow;

/** A stream's columns: our name for each, and the header names that are taken for it. */
export type Columns = Record<string, readonly string[]>;

/** How the rows of a stream are read. */
export interface Source<T> {
  /** Left out for a file without a header. */
  readonly columns?: Columns;
  /** The one of these that holds a row's recorded time, if there is one. */
  readonly timeColumn?: string;
  /**
   * Makes the item of a row from its cells: in the order of `columns`, or without them as they come. Throws an
   * error that says why when it can't.
   */
  readonly parse: (cells: string[]) => T;
}

export interface ReadOptions {
  /** A path, or `-` for standard input. */
  file: string;
  /** The flag that named it, for error lines. @default "--file" */
  flag?: string;
  /** Rows left out at the beginning of the first pass. */
  skip: number;
  /** Whether to begin again at the end, for ever. */
  loop: boolean;
  /** Name of the first pass; the following are `<run>.2`, `<run>.3`, … */
  run: string;
  /** Our name of a column → the file's header name. */
  columns?: Record<string, string> | undefined;
  delimiter: string;
  /** The task, for the advice in an error line. */
  task: string;
  /** Ends the reading, even where standard input is silent. */
  signal: AbortSignal;
}

/** Reads a stream's file. */
export class RowReader<T> {
  /** Bytes of the file; `undefined` for standard input. */
  size: number | undefined;
  /** Bytes read so far in this pass. */
  bytesRead = 0;
  readonly #source: Source<T>;
  readonly #options: ReadOptions;

  /** @throws {UsageError} If `columns` names one that the stream doesn't have. */
  constructor(source: Source<T>, options: ReadOptions) {
    this.#source = source;
    this.#options = options;
    const names = Object.keys(source.columns ?? {});
    const unknown = Object.keys(options.columns ?? {}).find((name) => !names.includes(name));
    if (unknown !== undefined) {
      const known = names.join(", ") || "none, this file has no header";
      throw new UsageError(`--columns: no column ${JSON.stringify(unknown)}; there are: ${known}`);
    }
  }

  /**
   * All rows in order, in blocks as they are read. A loop ends after a pass in which every row was malformed.
   *
   * @throws {UsageError} If the file can't be read, is empty, or its header lacks a column.
   */
  async *blocks(): AsyncGenerator<Row<T>[]> {
    const { skip, loop, run, signal } = this.#options;
    for (let pass = 1, good = true; good && (pass === 1 || loop); pass++) {
      good = false;
      const blocks = this.#pass(pass === 1 ? run : `${run}.${pass}`);
      try {
        while (true) {
          const next = await unlessAborted(blocks.next(), signal);
          if (!next) return;
          if (next.done) break;
          good ||= next.value.some((row) => "item" in row);
          const rows = pass > 1 ? next.value : next.value.filter(({ row }) => row > skip);
          if (rows.length > 0) yield rows;
        }
      } finally {
        // A read of silent standard input may never end.
        await unlessAborted(blocks.return(undefined), signal);
      }
    }
  }

  async *#pass(run: string): AsyncGenerator<Row<T>[]> {
    const { columns: mapping = {}, delimiter } = this.#options;
    const { columns, timeColumn, parse } = this.#source;
    const timeIndex = Object.keys(columns ?? {}).indexOf(timeColumn ?? "");
    const records = readCsv(await this.#bytes(), { rectangular: columns !== undefined, delimiter });
    let pick: ((cells: string[]) => string[]) | undefined = columns ? undefined : (cells) => cells;
    let count = 0;
    for await (const block of records) {
      const [header, ...rest] = block;
      if (!header) continue;
      const body = pick ? block : rest;
      const picked = pick ??= picker(header, columns ?? {}, mapping);
      yield body.map((record) => {
        const row = ++count;
        const { line, text } = record;
        if ("reason" in record) return { run, row, line, reason: record.reason, text };
        try {
          const cells = picked(record.cells);
          return { run, row, line, item: parse(cells), recorded: cells[timeIndex] ?? "" };
        } catch (error) {
          return { run, row, line, reason: reasonOf(error), text };
        }
      });
    }
    if (count > 0) return;
    throw new UsageError(
      pick && columns ? `${this.#what} has a header but no rows` : `${this.#what} is empty`,
    );
  }

  get #what(): string {
    return `${this.#options.flag ?? "--file"} ${this.#options.file}`;
  }

  async *#bytes(): AsyncGenerator<Uint8Array> {
    const { bytes, size } = await openFile(this.#options);
    this.size = size;
    this.bytesRead = 0;
    for await (const chunk of bytes) {
      this.bytesRead += chunk.length;
      yield chunk;
    }
  }
}

/** Tells of a row that could not be read. */
export function reportRejected(out: Output, { line, reason, text }: RejectedRow): void {
  const shown = shortened(text, MAX_SHOWN);
  out.problem(
    { event: "rejected", line, reason, text: shown },
    () => `Line ${line} rejected, ${reason}: ${shown}`,
  );
}

/** Opens a file, or standard input. Outside `data/` Deno asks for the permission in a terminal. */
async function openFile({ file: path, flag = "--file", task }: ReadOptions) {
  if (path === "-") return { bytes: Deno.stdin.readable, size: undefined };
  try {
    // Without it, opening the file would ask, too.
    await isAllowed({ name: "read", path });
    const file = await Deno.open(path);
    const { isDirectory, isFile, size } = await file.stat();
    if (isDirectory) {
      file.close();
      throw new Error("it is a folder");
    }
    return { bytes: file.readable, size: isFile ? size : undefined };
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new UsageError(
        `${flag} ${path}: this task may read data/ only. ` +
          `Pipe the file in: cat ${path} | deno task ${task} ${flag} -`,
      );
    }
    const why = error instanceof Deno.errors.NotFound ? "no such file" : reasonOf(error);
    throw new UsageError(`${flag} ${path} can't be read: ${why}`);
  }
}

/** Finds the columns in the header, whatever their order and case; others are ignored. */
function picker(
  header: CsvRecord,
  columns: Columns,
  mapping: Record<string, string>,
): (cells: string[]) => string[] {
  if ("reason" in header) throw new UsageError(`The header can't be read: ${header.reason}`);
  const names = header.cells.map((cell) => cell.trim().toLowerCase());
  const places = Object.entries(columns).map(([name, aliases]) => {
    const wanted = mapping[name] === undefined ? [...aliases, name] : [mapping[name]];
    const place = names.findIndex((cell) => wanted.some((alias) => alias.toLowerCase() === cell));
    if (place >= 0) return place;
    const seen = header.cells.slice(0, MAX_HEADER_CELLS).map((cell) =>
      JSON.stringify(shortened(cell, MAX_HEADER_CELL))
    );
    const more = header.cells.length > seen.length ? ", …" : "";
    throw new UsageError(
      `The file has no column for ${name}: expected ${wanted.join(" or ")}, its header is ` +
        `${seen.join(", ")}${more}. To map another: --columns ${name}=<header name>`,
    );
  });
  return (cells) => places.map((place) => cells[place] ?? "");
}
