/**
 * Command lines: a script names its flags once, and gets typed values and a complete `--help`.
 *
 * Strict: an unknown flag, a missing or a bad value is a {@link UsageError} that says what is accepted.
 */
import { reasonOf, UsageError, withoutPassword } from "./errors.ts";
import { explainMistyped } from "./mistyped.ts";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { parseArgs } from "node:util";

/** One flag: `--name VALUE`, or a switch when `value` is absent. */
export interface Option<T> {
  readonly value?: string;
  readonly help: string;
  /** What is taken without the flag, as a user would type it; `--help` shows it. */
  readonly fallback?: string;
  /** What is taken without the flag, where no text that a user types would say it. */
  readonly otherwise?: () => unknown;
  readonly parse: (text: string) => unknown;
  /** Whether its value becomes part of the log file's name. */
  readonly namesLog?: boolean;
  /** May be given several times: makes one value of all that was given, which may be none. */
  readonly gather?: (values: never[]) => unknown;
  /** Carries the type of the parsed value; never set. */
  readonly type?: T;
}

export type Options = Record<string, Option<unknown>>;

/** The values of a set of options, by the names the script gave them (`queueType` is `--queue-type`). */
export type Values<O extends Options> = {
  [K in keyof O]: O[K] extends Option<infer T> ? T : never;
};

/** What a script is, for `--help`, its log file and its error lines. */
export interface Usage<O extends Options = Options> {
  /** The task's name in deno.json. */
  readonly task: string;
  /** The script's file name without its ending: names the log. */
  readonly script: string;
  /** What it does: the first lines of `--help`. */
  readonly summary: string;
  /** Free arguments, as shown in the usage line; without it there are none. */
  readonly words?: string;
  readonly options: O;
}

/** A flag without a value. */
export function flag(help: string): Option<boolean> {
  return { help, parse: () => true };
}

/** A flag that may be left out: `undefined` then. */
export function optional<T>(
  value: string,
  parse: (text: string) => T,
  help: string,
): Option<T | undefined> {
  return { value, parse, help };
}

/** A flag with a default, written as a user would type it. */
export function withDefault<T>(
  value: string,
  parse: (text: string) => T,
  fallback: string,
  help: string,
): Option<T> {
  return { value, parse, fallback, help };
}

/** A flag that may be given several times. */
export function repeatable<T>(
  value: string,
  parse: (text: string) => T,
  help: string,
): Option<T[]> {
  return { value, parse, help: `${help}; repeatable`, gather: (values) => values };
}

/** A flag that names a file, looked for where it is typed; `-` stays as it is. */
export function path(value: string, help: string): Option<string | undefined> {
  const parse = (typed: string) => typed === "-" ? typed : fromHere(text(typed));
  return { value, parse, help };
}

/** The same with a default, a file of the project. */
export function pathWithDefault(value: string, fallback: string, help: string): Option<string> {
  return {
    ...path(value, help) as Option<string>,
    fallback,
    otherwise: () => ofProject(fallback),
  };
}

/** Any text but the empty one. */
export function text(value: string): string {
  if (value === "") throw new RangeError("must not be empty");
  return value;
}

/** A whole number between two bounds, both included. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return (value) => {
    const number = /^\d{1,16}$/.test(value) ? Number(value) : NaN;
    if (!(number >= min && number <= max)) throw new RangeError(`must be a whole number ${range}`);
    return number;
  };
}

/** A number of at least (or, with `open`, above) a bound. */
export function number(
  min: number,
  { open = false }: { open?: boolean } = {},
): (text: string) => number {
  return (value) => {
    const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : NaN;
    if (!(open ? number > min : number >= min) || !Number.isFinite(number)) {
      throw new RangeError(`must be a number ${open ? "above" : "of at least"} ${min}`);
    }
    return number;
  };
}

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A length of time, in milliseconds: `250ms`, `5s`, `2.5m`, `1h`, `2d` or `0`. */
export function duration(value: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value) ?? [];
  const ms = value === "0" ? 0 : Number(amount) * (UNITS[unit ?? ""] ?? NaN);
  if (!(ms <= 365 * 86_400_000)) throw new RangeError("must be a time like 250ms, 5s, 2m or 0");
  return ms;
}

/** A length of time above zero, in milliseconds. */
export function positiveDuration(value: string): number {
  const ms = value === "0" ? 0 : duration(value);
  if (ms === 0) throw new RangeError("must be a time above 0, like 250ms, 5s or 2m");
  return ms;
}

/** One of some words. */
export function oneOf<T extends string>(...words: T[]): (text: string) => T {
  return (value) => {
    const word = words.find((word) => word === value);
    if (word === undefined) throw new RangeError(`must be ${words.join(" or ")}`);
    return word;
  };
}

/** A name that is safe in a file name and in a message id: letters, digits, `.`, `_` and `-`. */
export function plainName(value: string): string {
  if (!/^[\p{L}\p{N}_][\p{L}\p{N}._-]{0,63}$/u.test(value)) {
    throw new RangeError("must be 1 to 64 letters, digits, '.', '_' or '-'");
  }
  return value;
}

/** A flag as it is typed: `queue-type` for `queueType`. */
export const kebab = (name: string) =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/**
 * Reads a command line.
 *
 * @throws {UsageError} If a flag is unknown, lacks its value or has a bad one, or a free argument is unexpected.
 */
export function parseOptions<O extends Options>(
  args: string[],
  usage: Usage<O>,
): { values: Values<O>; words: string[] } {
  const known = new Map(Object.keys(usage.options).map((name) => [kebab(name), name]));
  const takesValue = (flag: string) => usage.options[known.get(flag) ?? ""]?.value !== undefined;
  const spec = Object.fromEntries([...known.keys()].map((flag) => {
    return [flag, { type: takesValue(flag) ? "string" : "boolean", multiple: true } as const];
  }));
  let parsed;
  try {
    const joined = joinNegatives(args, takesValue);
    parsed = parseArgs({ args: joined, options: spec, allowPositionals: true, tokens: true });
  } catch (error) {
    throw new UsageError(explainMistyped(reasonOf(error), [...known.keys(), "help"]));
  }
  if (usage.words === undefined && parsed.positionals.length > 0) {
    throw new UsageError(
      `Unexpected argument ${quote(parsed.positionals[0] ?? "")}: ` +
        `deno task ${usage.task} takes flags only (--help lists them)`,
    );
  }
  const values = Object.fromEntries([...known].map(([flag, name]) => {
    const option = usage.options[name] as Option<unknown>;
    const given = (parsed.values[flag] ?? []) as (string | boolean)[];
    const read = (text: string | boolean) => {
      try {
        return option.parse(String(text));
      } catch (error) {
        throw new UsageError(`--${flag} ${reasonOf(error)}, got ${quote(String(text))}`);
      }
    };
    if (option.gather) return [name, option.gather(given.map(read) as never[])];
    const last = given.at(-1);
    if (last !== undefined) return [name, read(last)];
    if (option.otherwise) return [name, option.otherwise()];
    if (option.fallback !== undefined) return [name, read(option.fallback)];
    return [name, option.value ? undefined : false];
  }));
  return { values: values as Values<O>, words: parsed.positionals };
}

/** `--limit -3` as `--limit=-3`: the error is about -3 then, not about a missing value. */
function joinNegatives(args: string[], takesValue: (flag: string) => boolean): string[] {
  const joined: string[] = [];
  for (const [index, arg] of args.entries()) {
    if (arg === "--") return [...joined, ...args.slice(index)];
    const before = joined.at(-1);
    const negative = /^-[\d.]/.test(arg) && before?.startsWith("--") && takesValue(before.slice(2));
    if (negative) joined.push(`${joined.pop()}=${arg}`);
    else joined.push(arg);
  }
  return joined;
}

function quote(typed: string): string {
  const text = withoutPassword(typed);
  return text.length > 80 ? `${JSON.stringify(text.slice(0, 80))}…` : JSON.stringify(text);
}

/** The text that `--help` prints. */
export function helpText(usage: Usage): string {
  const rows = Object.entries(usage.options).map(([name, option]) => {
    const left = option.value === undefined
      ? `--${kebab(name)}`
      : `--${kebab(name)} ${option.value}`;
    const fallback = option.fallback === undefined ? "" : ` (default ${option.fallback})`;
    return [left, option.help + fallback] as const;
  });
  rows.push(["--help", "show this; -h, too"]);
  const width = Math.max(...rows.map(([left]) => left.length));
  return [
    usage.summary,
    "",
    `Usage: deno task ${usage.task}${usage.words ? ` ${usage.words}` : ""} [flags]`,
    "",
    ...rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`),
  ].join("\n");
}

/** The project's folder. */
export const PROJECT = dirname(dirname(import.meta.dirname ?? ""));

/** A path as it was typed. */
export function fromHere(path: string): string {
  const cwd = Deno.cwd();
  const { state } = Deno.permissions.querySync({ name: "env", variable: "INIT_CWD" });
  // A task that starts `deno run` elsewhere hands it on, too: there it says nothing.
  const initial = cwd === PROJECT && state === "granted" ? Deno.env.get("INIT_CWD") : undefined;
  const typedIn = initial || cwd;
  // Short, as it was typed, where that is the same.
  return isAbsolute(path) || typedIn === PROJECT ? path : resolve(typedIn, path);
}

/** A path that is relative to the project where the file lies in it, and else as it is. */
export function inProject(path: string): string {
  const within = relative(PROJECT, resolve(PROJECT, path));
  return within.startsWith("..") || isAbsolute(within) ? path : within;
}

/** A file or folder of the project. */
export function ofProject(path: string): string {
  return Deno.cwd() === PROJECT ? path : resolve(PROJECT, path);
}
