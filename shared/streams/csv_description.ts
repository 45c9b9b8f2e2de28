/**
 * What a user says of a CSV that no stream here declares: flags, or a file of the same names, `data/*.stream.json`.
 */
import {
  duration,
  isAllowed,
  kebab,
  nearest,
  oneOf,
  type Option,
  optional,
  path,
  reasonOf,
  repeatable,
  text,
  UsageError,
  type Values,
} from "../script.ts";
import { z } from "zod";
import { type CellType, type CellTypes, type Decimal, shown } from "./csv_cells.ts";
import { requireQueueName } from "./queue_option.ts";
import { timeFormat } from "./time_format.ts";

/** The flags that make a description. A script takes those that it needs. */
export const DESCRIPTION_OPTIONS = {
  title: optional("TEXT", text, "what the stream is called on the board"),
  file: optional("PATH", text, "the CSV itself"),
  queue: optional("NAME", requireQueueName, "the queue of the rows"),
  exchange: optional(
    "NAME",
    exchangeName,
    "publish to this exchange, which must exist, and to no queue",
  ),
  routingKey: optional(
    "KEY",
    text,
    "routing key for --exchange: 'metrics.{host}' has the row's cell of that column (default empty)",
  ),
  delimiter: optional("CHAR", delimiter, "what separates cells; tab for a tab (default ,)"),
  decimal: optional("MARK", oneOf<Decimal>(".", ","), "a , where 12,50 is a number (default .)"),
  time: optional("COLUMN", text, "the column of the recorded time"),
  timeFormat: optional(
    "FORMAT",
    timeFormat,
    "how times are written: a pattern like 'DD.MM.YYYY HH:mm:ss', epoch or epoch-ms",
  ),
  types: optional(
    "TYPES",
    cellTypes,
    "zip=text,price=number: else a cell that is a number becomes one; text alone: no conversion",
  ),
  id: optional("COLUMN", text, "message ids from this column, not from the row's number"),
  interval: optional("TIME", typed(duration), "time between rows"),
  show: optional("COLUMNS", columnList, "columns in the line of a row: Nr,Kunde (default all)"),
  by: optional("COLUMN", text, "a window for each value of this column (default one window)"),
  value: optional("COLUMN", text, "the column that is watched: its cells must be numbers"),
  unit: optional("TEXT", text, "unit of that column"),
  window: optional("SIZE", text, "length of the windows: 10m of recorded time, or 20 readings"),
  alert: repeatable("RULE", text, "a rule, such as 'high: last above 90 for 5m'"),
};

/** The description of a CSV; what it doesn't say is left out, or an empty list. */
export type CsvDescription = Partial<Values<typeof DESCRIPTION_OPTIONS>>;

/** The flag of a file with a description. */
export const STREAM_OPTION = {
  stream: path(
    "FILE",
    "description of the stream, such as data/metrics.stream.json (- for standard input); flags win",
  ),
};

const Word = z.union([z.string(), z.number()]).transform(String);

/** Forms that say more than a flag can: names of columns may have any characters in them. */
const LISTS = {
  types: z.preprocess(entriesOf, z.array(z.tuple([z.string(), z.enum(["text", "number"])])))
    .transform((columns): CellTypes => ({ others: "any", columns: new Map(columns) })),
  show: z.array(z.string()).min(1),
  alert: z.array(z.string()),
};

const ACCEPTED: Readonly<Record<string, string>> = {
  types: 'must be text, or "text" or "number" for each column',
  show: "must be text, or a list of columns",
  alert: "must be text, or a list of rules",
};

/** An error line shows at most this much of a value, in characters. */
const MAX_FOUND = 40;

const FILE = z.strictObject(Object.fromEntries(
  Object.entries<Option<unknown>>(DESCRIPTION_OPTIONS).map(([name, { parse, gather }]) => {
    const flag = Word.transform((word, context) => {
      try {
        const value = parse(word);
        return gather ? [value] : value;
      } catch (error) {
        context.addIssue({ code: "custom", message: `${reasonOf(error)}, got ${shown(word)}` });
        return z.NEVER;
      }
    });
    const list = (LISTS as Record<string, z.ZodType>)[name];
    return [kebab(name), (list ? z.union([list, flag]) : flag).optional()];
  }),
));

const NAMES = new Map(Object.keys(DESCRIPTION_OPTIONS).map((name) => [kebab(name), name]));

/**
 * Reads a description.
 *
 * @param json The text of a file.
 * @param what What it is called in an error line.
 * @throws {UsageError} If it isn't one.
 */
export function parseDescription(json: string, what: string): CsvDescription {
  let value: unknown;
  try {
    value = JSON.parse(json.replace(/^\ufeff/, ""));
  } catch (error) {
    throw new UsageError(`${what} is not JSON: ${reasonOf(error).split("\n")[0]}`);
  }
  const result = FILE.safeParse(value);
  if (!result.success) throw new UsageError(`${what}: ${wrongWith(result.error.issues[0], value)}`);
  const named = Object.entries(result.data).map(([key, value]) => [NAMES.get(key) ?? key, value]);
  return Object.fromEntries(named);
}

/**
 * The description that the flags of a script make; what they leave out comes from the file of `--stream`.
 *
 * @throws {UsageError} If the file can't be read, or isn't a description.
 */
export async function describedBy(
  values: CsvDescription & { readonly stream?: string | undefined },
): Promise<CsvDescription> {
  const inFile = values.stream === undefined ? {} : await readDescription(values.stream);
  const given = Object.keys(DESCRIPTION_OPTIONS)
    .map((name) => [name, values[name as keyof CsvDescription]] as const)
    .filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0));
  return { ...inFile, ...Object.fromEntries(given) };
}

/**
 * Reads a description from a file, or from standard input where `path` is `-`.
 *
 * @param flag What has named it.
 * @throws {UsageError} If the file can't be read, or isn't a description.
 */
export async function readDescription(path: string, flag = "--stream"): Promise<CsvDescription> {
  const what = `${flag} ${path}`.trim();
  let json: string;
  try {
    if (path !== "-") await isAllowed({ name: "read", path });
    json = path === "-"
      ? await new Response(Deno.stdin.readable).text()
      : await Deno.readTextFile(path);
  } catch (error) {
    const why = error instanceof Deno.errors.NotCapable
      ? "this task may read data/ only: put it there"
      : error instanceof Deno.errors.NotFound
      ? "no such file"
      : reasonOf(error);
    throw new UsageError(`${what} can't be read: ${why}`);
  }
  return parseDescription(json, what);
}

function wrongWith(issue: z.core.$ZodIssue | undefined, value: unknown): string {
  if (issue?.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    const [near] = nearest(key, [...NAMES.keys()]);
    const all = `known are ${[...NAMES.keys()].join(", ")}`;
    return `unknown key ${shown(key)}, ${
      near === undefined ? all : `did you mean ${shown(near)}?`
    }`;
  }
  const [key] = issue?.path ?? [];
  if (key === undefined) return "must be a JSON object";
  const accepted = ACCEPTED[String(key)] ?? "must be text";
  const found = JSON.stringify(Object(value)[key]).slice(0, MAX_FOUND);
  return `${shown(String(key))} ${reasonIn(issue) ?? `${accepted}, got ${found}`}`;
}

/** What a flag's parser says, also where a list was possible, too. */
function reasonIn(issue: z.core.$ZodIssue | undefined): string | undefined {
  if (issue?.code === "custom") return issue.message;
  if (issue?.code !== "invalid_union") return undefined;
  return issue.errors.flat().map(reasonIn).find((reason) => reason !== undefined);
}

/** The fields of an object; a schema of a record would leave out one called `__proto__`. */
function entriesOf(value: unknown): [string, unknown][] | undefined {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? Object.entries(value) : undefined;
}

/** Keeps what was typed, once it can be read. */
function typed(parse: (text: string) => unknown): (text: string) => string {
  return (value) => {
    parse(value);
    return value;
  };
}

/** The longest name of an exchange, in bytes. */
const MAX_EXCHANGE_BYTES = 255;

function exchangeName(value: string): string {
  if (value === "" || new TextEncoder().encode(value).length > MAX_EXCHANGE_BYTES) {
    throw new RangeError(`must have 1 to ${MAX_EXCHANGE_BYTES} bytes`);
  }
  return value;
}

/** What separates cells: one character, or `tab`. */
export function delimiter(value: string): string {
  const character = value === "tab" || value === "\\t" ? "\t" : value;
  if ([...character].length !== 1 || /["\r\n]/.test(character)) {
    throw new RangeError("must be one character, or tab");
  }
  return character;
}

function columnList(value: string): string[] {
  const columns = value.split(",").map((column) => column.trim());
  if (columns.includes("")) throw new RangeError("must be names of columns, such as Nr,Kunde");
  return columns;
}

function cellTypes(value: string): CellTypes {
  const columns = new Map<string, CellType>();
  let others: CellTypes["others"] = "any";
  for (const part of value.split(",")) {
    const [, column, type] = /^(?:(.+)=)?(text|number)$/.exec(part.trim()) ?? [];
    if (column === undefined && type === "text") others = "text";
    else if (column !== undefined) columns.set(column.trim(), type as CellType);
    else throw new RangeError("must look like zip=text,price=number, or be text");
  }
  return { others, columns };
}
