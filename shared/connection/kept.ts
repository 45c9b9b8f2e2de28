/**
 * Properties of other programs' messages, as far as they can be written again: what the AMQP library can't write, or
 * would change, is written otherwise or left out, and named.
 */
import type { Field } from "@cloudamqp/amqp-client";
import { AMQPView } from "@cloudamqp/amqp-client/amqp-view";
import { isMiswritten, type Properties } from "./channel.ts";
import { FRAME_BYTES, READ_BYTES } from "./client.ts";

/** In a frame, beside the properties: the library writes the routing key before them, and a note may be added. */
const RESERVED_BYTES = 2048;

/** The protocol's short strings. */
const MAX_SHORT_BYTES = 255;

/** Tables and lists in each other up to so many. */
const MAX_DEPTH = 32;

const bytesIn = (text: string) => new TextEncoder().encode(text).length;

/**
 * @param properties As they were delivered.
 * @param more Headers to add, which fit always: some hundred bytes.
 * @param frameBytes The largest frame that the broker takes.
 * @returns What can be written in one frame, and what isn't as it was: in words.
 */
export function kept(
  { headers, ...others }: Properties,
  more: Record<string, Field> = {},
  frameBytes = FRAME_BYTES,
): { properties: Properties; lost: string[] } {
  const lost = new Set<string>();
  const simple = Object.entries(others).filter(([name, value]) => {
    const writable = value instanceof Date
      ? !isNaN(value.getTime())
      : typeof value !== "string" || bytesIn(value) <= MAX_SHORT_BYTES;
    if (!writable) lost.add(name);
    else if (isMarked(value)) lost.add(`${name} (not UTF-8)`);
    return writable;
  });
  const table = Object.entries(headers ?? {}).flatMap(([name, value]) => {
    const field = writable(value, shown(name), lost, 0);
    if (bytesIn(name) <= MAX_SHORT_BYTES && field !== undefined) return [[name, field] as const];
    lost.add(shown(name));
    return [];
  });
  const properties = (fields: typeof table) => ({
    ...Object.fromEntries(simple),
    headers: { ...Object.fromEntries(fields), ...more },
  });
  // The largest go first, until the others fit.
  const sizes = new Map(
    table.map((field) => [field, sizeOf({ headers: { [field[0]]: field[1] } }) - EMPTY_TABLE]),
  );
  let room = frameBytes - RESERVED_BYTES - sizeOf(properties([]));
  const small = new Set(
    [...table].sort((a, b) => (sizes.get(a) ?? 0) - (sizes.get(b) ?? 0))
      .filter((field) => (room -= sizes.get(field) ?? 0) >= 0),
  );
  const fields = table.filter((field) => small.has(field));
  for (const field of table) {
    if (!small.has(field)) lost.add(`${shown(field[0])} (too long)`);
  }
  return { properties: properties(fields), lost: [...lost] };
}

/** A header's value as the library writes it unchanged; `undefined` if there is none. */
function writable(value: Field, name: string, lost: Set<string>, depth: number): Field {
  const note = (what: string) => void lost.add(`${name} (${what})`);
  if (typeof value === "number") return writableNumber(value, note);
  if (isMarked(value)) note("not UTF-8");
  if (value instanceof Date) return isNaN(value.getTime()) ? undefined : value;
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (depth === MAX_DEPTH) {
    note("too deep");
    return undefined;
  }
  const inner = (part: Field) => writable(part, name, lost, depth + 1);
  if (Array.isArray(value)) return value.map((part) => inner(part) ?? null);
  return Object.fromEntries(
    Object.entries(value).filter(([key]) => bytesIn(key) <= MAX_SHORT_BYTES)
      .map(([key, part]) => [key, inner(part) ?? null]),
  );
}

/** The library writes fractions with 32 bits where they are small, and integers with 64. */
function writableNumber(value: number, note: (what: string) => void): Field {
  if (Number.isInteger(value)) {
    if (isMiswritten(value)) return BigInt(value);
    if (Number.isSafeInteger(value)) return value;
    if (Math.abs(value) < 2 ** 63) {
      note("rounded");
      return BigInt(value);
    }
  } else if (Math.fround(value) === value || !(Math.abs(value) < 2 ** 32)) return value;
  note("as text");
  return String(value);
}

/** Whether decoding has put marks into the places of bytes that are no text. */
function isMarked(value: unknown): boolean {
  return typeof value === "string" && value.includes("\ufffd");
}

function shown(name: string): string {
  return name.length > 40 ? `${name.slice(0, 40)}…` : name;
}

/** Bytes of flags and length, without any field. */
const EMPTY_TABLE = 6;

/** Longer than any frame that is read. */
const SCRATCH = new AMQPView(new ArrayBuffer(2 * READ_BYTES));

/** Bytes that properties need in a frame; infinite for more than any. */
function sizeOf(properties: Properties): number {
  try {
    return SCRATCH.setProperties(0, properties);
  } catch (error) {
    if (error instanceof RangeError) return Infinity;
    throw error;
  }
}
