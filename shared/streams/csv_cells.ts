/** The cells of any CSV as JSON values, by the names of their columns. */

/** A row: JSON values by column, in the order of the header. */
export type CsvRow = ReadonlyMap<string, unknown>;

/** What a column's cells are: whatever they look like, text, or numbers. */
export type CellType = "any" | "text" | "number";

/** The types of columns: of those that are named, and of the others. */
export interface CellTypes {
  readonly others: "any" | "text";
  readonly columns: ReadonlyMap<string, CellType>;
}

export type Decimal = "." | ",";

const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i;

/**
 * The number that a cell is, as JSON writes numbers; `undefined` where it is none, or an integer that JavaScript can't
 * hold exactly.
 *
 * @param decimal With `,` for a decimal comma, a point makes it no number.
 */
export function numberOf(cell: string, decimal: Decimal = "."): number | undefined {
  const trimmed = cell.trim();
  if (decimal === "," && trimmed.includes(".")) return undefined;
  const written = decimal === "," ? trimmed.replace(",", ".") : trimmed;
  if (!JSON_NUMBER.test(written)) return undefined;
  const number = Number(written);
  const isExact = Number.isInteger(number) ? Number.isSafeInteger(number) : Number.isFinite(number);
  return isExact ? number : undefined;
}

/**
 * A cell as a JSON value: a number if it is one, `null` if it is empty, else its text.
 *
 * @throws {RangeError} If it must be a number, and isn't.
 */
export function valueOfCell(cell: string, type: CellType, decimal: Decimal): unknown {
  if (cell.trim() === "") return null;
  if (type === "text") return cell;
  const number = numberOf(cell, decimal);
  if (number !== undefined) return number;
  if (type === "number") throw new RangeError(`must be a number, got ${shown(cell)}`);
  return cell;
}

/** The names of a header's columns: those without one are called `column3`, one that comes again `name_2`. */
export function columnNames(header: readonly string[]): string[] {
  const given = new Set(header.map((cell) => cell.trim()));
  const taken = new Set<string>();
  return header.map((cell, index) => {
    const name = cell.trim() || `column${index + 1}`;
    let unique = name;
    // What another column is called by its own header stays that one's.
    const isFree = (one: string) => !taken.has(one) && (one === cell.trim() || !given.has(one));
    for (let count = 2; !isFree(unique); count++) unique = `${name}_${count}`;
    taken.add(unique);
    return unique;
  });
}

/** The one of some names that is meant: in any case, where none is written like it; `undefined` if there is none. */
export function columnAmong(names: Iterable<string>, wanted: string): string | undefined {
  const all = [...names];
  if (all.includes(wanted)) return wanted;
  return all.find((name) => name.toLowerCase() === wanted.toLowerCase());
}

/**
 * The value of a column, whose name may be written in any case.
 *
 * @throws {RangeError} If there is no such column.
 */
export function cellOf(row: CsvRow, column: string): unknown {
  const value = row.get(column);
  if (value !== undefined) return value;
  const name = columnAmong(row.keys(), column);
  if (name === undefined) throw new RangeError(`column ${shown(column)} is missing`);
  return row.get(name);
}

/** A value as one cell: text as it is, anything else as JSON, nothing for `null`. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A row as JSON. An object would put columns that are called like numbers before the others. */
export function jsonOf(row: CsvRow): string {
  const fields = Array.from(
    row,
    ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
  );
  return `{${fields.join(",")}}`;
}

/** Some text of a user's in an error line. */
export function shown(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);
}

const MAX_SHOWN = 40;
