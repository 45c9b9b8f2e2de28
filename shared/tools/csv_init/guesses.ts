/** What the cells of a CSV are: numbers or text, times and how they are written, keys; each guess with its reason. */
import {
  columnNames,
  type Decimal,
  numberOf,
  parseRecorded,
  type Recorded,
  type TimeFormat,
  timeFormat,
} from "../../streams.ts";

/** A column, and its cells that aren't empty. */
export interface Column {
  readonly name: string;
  readonly cells: readonly string[];
  /** Whether no cell is empty. */
  readonly isFull: boolean;
}

export function columnsOf(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): Column[] {
  return columnNames(header).map((name, index) => {
    const cells = rows.map((row) => row[index] ?? "").filter((cell) => cell.trim() !== "");
    return { name, cells, isFull: cells.length === rows.length && cells.length > 0 };
  });
}

/** A comma with three digits behind it may as well be one of thousands. */
const DECIMAL_COMMA = /^\s*-?\d+,(\d{1,2}|\d{4,})\s*$/;

/** Whether numbers are written with a decimal comma. */
export function decimalOf(columns: readonly Column[]): { decimal: Decimal; example?: string } {
  const areNumbers = ({ cells }: Column, decimal: Decimal) =>
    cells.length > 0 && cells.every((cell) => numberOf(cell, decimal) !== undefined);
  const withComma = columns.filter((column) =>
    !areNumbers(column, ".") && areNumbers(column, ",") &&
    column.cells.some((cell) => DECIMAL_COMMA.test(cell))
  );
  const withPoint = columns.filter((column) => areNumbers(column, ".") && !areNumbers(column, ","));
  const [first] = withComma;
  if (!first || withComma.length <= withPoint.length) return { decimal: "." };
  const example = first.cells.find((cell) => DECIMAL_COMMA.test(cell)) ?? "";
  return { decimal: ",", example: `${first.name} has ${example.trim()}` };
}

export interface TypeGuess {
  /** Left out where cells of both kinds are left as they come. */
  readonly type?: "number" | "text";
  readonly why: string;
}

/** Fewer numbers than this part of a column, and it is text. */
const MOSTLY = 0.5;

export function typeOf({ cells }: Column, decimal: Decimal): TypeGuess {
  if (cells.length === 0) return { why: "all cells are empty" };
  const numbers = cells.filter((cell) => numberOf(cell, decimal) !== undefined).length;
  if (numbers === cells.length) return { type: "number", why: "every cell is a number" };
  const zero = cells.find((cell) => /^0\d+$/.test(cell));
  if (numbers < cells.length * MOSTLY || zero !== undefined) {
    const why = zero === undefined ? "" : `: ${zero} would lose its zero`;
    return { type: "text", why: `text${why}` };
  }
  const other = cells.find((cell) => numberOf(cell, decimal) === undefined) ?? "";
  return {
    why: `mostly numbers, but also ${JSON.stringify(other.slice(0, 20))}: cells stay what they are`,
  };
}

export interface TimeGuess {
  readonly name: string;
  /** As `--time-format` takes it; left out where none is needed. */
  readonly format?: string;
  readonly times: readonly Recorded[];
  /** Whether day and month could be the other way round. */
  readonly isAmbiguous: boolean;
}

const DATES = [
  ...["DD.MM.YYYY", "D.M.YYYY", "DD.MM.YY", "DD/MM/YYYY", "D/M/YYYY", "DD-MM-YYYY", "YYYY/MM/DD"],
  ...["YYYY.MM.DD", "DD MMM YYYY", "DD-MMM-YYYY", "D MMM YYYY", "MMM D, YYYY", "DD/MMM/YYYY"],
];
const CLOCKS = [
  "",
  " HH:mm:ss",
  " HH:mm",
  " H:mm",
  " HH:mm:ss.S",
  ":HH:mm:ss",
  " h:mm A",
  " h:mm:ss A",
];

/** Times from 2000 to 2100, in seconds. */
const EPOCH = { from: 946_684_800, to: 4_102_444_800 } as const;

/** The column of the recorded time: the first whose cells are all times; numbers of seconds come last. */
export function timeAmong(columns: readonly Column[]): TimeGuess | undefined {
  const full = columns.filter(({ isFull }) => isFull);
  for (const { name, cells } of full) {
    if (cells.every((cell) => numberOf(cell) !== undefined)) continue;
    const usual = timesOf(cells, parseRecorded);
    if (usual) {
      const isAmbiguous = cells.every((cell) => /^\s*(0?\d|1[012])\/(0?\d|1[012])\//.test(cell));
      return { name, times: usual, isAmbiguous };
    }
    for (const format of DATES.flatMap((date) => CLOCKS.map((clock) => date + clock))) {
      const times = timesOf(cells, timeFormat(format));
      if (times) return { name, format, times, isAmbiguous: false };
    }
  }
  for (const [format, unit] of [["epoch", 1], ["epoch-ms", 1000]] as const) {
    for (const { name, cells } of full) {
      const isTime = (cell: string) => {
        const seconds = (numberOf(cell) ?? NaN) / unit;
        return seconds >= EPOCH.from && seconds < EPOCH.to;
      };
      const times = cells.every(isTime) ? timesOf(cells, timeFormat(format)) : undefined;
      if (times) return { name, format, times, isAmbiguous: false };
    }
  }
  return undefined;
}

/** The times of cells; `undefined` unless each is one. */
function timesOf(cells: readonly string[], format: TimeFormat): Recorded[] | undefined {
  const times: Recorded[] = [];
  for (const cell of cells) {
    try {
      times.push(format(cell));
    } catch {
      return undefined;
    }
  }
  return times;
}

/**
 * The usual time from a row to the next, in milliseconds: the median, or where most rows share their time with another,
 * the mean. 0 where there is none.
 */
export function usualGap(times: readonly Recorded[]): number {
  const gaps = times.slice(1).map(({ instant }, index) => instant - (times[index]?.instant ?? 0))
    .filter((gap) => gap >= 0).sort((a, b) => a - b);
  const median = gaps[Math.floor(gaps.length / 2)] ?? 0;
  if (median > 0) return median;
  const all = times.map(({ instant }) => instant);
  const span = all.reduce((a, b) => Math.max(a, b), -Infinity) -
    all.reduce((a, b) => Math.min(a, b), Infinity);
  const mean = gaps.length > 0 ? Math.round(span / gaps.length) : 0;
  return mean < 10_000 ? mean : Math.round(mean / 1000) * 1000;
}

/** A length of time as `--interval` takes it. */
export function intervalText(ms: number): string {
  const units = [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1000]] as const;
  const [unit, length] = units.find(([, length]) => ms >= length && ms % length === 0) ?? ["ms", 1];
  return ms === 0 ? "0" : `${ms / length}${unit}`;
}

/** A column with more different cells is no key: a window for each would hold next to nothing. */
const MAX_KEYS = 1000;

/** Columns whose cells come again and again: whose each row is. */
export function keysAmong(
  columns: readonly Column[],
  time?: string,
): { name: string; count: number }[] {
  return columns.filter(({ isFull, name }) => isFull && name !== time).flatMap(
    ({ name, cells }) => {
      const count = new Set(cells).size;
      const isFraction = cells.some((cell) =>
        /[.,]\d/.test(cell) && numberOf(cell.replace(",", "."))
      );
      const recurs = count > 1 && count <= MAX_KEYS && count <= cells.length / 4;
      return recurs && !isFraction ? [{ name, count }] : [];
    },
  );
}
