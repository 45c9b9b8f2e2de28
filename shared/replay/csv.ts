/**
 * Records of a CSV as it streams in, with flat memory. A broken record costs its own line and no other: a
 * stray quote doesn't swallow the rest of the file.
 *
 * The library parses blocks of whole lines; where it finds fault with a block, its lines are parsed one by one.
 */
import { parse } from "csv-parse/sync";
import { reasonOf, UsageError } from "../script.ts";

/** One record, or what could not be read as one. Lines count from 1. */
export type CsvRecord =
  | { readonly line: number; readonly text: string; readonly cells: string[] }
  | { readonly line: number; readonly text: string; readonly reason: string };

export interface CsvOptions {
  /** One character. @default "," */
  delimiter?: string;
  /**
   * Whether every record must have as many cells as the first one, the header, and each quote its place. Else a
   * quote in a cell that doesn't begin with one is text: `Say "hello" now.`
   */
  rectangular: boolean;
}

/** A quoted cell may span lines, but a missing quote must not take the file with it. */
const MAX_RECORD_LINES = 100;

/** Bytes parsed at a time. */
const BLOCK_BYTES = 8192;

/** Longer lines, in characters, are no CSV. */
const MAX_LINE = 1 << 20;

/**
 * Reads records, in blocks as the source delivers them. A blank line is none; one of delimiters only is a record.
 *
 * @throws {UsageError} If a line is longer than 1 MiB.
 */
export async function* readCsv(
  source: AsyncIterable<Uint8Array>,
  options: CsvOptions,
): AsyncGenerator<CsvRecord[]> {
  const parser = new BlockParser(options);
  // Drops a byte order mark.
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of pieces(source)) {
    rest += decoder.decode(piece, { stream: true });
    // A "\r" at the end may be half of a "\r\n": it waits for the next piece.
    const known = rest.endsWith("\r") ? rest.slice(0, -1) : rest;
    const end = Math.max(known.lastIndexOf("\n"), known.lastIndexOf("\r"));
    if (end < 0) {
      parser.checkLength(rest);
      continue;
    }
    const block = known.slice(0, end).replace(/\r$/, known[end] === "\n" ? "" : "\r");
    rest = rest.slice(end + 1);
    parser.checkLength(rest);
    yield parser.records(block.split(/\r\n|\n|\r/), false);
  }
  rest += decoder.decode();
  yield parser.records(rest.split(/\r\n|\n|\r/), true);
}

/** Small blocks die young: large ones outlive the young generation, and the heap grows with the file. */
async function* pieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += BLOCK_BYTES) {
      yield chunk.subarray(at, at + BLOCK_BYTES);
    }
  }
}

class BlockParser {
  readonly #delimiter: string;
  readonly #rectangular: boolean;
  /** A quoted cell and how it ends: with a quote, "" where the line ends first, `undefined` if it is broken. */
  readonly #quoted: RegExp;
  #columns: number | undefined;
  /** Lines of a record that is still open, from the block before. */
  #open: string[] = [];
  /** Number of the first line of `#open`. */
  #line = 1;

  constructor({ delimiter = ",", rectangular }: CsvOptions) {
    this.#delimiter = delimiter;
    this.#rectangular = rectangular;
    const split = RegExp.escape(delimiter);
    this.#quoted = new RegExp(`(?<=^|${split})"(?:[^"]|"")*(?:("(?=${split}|$)|$)|)`, "g");
  }

  checkLength(rest: string): void {
    if (rest.length > MAX_LINE) {
      throw new UsageError(
        `Line ${this.#line + this.#open.length} or later is longer than 1 MiB: is this a CSV?`,
      );
    }
  }

  records(added: string[], last: boolean): CsvRecord[] {
    const lines = this.#open.concat(added);
    const first = this.#line;
    this.#open = [];
    const records = this.#wholeBlock(lines, first) ?? this.#lineByLine(lines, first, last);
    this.#line = first + lines.length - this.#open.length;
    return records;
  }

  /** Almost always each line that isn't blank is a record; `undefined` where it isn't so. */
  #wholeBlock(lines: string[], first: number): CsvRecord[] | undefined {
    const numbers: number[] = [];
    const full = lines.filter((line, index) => {
      if (this.#isBlank(line)) return false;
      numbers.push(first + index);
      return true;
    });
    try {
      const text = full.join("\n");
      // Without quotes there is nothing to parse.
      const records = text.includes('"')
        ? this.#parse(text)
        : full.map((line) => line.split(this.#delimiter));
      if (records.length !== full.length) return undefined;
      return records.map((cells, i) => this.#judge(cells, numbers[i] ?? 0, full[i] ?? ""));
    } catch {
      return undefined;
    }
  }

  #lineByLine(lines: string[], first: number, last: boolean): CsvRecord[] {
    const records: CsvRecord[] = [];
    for (let index = 0; index < lines.length;) {
      const line = lines[index] ?? "";
      if (this.#isBlank(line)) {
        index++;
        continue;
      }
      const length = this.#recordLength(lines, index);
      if (length === undefined && !last && lines.length - index < MAX_RECORD_LINES) {
        this.#open = lines.slice(index);
        break;
      }
      const record = this.#parseOne(lines.slice(index, index + (length ?? 1)), first + index);
      // Two stray quotes may enclose whole rows: only the first line is broken then.
      const broken = "reason" in record;
      records.push(broken ? this.#parseOne([line], first + index) : record);
      index += broken ? 1 : length ?? 1;
    }
    return records;
  }

  #isBlank(line: string): boolean {
    return line.trim() === "" && !line.includes(this.#delimiter);
  }

  /** Lines of the record that starts at `index`, 1 if it is broken; `undefined` if a quote isn't closed. */
  #recordLength(lines: string[], index: number): number | undefined {
    let open = "";
    const most = Math.min(MAX_RECORD_LINES, lines.length - index);
    for (let length = 1; length <= most; length++) {
      // A line inside a quoted cell reads as if the cell began with it.
      const line = open + (lines[index + length - 1] ?? "");
      const ends = Array.from(line.matchAll(this.#quoted), ([, end]) => end);
      if (ends.includes(undefined)) return 1;
      if (ends.at(-1) !== "") return length;
      open = '"';
    }
    return undefined;
  }

  #parseOne(lines: string[], line: number): CsvRecord {
    const text = lines.join("\n");
    try {
      // For the library a line costs nearly as much as a block.
      const [cells = []] = text.includes('"') ? this.#parse(text) : [text.split(this.#delimiter)];
      return this.#judge(cells, line, text);
    } catch (error) {
      const code = String((error as { code?: string }).code);
      if (code === "CSV_QUOTE_NOT_CLOSED") return { line, reason: "a quote is not closed", text };
      const reason = code.includes("QUOTE") ? "a quote is out of place" : reasonOf(error);
      return { line, reason, text };
    }
  }

  #parse(text: string): string[][] {
    return parse(text, {
      delimiter: this.#delimiter,
      relax_column_count: true,
      record_delimiter: "\n",
      relax_quotes: !this.#rectangular,
    }) as string[][];
  }

  #judge(cells: string[], line: number, text: string): CsvRecord {
    this.#columns ??= cells.length;
    if (text.includes("\ufffd")) return { line, reason: "not UTF-8 text", text };
    if (this.#rectangular && cells.length !== this.#columns) {
      return { line, reason: `cells: ${cells.length}, the header has ${this.#columns}`, text };
    }
    return { line, text, cells };
  }
}
