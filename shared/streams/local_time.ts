/**
 * Recorded times: local, as the CSV gives them. As numbers they are milliseconds on a calendar without daylight
 * saving, so that differences are those of the recording. An offset from UTC counts for order and pace only.
 */

const SECOND = String.raw`(?<second>\d\d)(?:[.,](?<fraction>\d+))?`;

const CLASS_DATE = String.raw`(?<month>\d\d?)/(?<day>\d\d?)/(?<year>\d\d(?:\d\d)?)`;
const CLASS_TIME = String.raw`(?<hour>\d\d?):(?<minute>\d\d)(?::${SECOND})?(?:\s?(?<half>[AP])M)?`;
const CLASS_FORM = new RegExp(`^${CLASS_DATE}(?:[T ]${CLASS_TIME})?$`, "i");

// A date has both its dashes or none, a time all its colons or none: 20230214T101500Z.
const ISO_DATE = String.raw`(?<year>\d{4})(?<dash>-?)(?<month>\d\d)\k<dash>(?<day>\d\d)`;
const ISO_TIME = String.raw`(?<hour>\d\d)(?<colon>:?)(?<minute>\d\d)(?:\k<colon>${SECOND})?`;
const ISO_OFFSET = String.raw`Z|(?<sign>[+-])(?<aheadHours>\d\d)(?::?(?<aheadMinutes>\d\d))?`;
const ISO_8601 = new RegExp(`^${ISO_DATE}(?:[T ]${ISO_TIME}(?: ?(?:${ISO_OFFSET}))?)?$`, "i");

const MINUTE_MS = 60_000;

/** The calendar repeats itself every 400 years. */
const CALENDAR_YEARS = 400;
const CALENDAR_MS = 146_097 * 24 * 60 * MINUTE_MS;

/** A time as it was recorded, both in milliseconds since 1970. */
export interface Recorded {
  /** As written, on the recording's own calendar. */
  readonly local: number;
  /** For order and pace: in UTC where an offset is written, else the same. */
  readonly instant: number;
}

/**
 * Reads `M/D/YY[YY]`, with or without `H:MM[:SS] [AM|PM]` (two digits of a year mean 20xx), or ISO 8601. A date
 * alone is its midnight. The time is taken as written: an offset from UTC changes nothing.
 *
 * @returns Milliseconds since 1970 on the recording's own calendar.
 * @throws {RangeError} If it is neither, or no such day, time or offset exists.
 */
export function parseLocalTime(text: string): number {
  return parseRecorded(text).local;
}

/**
 * Reads what {@link parseLocalTime} reads, with what order and pace go by.
 *
 * @throws {RangeError} As `parseLocalTime`.
 */
export function parseRecorded(text: string): Recorded {
  const trimmed = text.trim();
  const parts = (CLASS_FORM.exec(trimmed) ?? ISO_8601.exec(trimmed))?.groups;
  if (!parts) throw unreadable(text);
  const recorded = recordedOf(parts);
  if (!recorded) throw unreadable(text);
  return recorded;
}

/** The parts of a time, as they are written; those that are left out are the smallest. */
export interface TimeParts {
  /** Two digits mean 20xx. */
  readonly year?: string | undefined;
  readonly month?: string | undefined;
  readonly day?: string | undefined;
  readonly hour?: string | undefined;
  readonly minute?: string | undefined;
  readonly second?: string | undefined;
  /** Of a second: the digits behind its point. */
  readonly fraction?: string | undefined;
  /** `A` or `P`. */
  readonly half?: string | undefined;
  /** Of the offset from UTC. */
  readonly sign?: string | undefined;
  readonly aheadHours?: string | undefined;
  readonly aheadMinutes?: string | undefined;
}

/** The time of some parts; `undefined` if no such day, time or offset exists. */
export function recordedOf(parts: TimeParts): Recorded | undefined {
  const year = Number(parts.year) + (parts.year?.length === 2 ? 2000 : 0);
  const month = Number(parts.month) - 1;
  const day = Number(parts.day);
  const hour = hourOfDay(Number(parts.hour ?? 0), parts.half);
  const minute = Number(parts.minute ?? 0);
  const second = Number(parts.second ?? 0);
  const millisecond = parts.fraction ? Number(parts.fraction.slice(0, 3).padEnd(3, "0")) : 0;
  // Date.UTC takes the years 0 to 99 for 1900 to 1999.
  const shifted = Date.UTC(year + CALENDAR_YEARS, month, day, hour, minute, second, millisecond);
  // A day that doesn't exist rolls over into another month: 2/30 would become 3/2.
  const exists = new Date(shifted).getUTCMonth() === month &&
    hour <= 23 && minute <= 59 && second <= 59;
  const aheadHours = Number(parts.aheadHours ?? 0);
  const aheadMinutes = Number(parts.aheadMinutes ?? 0);
  if (!exists || aheadHours > 23 || aheadMinutes > 59) return undefined;
  const ahead = (aheadHours * 60 + aheadMinutes) * MINUTE_MS;
  const local = shifted - CALENDAR_MS;
  return { local, instant: parts.sign === "-" ? local + ahead : local - ahead };
}

/** With AM or PM hours go from 12, 1, 2, … to 11; `NaN` for any other. */
function hourOfDay(hour: number, half: string | undefined): number {
  if (half === undefined) return hour;
  if (hour < 1 || hour > 12) return NaN;
  return hour % 12 + (half.toUpperCase() === "P" ? 12 : 0);
}

/** The messages of one row have one time, and writing it costs more than all else of them. */
let lastFormatted = { time: NaN, text: "" };

/** Writes a recorded time as `2021-05-22T12:34:10`, with milliseconds only where there are some. */
export function formatLocalTime(time: number): string {
  if (time === lastFormatted.time) return lastFormatted.text;
  const text = new Date(time).toISOString();
  lastFormatted = {
    time,
    text: text.slice(0, text.endsWith(".000Z") ? -".000Z".length : -"Z".length),
  };
  return lastFormatted.text;
}

/** A moment by this machine's clock, to the second, as a recorded time. */
export function localNow(moment = new Date()): number {
  const local = moment.getTime() - moment.getTimezoneOffset() * MINUTE_MS;
  return Math.floor(local / 1000) * 1000;
}

/**
 * Writes a recorded time as the class's files do: `2/14/23 10:15`, seconds only where there are some; with
 * `padded` `05/22/21 12:34:10`. Years beyond 20xx get their four digits.
 */
export function formatClassTime(
  time: number,
  { padded = false }: { padded?: boolean } = {},
): string {
  const date = new Date(time);
  const year = date.getUTCFullYear();
  const two = (number: number) => String(number).padStart(2, "0");
  const some = padded ? two : String;
  const seconds = padded || date.getUTCSeconds() !== 0 ? `:${two(date.getUTCSeconds())}` : "";
  return `${some(date.getUTCMonth() + 1)}/${some(date.getUTCDate())}/` +
    `${year >= 2000 && year < 2100 ? two(year % 100) : String(year).padStart(4, "0")} ` +
    `${some(date.getUTCHours())}:${two(date.getUTCMinutes())}${seconds}`;
}

/** The time of day of a recorded time. */
export function timeOfDay(time: string): string {
  return time.split("T")[1] ?? time;
}

/** A length of time, as a person says it. */
export function spanText(ms: number): string {
  return ms % 60_000 === 0 || ms > 60_000 ? `${ms / 60_000} min` : `${ms / 1000} s`;
}

/** A length of time in words: its two largest units, such as `1 h 45 min`. */
export function lengthText(seconds: number): string {
  const [h, min, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) return min > 0 ? `${h} h ${min} min` : `${h} h`;
  if (min > 0) return s > 0 ? `${min} min ${s} s` : `${min} min`;
  return `${s} s`;
}

function unreadable(text: string): RangeError {
  return new RangeError(
    `unreadable date ${JSON.stringify(text.slice(0, 40))}: ` +
      "expected M/D/YY H:MM[:SS] [AM|PM] or ISO 8601",
  );
}
