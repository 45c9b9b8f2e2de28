/**
 * AMQP 0-9-1 frames written byte by byte, for messages that no client library would make.
 *
 * The forms are those of the protocol's specification (sections 4.2.3 to 4.2.6), with RabbitMQ's types of fields.
 */
import assert from "node:assert/strict";
import type { BrokerAddress } from "../shared/connection.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes one after the other: numbers are single bytes. */
export function bytes(...parts: (number | string | Uint8Array)[]): Bytes {
  const arrays = parts.map((part) =>
    typeof part === "number"
      ? Uint8Array.of(part)
      : typeof part === "string"
      ? new TextEncoder().encode(part)
      : part
  );
  const all = new Uint8Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

/** An unsigned integer of 2, 4 or 8 bytes; negative ones as they are written with a sign. */
export function int(size: 2 | 4 | 8, value: number | bigint): Bytes {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigInt64(0, BigInt(value));
  return new Uint8Array(view.buffer).slice(8 - size);
}

/** A 64-bit floating-point number. */
export function double(value: number): Bytes {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return new Uint8Array(view.buffer);
}

export const shortText = (text: string | Uint8Array) => {
  const content = bytes(text);
  return bytes(content.length, content);
};
export const longText = (text: string | Uint8Array) => {
  const content = bytes(text);
  return bytes(int(4, content.length), content);
};

/** A field: its type's letter, then its value. */
export const field = (type: string, value: string | Uint8Array = "") => bytes(type, value);

/** A table of fields. */
export const table = (fields: Record<string, Uint8Array>) =>
  longText(bytes(...Object.entries(fields).flatMap(([name, value]) => [shortText(name), value])));

/** The properties in the order of the protocol, which is that of their flags. */
const PROPERTIES = [
  "contentType",
  "contentEncoding",
  "headers",
  "deliveryMode",
  "priority",
  "correlationId",
  "replyTo",
  "expiration",
  "messageId",
  "timestamp",
  "type",
  "userId",
  "appId",
] as const;

/** Properties as they are written. */
export type RawProperties = Partial<Record<typeof PROPERTIES[number], Uint8Array>>;

function written(properties: RawProperties): Bytes {
  const flags = PROPERTIES.reduce(
    (sum, name, index) => properties[name] ? sum + 2 ** (15 - index) : sum,
    0,
  );
  return bytes(int(2, flags), ...PROPERTIES.flatMap((name) => properties[name] ?? []));
}

const method = (...ids: [number, number]) => bytes(...ids.map((id) => int(2, id)));
const FRAME_MAX = 131_072;

/** A connection with one channel, which confirms. */
export class RawConnection implements Disposable {
  readonly #socket: Deno.Conn;
  /** Delivery tags. */
  readonly #unconfirmed = new Set<number>();

  /** @param frameMax The largest frame that it takes, in bytes, as it tells the broker; 0 is no limit. */
  static async open(
    { hosts: [host], username, password, vhost }: BrokerAddress,
    frameMax = FRAME_MAX,
  ) {
    assert.ok(host);
    const raw = new RawConnection(await Deno.connect(host));
    await raw.#write(bytes("AMQP", 0, 0, 9, 1));
    await raw.#expect(10, 10);
    const login = [table({}), shortText("PLAIN"), longText(`\0${username}\0${password}`)];
    await raw.#method(0, [10, 11], ...login, shortText("en_US"));
    await raw.#expect(10, 30);
    await raw.#method(0, [10, 31], int(2, 2047), int(4, frameMax), int(2, 0));
    await raw.#method(0, [10, 40], shortText(vhost), 0, 0);
    await raw.#expect(10, 41);
    await raw.#method(1, [20, 10], 0);
    await raw.#expect(20, 11);
    await raw.#method(1, [85, 10], 0);
    await raw.#expect(85, 11);
    return raw;
  }

  private constructor(socket: Deno.Conn) {
    this.#socket = socket;
  }

  /** Publishes to a queue. The header frame may be as long as a frame. */
  async publish(queue: string, properties: RawProperties, body: string | Uint8Array) {
    const content = bytes(body);
    const header = [int(2, 60), int(2, 0), int(8, content.length), written(properties)];
    await this.#method(1, [60, 40], int(2, 0), shortText(""), shortText(queue), 0);
    await this.#frame(2, 1, bytes(...header));
    if (content.length > 0) await this.#frame(3, 1, content);
    this.#unconfirmed.add(this.#unconfirmed.size + 1);
  }

  /** Waits until all that was published is confirmed; once. */
  async confirmed(): Promise<void> {
    while (this.#unconfirmed.size > 0) {
      const ack = await this.#expect(60, 80);
      const tag = Number(ack.getBigUint64(4));
      for (const waiting of this.#unconfirmed) {
        if (waiting === tag || (ack.getUint8(12) === 1 && waiting < tag)) {
          this.#unconfirmed.delete(waiting);
        }
      }
    }
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  async #method(channel: number, ids: [number, number], ...rest: (number | Uint8Array)[]) {
    await this.#frame(1, channel, bytes(method(...ids), ...rest));
  }

  async #frame(type: number, channel: number, payload: Uint8Array) {
    await this.#write(bytes(type, int(2, channel), int(4, payload.length), payload, 0xce));
  }

  async #write(all: Uint8Array) {
    for (let at = 0; at < all.length;) at += await this.#socket.write(all.subarray(at));
  }

  /** Reads frames up to this method; anything else but a heartbeat is a mistake in the test. */
  async #expect(classId: number, methodId: number): Promise<DataView> {
    const header = new DataView((await this.#read(7)).buffer);
    const payload = await this.#read(header.getUint32(3) + 1);
    const text = new TextDecoder().decode(payload);
    assert.deepEqual(payload.slice(0, 4), method(classId, methodId), `the broker says: ${text}`);
    return new DataView(payload.buffer);
  }

  async #read(length: number): Promise<Bytes> {
    const all = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const count = await this.#socket.read(all.subarray(at));
      assert.ok(count, "the broker has closed the connection");
      at += count;
    }
    return all;
  }
}

/** The longest header value that fits into the frame with a message's properties and a table of one field. */
export const LONGEST_HEADER = FRAME_MAX - 8 - 14 - 4 - "\x05h\x00\x00\x00\x00long".length - 16;

/** A table without a name in another, and so on: six bytes for each. */
export function deep(levels: number): Bytes {
  return bytes(
    ...Array.from({ length: levels }, (_, level) => [
      field("F", int(4, 6 * (levels - level - 1) + 2)),
      0,
    ]).flat(),
    field("V"),
  );
}

/** Messages made by hand: what they are, and their properties. */
export function oddProperties(): Map<string, RawProperties> {
  const text255 = "x".repeat(255);
  const notText = Uint8Array.from({ length: 255 }, () => 0xff);
  const headers = (name: string, value: Uint8Array): RawProperties => ({
    headers: table({ [name]: value }),
  });
  const all: [string, RawProperties][] = [
    ...([
      "contentType",
      "contentEncoding",
      "correlationId",
      "replyTo",
      "messageId",
      "type",
      "appId",
    ] as const)
      .flatMap((name): [string, RawProperties][] => [
        [`a long ${name}`, { [name]: shortText(text255) }],
        [`an empty ${name}`, { [name]: shortText("") }],
        [`a ${name} that is no text`, { [name]: shortText(notText) }],
        [`a ${name} of line breaks`, { [name]: shortText("\r\n\x1b[31m\0") }],
      ]),
    ["a user", { userId: shortText("guest") }],
    ["an expiration", { expiration: shortText("3600000") }],
    ["a priority of 255", { priority: Uint8Array.of(255) }],
    ["a priority of 0", { priority: Uint8Array.of(0) }],
    ["a delivery mode of 1", { deliveryMode: Uint8Array.of(1) }],
    ...[0n, 1n, 2n ** 31n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n].map((
      time,
    ): [string, RawProperties] => [
      `a timestamp of ${time}`,
      { timestamp: int(8, BigInt.asIntN(64, time)) },
    ]),
    ["a header of 8 kB", headers("long", field("S", longText("x".repeat(8192))))],
    ["a header of a frame", headers("long", field("S", longText("x".repeat(LONGEST_HEADER))))],
    ["a binary header of 1,500 bytes", headers("b", field("x", longText(new Uint8Array(1500))))],
    ["a header that is no text", headers("b", field("S", longText(notText)))],
    ["a thousand headers", {
      headers: table(Object.fromEntries(
        Array.from({ length: 1000 }, (_, i) => [`h${i}`, field("I", int(4, i))]),
      )),
    }],
    ["as many headers as a frame can hold", {
      headers: table(Object.fromEntries(
        Array.from({ length: 12_000 }, (_, i) => [`${i}`, field("i", int(4, 2 ** 32 - 1))]),
      )),
    }],
    ["a header without a name", headers("", field("V"))],
    ["a header with a long name", headers(text255, field("V"))],
    ["a header __proto__", headers("__proto__", field("F", table({ a: field("V") })))],
    ["headers like methods", {
      headers: table({
        toString: field("S", longText("x")),
        valueOf: field("I", int(4, 1)),
        constructor: field("F", table({})),
      }),
    }],
    ...Object.entries({
      "true": field("t", Uint8Array.of(1)),
      "an int8": field("b", Uint8Array.of(0x80)),
      "a uint8": field("B", Uint8Array.of(0xff)),
      "an int16": field("s", int(2, -1)),
      "a uint16": field("u", int(2, 65_535)),
      "an int32": field("I", int(4, -(2 ** 31))),
      "a uint32": field("i", int(4, 2 ** 32 - 1)),
      "an int64": field("l", int(8, 2n ** 63n - 1n)),
      "a small int64": field("l", int(8, -(2n ** 63n))),
      "a float": field("f", Uint8Array.of(0x40, 0x49, 0x0f, 0xdb)),
      "a double of 0.1": field("d", double(0.1)),
      "a double of -1e30": field("d", double(-1e30)),
      "a double of 2^51+0.5": field("d", double(2 ** 51 + 0.5)),
      "a decimal": field("D", bytes(2, int(4, 12_345))),
      "a tiny decimal": field("D", bytes(255, int(4, 2 ** 32 - 1))),
      "a text": field("S", longText("text")),
      "bytes": field("x", longText(notText)),
      "a time": field("T", int(8, 1_700_000_000)),
      "a time beyond the calendar": field("T", int(8, 2n ** 62n)),
      "nothing": field("V"),
      "a table": field("F", table({ a: field("S", longText("b")), c: field("F", table({})) })),
      "a list": field("A", longText(bytes(field("V"), field("I", int(4, 1))))),
      "tables in each other": deep(40),
      "tables in each other that no stack can hold": deep(10_000),
    }).map(([what, value]): [string, RawProperties] => [what, headers("h", value)]),
    // Where we look for a number or a text.
    ...["x-delivery-count", "reason", "original-queue", "failed-at", "published-at", "window-ms"]
      .flatMap((name): [string, RawProperties][] => [
        [`a table as ${name}`, headers(name, field("F", table({ toString: field("V") })))],
        [`a list as ${name}`, headers(name, field("A", longText("")))],
        [`a text as ${name}`, headers(name, field("S", longText("text")))],
        [`a number as ${name}`, headers(name, field("l", int(8, -1)))],
        [`nothing as ${name}`, headers(name, field("V"))],
      ]),
  ];
  return new Map(all);
}
