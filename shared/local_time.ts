/**
 * Recorded times: local, without a zone, as the CSV gives them. As numbers they are milliseconds on a calendar
 * without daylight saving, so that differences are those of the recording.
 */

const CLASS_FORM =
  /^(\d{1,2})\/(\d{1,2})\/(\d{2}|\d{4})[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3})\d*)?)?$/;
const ISO_8601 =
  /^(\d{4})-(\d{2})-(\d{2})[ T](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,3})\d*)?)?(?:Z|[+-]00:?00)?$/;

/**
 * Reads `M/D/YY[YY] H:MM[:SS]` (two digits of a year mean 20xx) or ISO 8601.
 *
 * @returns Milliseconds since 1970 on the recording's own calendar.
 * @throws {RangeError} If it is neither, or no such day or time exists.
 */
export function parseLocalTime(text: string): number {
  const trimmed = text.trim();
  const us = CLASS_FORM.exec(trimmed);
  const iso = us ? null : ISO_8601.exec(trimmed);
  const parts = us ? [us[3], us[1], us[2], ...us.slice(4)] : iso?.slice(1);
  if (!parts) throw unreadable(text);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(0, 6).map((
    part,
  ) => Number(part ?? 0));
  const millisecond = Number((parts[6] ?? "0").padEnd(3, "0"));
  const fullYear = us && year < 100 ? 2000 + year : year;
  // Date.UTC takes the years 0 to 99 for 1900 to 1999.
  const date = new Date(Date.UTC(2000, 0, 1, hour, minute, second, millisecond));
  const time = date.setUTCFullYear(fullYear, month - 1, day);
  // What doesn't exist rolls over: 2/30 would become 3/2.
  const same = date.getUTCMonth() === month - 1 && date.getUTCDate() === day &&
    date.getUTCHours() === hour && date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second;
  if (!same) throw unreadable(text);
  return time;
}

/** Writes a recorded time as `2021-05-22T12:34:10`, with milliseconds only where there are some. */
export function formatLocalTime(time: number): string {
  return new Date(time).toISOString().replace(/(\.000)?Z$/, "");
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

function unreadable(text: string): RangeError {
  return new RangeError(
    `unreadable date ${JSON.stringify(text.slice(0, 40))}: expected M/D/YY H:MM[:SS] or ISO 8601`,
  );
}
