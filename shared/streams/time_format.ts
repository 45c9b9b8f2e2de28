/** Times in a form that a user names: `DD.MM.YYYY HH:mm:ss`, `epoch`, `epoch-ms`. */
import { type Recorded, recordedOf, type TimeParts } from "./local_time.ts";

/**
 * Reads times of one form.
 *
 * @throws {RangeError} If a text has another form, or there is no such time.
 */
export type TimeFormat = (text: string) => Recorded;

/** The part of a time that each token of a pattern reads, and how that is written. The longer tokens come first. */
const TOKENS: Readonly<Record<string, readonly [part: keyof TimeParts, pattern: string]>> = {
  YYYY: ["year", String.raw`\d{4}`],
  YY: ["year", String.raw`\d\d`],
  MMMM: ["month", String.raw`\p{L}+`],
  MMM: ["month", String.raw`\p{L}{3}`],
  MM: ["month", String.raw`\d\d`],
  M: ["month", String.raw`\d\d?`],
  DD: ["day", String.raw`\d\d`],
  D: ["day", String.raw`\d\d?`],
  HH: ["hour", String.raw`\d\d`],
  H: ["hour", String.raw`\d\d?`],
  hh: ["hour", String.raw`\d\d`],
  h: ["hour", String.raw`\d\d?`],
  mm: ["minute", String.raw`\d\d`],
  m: ["minute", String.raw`\d\d?`],
  ss: ["second", String.raw`\d\d`],
  s: ["second", String.raw`\d\d?`],
  S: ["fraction", String.raw`\d+`],
  A: ["half", "[AP](?=M)"],
};

const TOKEN = /YYYY|YY|MMMM|MMM|MM?|DD?|HH?|hh?|mm?|ss?|S+|A/g;

const MONTHS = [
  ...["january", "february", "march", "april", "may", "june"],
  ...["july", "august", "september", "october", "november", "december"],
];

/** The latest time that a date can have, in ms. */
const MIN_TIME = Date.UTC(-1, 12);
const MAX_TIME = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * What reads times of a form.
 *
 * @param format `epoch` or `epoch-ms`, seconds or milliseconds since 1970; or a pattern of `YYYY` `YY` `MMMM` `MMM` `MM`
 * `M` `DD` `D` `HH` `H` `hh` `h` `mm` `m` `ss` `s` `S` (a second's fraction) `A` (AM or PM), and other characters as they are.
 * @throws {RangeError} If it is neither.
 */
export function timeFormat(format: string): TimeFormat {
  if (format === "epoch") return epoch(1000, "seconds since 1970");
  if (format === "epoch-ms") return epoch(1, "milliseconds since 1970");
  const form = formOf(format);
  return (text) => {
    const parts = form.exec(text.trim())?.groups;
    const recorded = parts && recordedOf({ ...parts, month: monthNumber(parts.month) });
    if (!recorded) throw unreadable(text, format);
    return recorded;
  };
}

/** @throws {RangeError} If a pattern lacks year, month or day, or has a part twice. */
function formOf(format: string): RegExp {
  const read: string[] = [];
  let pattern = "";
  let end = 0;
  for (const { 0: token, index } of format.matchAll(TOKEN)) {
    const [part, digits] = TOKENS[token.startsWith("S") ? "S" : token] ?? ["year", ""];
    pattern += RegExp.escape(format.slice(end, index));
    pattern += part === "half" ? `(?<half>${digits})M` : `(?<${part}>${digits})`;
    read.push(part);
    end = index + token.length;
  }
  pattern += RegExp.escape(format.slice(end));
  const lacks = ["year", "month", "day"].some((part) => !read.includes(part));
  const halves = read.includes("half") === /h/.test(format);
  if (lacks || !halves || new Set(read).size < read.length) {
    throw new RangeError(
      "must be epoch, epoch-ms or a pattern like DD.MM.YYYY HH:mm:ss (hh with A)",
    );
  }
  return new RegExp(`^${pattern}$`, "iu");
}

/** A month's name as its number; what isn't one stays, and is no month. */
function monthNumber(text = ""): string {
  const name = text.toLowerCase();
  const month = name.length < 3 ? -1 : MONTHS.findIndex((month) => month.startsWith(name));
  return month < 0 ? text : String(month + 1);
}

function epoch(unitMs: number, unit: string): TimeFormat {
  return (text) => {
    const trimmed = text.trim();
    const ms = /^-?\d+(\.\d+)?$/.test(trimmed) ? Math.round(Number(trimmed) * unitMs) : NaN;
    if (!(ms >= MIN_TIME && ms <= MAX_TIME)) throw unreadable(text, unit);
    return { local: ms, instant: ms };
  };
}

function unreadable(text: string, expected: string): RangeError {
  return new RangeError(
    `unreadable time ${JSON.stringify(text.slice(0, 40))}: expected ${expected}`,
  );
}
