import assert from "node:assert/strict";
import { AMQPView } from "@cloudamqp/amqp-client/amqp-view";
import { kept, type Properties } from "../shared/connection.ts";
import { persistent } from "../shared/connection/properties.ts";

/** What the library reads of what it has written. */
function written(properties: Properties): Properties {
  const view = new AMQPView(new ArrayBuffer(200_000));
  view.setProperties(0, properties);
  return view.getProperties(0)[0];
}

Deno.test("`kept()` keeps what can be written as it is, and says nothing", () => {
  const properties: Properties = {
    contentType: "text/plain",
    messageId: "é".repeat(127),
    priority: 9,
    timestamp: new Date(1_700_000_000_000),
    headers: {
      text: "x".repeat(10_000),
      integer: -(2 ** 31),
      large: 2 ** 32,
      largest: Number.MAX_SAFE_INTEGER,
      half: 0.5,
      huge: 2 ** 51 + 0.5,
      yes: true,
      nothing: null,
      bytes: Uint8Array.of(0, 255),
      time: new Date(0),
      list: [1, ["a", null]],
      table: { a: { b: {} } },
    },
  };
  const { properties: found, lost } = kept(properties);
  assert.deepEqual(lost, []);
  assert.deepEqual(found, properties);
  assert.deepEqual(written(found), properties);
  assert.deepEqual(kept({ messageId: "r/1" }), { properties: { messageId: "r/1" }, lost: [] });
});

Deno.test("`kept()` writes otherwise what the library would change", () => {
  const cases: [unknown, unknown, string | undefined][] = [
    // The library would write these with 32 bits and a sign.
    [2 ** 31, 2 ** 31, undefined],
    [2 ** 32 - 1, 2 ** 32 - 1, undefined],
    [-(2 ** 32) + 1, -(2 ** 32) + 1, undefined],
    [0.1, "0.1", "h (as text)"],
    [-1e30, "-1e+30", "h (as text)"],
    [2 ** 62, 2 ** 62, "h (rounded)"],
    [[0.1, { a: 0.1 }], ["0.1", { a: "0.1" }], "h (as text)"],
    ["\ufffd", "\ufffd", "h (not UTF-8)"],
  ];
  for (const [value, expected, lost] of cases) {
    const found = kept({ headers: { h: value as object } });
    assert.deepEqual(written(found.properties).headers?.h, expected, String(value));
    assert.equal(found.lost.join(", "), lost ?? "", String(value));
  }
});

Deno.test("a header named `__proto__` is one as any other, in tables, too", () => {
  for (const value of ['"text"', "1", "null", '{"reason":"x","__proto__":{"list":[]}}']) {
    const json = `{"__proto__":${value},"table":{"__proto__":${value},"a":1}}`;
    const { properties, lost } = kept({ headers: JSON.parse(json) });
    assert.deepEqual(lost, []);
    const { headers = {} } = written(properties);
    assert.equal(JSON.stringify(headers), json);
    assert.equal(Object.getPrototypeOf(headers), Object.prototype);
    assert.equal(JSON.stringify(written(persistent({ headers })).headers), json);
  }
});

Deno.test("`persistent()` has integers written as they are", () => {
  const headers = { a: 2 ** 31, b: -(2 ** 32) + 1, c: 2 ** 32, d: -(2 ** 31), e: 0.5, f: "2" };
  const properties = persistent({ messageId: "r/1", headers });
  assert.deepEqual(written(properties), { messageId: "r/1", deliveryMode: 2, headers });
  assert.deepEqual(persistent({}), { deliveryMode: 2 });
});

Deno.test("`kept()` leaves out and names what can't be written at all", () => {
  let deep: object = {};
  for (let i = 0; i < 5000; i++) deep = { deep };
  const { properties, lost } = kept({
    messageId: "\ufffd".repeat(86),
    timestamp: new Date(NaN),
    headers: { time: new Date(NaN), ["k".repeat(256)]: 1, deep, stays: 1 },
  });
  assert.deepEqual(lost, [
    "messageId",
    "timestamp",
    "time",
    `${"k".repeat(40)}…`,
    "deep (too deep)",
  ]);
  assert.deepEqual(Object.keys(properties), ["headers"]);
  assert.equal(written(properties).headers?.stays, 1);
});

Deno.test("`kept()` leaves out the largest headers until the others fit into a frame", () => {
  const headers = {
    small: "s",
    a: "x".repeat(60_000),
    b: "x".repeat(70_000),
    c: "x".repeat(65_000),
  };
  const { properties, lost } = kept({ headers }, { reason: "r".repeat(1000) });
  assert.deepEqual(lost, ["b (too long)"]);
  assert.deepEqual(Object.keys(properties.headers ?? {}), ["small", "a", "c", "reason"]);
});

Deno.test("`kept()` counts each header as long as it is", () => {
  const headers = Object.fromEntries(
    Array.from({ length: 15_000 }, (_, i) => [String(i).padStart(4, "0"), null]),
  );
  const names = Object.keys(headers);
  const fits = kept({ headers });
  assert.deepEqual(fits.lost, []);
  const half = kept({ headers }, {}, 65_536);
  // Two bytes beside each name; 2048 are reserved.
  const room = 65_536 - 2048 - 6;
  const bytes = Object.keys(half.properties.headers ?? {}).reduce(
    (sum, n) => sum + n.length + 2,
    0,
  );
  assert.ok(bytes <= room && bytes > room - 7, `${bytes} of ${room}`);
  assert.equal(half.lost.length + Object.keys(half.properties.headers ?? {}).length, names.length);
});
