/** The properties of messages, and what the AMQP library can't write of them, or would change. */
import type { AMQPProperties, Field } from "@cloudamqp/amqp-client";
import { AMQPView } from "@cloudamqp/amqp-client/amqp-view";

/** What AMQP calls basic properties. */
export type Properties = Readonly<AMQPProperties>;

/** The largest frame that is sent and asked for, in bytes: RabbitMQ's default. */
export const FRAME_BYTES = 131_072;

/** The header that names what of a message's properties couldn't be kept, and why. */
export const NOT_KEPT = "not-kept";

/** In a frame, beside the properties: the library writes the routing key before them, and a note may be added. */
const RESERVED_BYTES = 2048;

/** The protocol's short strings. */
const MAX_SHORT_BYTES = 255;

/** Tables and lists in each other up to so many. */
const MAX_DEPTH = 32;

const bytesIn = (text: string) => new TextEncoder().encode(text).length;

/**
 * The properties of another program's message, as far as they can be written again.
 *
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
  const left = Object.fromEntries(simple);
  const room = frameBytes - RESERVED_BYTES - sizeOf({ ...left, headers: more });
  const fields = fitting(table, room);
  for (const field of table) {
    if (!fields.has(field)) lost.add(`${shown(field[0])} (too long)`);
  }
  const all = { ...Object.fromEntries(table.filter((field) => fields.has(field))), ...more };
  const properties = Object.keys(all).length > 0 ? { ...left, headers: all } : left;
  return { properties, lost: [...lost] };
}

type NamedField = readonly [name: string, value: Field];

/** Those of some fields that fit into so many bytes: the smallest. */
function fitting(table: readonly NamedField[], room: number): Set<NamedField> {
  const sized = table.map((field) => ({
    field,
    size: sizeOf({ headers: { [field[0]]: field[1] } }) - EMPTY_TABLE,
  })).sort((a, b) => a.size - b.size);
  let left = room;
  return new Set(sized.filter(({ size }) => (left -= size) >= 0).map(({ field }) => field));
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

/** Longer than any frame that is sent. */
const SCRATCH = new AMQPView(new ArrayBuffer(1 << 21));

/** Bytes that properties need in a frame; infinite for more than any. */
function sizeOf(properties: Properties): number {
  try {
    return SCRATCH.setProperties(0, properties);
  } catch (error) {
    if (error instanceof RangeError) return Infinity;
    throw error;
  }
}

/** The same properties for a message that outlives the broker. */
export function persistent(properties: Properties): AMQPProperties {
  let { headers = {} } = properties;
  for (const name in headers) {
    const value = headers[name];
    if (isMiswritten(value)) headers = { ...headers, [name]: BigInt(value) };
  }
  return properties.headers
    ? { ...properties, headers, deliveryMode: 2 }
    : { ...properties, deliveryMode: 2 };
}

/** The library writes integers up to 2^32 into 32 bits with a sign. */
function isMiswritten(value: unknown): value is number {
  if (typeof value !== "number" || !Number.isInteger(value)) return false;
  return Math.abs(value) < 2 ** 32 && (value | 0) !== value;
}
