/**
 * Rows of a stream's CSV: from a file or standard input, by column names, checked, counted from 1, pass after
 * pass.
 */
import { isAllowed, type Output, reasonOf, unlessAborted, UsageError } from "../script.ts";
import { parseRecorded, type TimeFormat } from "../streams.ts";
import { readCsv } from "./csv.ts";
import {
  AS_THEY_COME,
  type Layout,
  layoutOf,
  type RowForm,
  shortened,
  timeAmong,
} from "./header.ts";

export type { RowForm } from "./header.ts";

/** The line of a rejected row shows at most this much of it, in characters. */
const MAX_SHOWN = 500;

/** A row of a run. */
export interface RowId {
  readonly run: string;
  readonly row: number;
}

/** A data row that could not be read. */
export interface RejectedRow extends RowId {
  readonly line: number;
  readonly reason: string;
  readonly text: string;
}

/** A data row that was read. */
export interface ReadRow<T> extends RowId {
  readonly line: number;
  readonly item: T;
  /** Its recorded time for order and pace, in ms; 0 where the rows have none. */
  readonly instant: number;
}

/** One data row: read, or rejected. */
export type Row<T> = ReadRow<T> | RejectedRow;

const TIMELESS = { local: 0, instant: 0 };

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
  /** How recorded times are written. @default as the stream says, else the class's way or ISO 8601 */
  timeFormat?: TimeFormat | undefined;
  /** Whether each row must have a recorded time; of any header the first column that holds times is taken. */
  timed?: boolean;
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
  readonly #form: RowForm<T>;
  readonly #options: ReadOptions;

  /** @throws {UsageError} If `columns` names one that the stream doesn't have, or no row has the time to read. */
  constructor(form: RowForm<T>, options: ReadOptions) {
    this.#form = form;
    this.#options = options;
    if (options.timeFormat && form.timeColumn === undefined && !form.anyHeader) {
      throw new UsageError("--time-format: these rows have no recorded times");
    }
    if (form.anyHeader) return;
    const names = Object.keys(form.columns ?? {});
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
    const { columns, anyHeader, row: rowOf } = this.#form;
    const { delimiter, timed = false } = this.#options;
    const timeFormat = this.#options.timeFormat ?? this.#form.timeFormat ?? parseRecorded;
    const hasHeader = columns !== undefined || anyHeader !== undefined;
    const records = readCsv(await this.#bytes(), { rectangular: hasHeader, delimiter });
    let layout: Layout | undefined = hasHeader ? undefined : AS_THEY_COME;
    let count = 0;
    for await (const block of records) {
      let body = block;
      if (!layout) {
        const [header, ...rest] = block;
        if (!header) continue;
        layout = layoutOf(header, this.#form, this.#options.columns);
        body = rest;
      }
      if (anyHeader && timed && layout.time === undefined && body.length > 0) {
        layout = { ...layout, time: timeAmong(body, layout.names, timeFormat) };
      }
      const { pick, time: timeAt, names } = layout;
      yield body.map((record) => {
        const row = ++count;
        const { line, text } = record;
        if ("reason" in record) return { run, row, line, reason: record.reason, text };
        try {
          const cells = pick(record.cells);
          const time = timeAt === undefined ? TIMELESS : timeFormat(cells[timeAt] ?? "");
          return { run, row, line, item: rowOf(cells, time.local, names), instant: time.instant };
        } catch (error) {
          return { run, row, line, reason: reasonOf(error), text };
        }
      });
    }
    if (count > 0) return;
    throw new UsageError(
      layout && hasHeader ? `${this.#what} has a header but no rows` : `${this.#what} is empty`,
    );
  }

  get #what(): string {
    return `${this.#options.flag ?? "--file"} ${this.#options.file}`;
  }

  async *#bytes(): AsyncGenerator<Uint8Array> {
    const { bytes, size } = await openCsv(this.#options);
    this.size = size;
    this.bytesRead = 0;
    for await (const chunk of bytes) {
      this.bytesRead += chunk.length;
      yield chunk;
    }
  }
}

/** Reports a row that could not be read. */
export function reportRejected(out: Output, { line, reason, text }: RejectedRow): void {
  const shown = shortened(text, MAX_SHOWN);
  out.problem(
    { event: "rejected", line, reason, text: shown },
    () => `Line ${line} rejected, ${reason}: ${shown}`,
  );
}

/**
 * Opens a file, or standard input. Outside `data/` Deno asks for the permission in a terminal.
 *
 * @throws {UsageError} If it can't be read.
 */
export async function openCsv(
  { file: path, flag = "--file", task }: Pick<ReadOptions, "file" | "flag" | "task">,
): Promise<{ bytes: AsyncIterable<Uint8Array>; size: number | undefined }> {
  const named = flag === "" ? path : `${flag} ${path}`;
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
        `${named}: this task may read data/ only. ` +
          `Pipe the file in: cat ${path} | deno task ${task} ${flag && `${flag} `}-`,
      );
    }
    const why = error instanceof Deno.errors.NotFound ? "no such file" : reasonOf(error);
    throw new UsageError(`${named} can't be read: ${why}`);
  }
}
