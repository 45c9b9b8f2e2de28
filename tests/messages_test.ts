import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { z } from "zod";
import { deadLetter, type Delivery } from "../shared/connection.ts";
import {
  check,
  decodeReply,
  formatLocalTime,
  HELPDESK,
  parseLocalTime,
  type Reply,
  ticketOf,
} from "../shared/streams.ts";
import { deliveryOf, jsonDelivery as json } from "./deliveries.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

/** Bytes that came without a content type, as older programs send them. */
function bytes(...parts: (string | number)[]): Delivery {
  const all = parts.map((part) => typeof part === "string" ? Buffer.from(part) : Buffer.of(part));
  return deliveryOf(new Uint8Array(Buffer.concat(all)));
}

/** A ticket as its JSON has it. */
interface Ticket {
  readonly submitted: string;
  readonly name: string;
  readonly category: "A" | "B" | "C" | "D" | "E";
}

/** Reads a ticket; its time in the form of our JSON. */
function decodeTicket(delivery: Delivery): Ticket {
  const { submitted, ...rest } = HELPDESK.decode(delivery);
  return { submitted: formatLocalTime(submitted), ...rest };
}

/** The body of a ticket. */
function bodyOf({ submitted, ...rest }: Ticket, format: "json" | "text"): string {
  return HELPDESK.encode({ submitted: parseLocalTime(submitted), ...rest }, format).body;
}

const ADAM: Ticket = { submitted: "2023-02-14T10:15:00", name: "Adam", category: "A" };

test("a ticket's time is a number inside: ms on the recording's own calendar", () => {
  const ticket = HELPDESK.decode(json({ ...ADAM, submitted: "2/14/23 10:15" }));
  assert.equal(ticket.submitted, 1_676_369_700_000);
  const { submitted } = HELPDESK.decode(json({ ...ADAM, submitted: "2023-02-14T10:15:00+05:30" }));
  assert.equal(submitted, 1_676_369_700_000);
});

test("a ticket is written as JSON that says so, in the order of its fields, or as plain text", () => {
  const ticket = HELPDESK.decode(json(ADAM));
  assert.deepEqual(HELPDESK.encode(ticket, "json"), {
    body: '{"submitted":"2023-02-14T10:15:00","name":"Adam","category":"A"}',
    contentType: "application/json",
  });
  assert.deepEqual(HELPDESK.encode(ticket, "text"), { body: "[2/14/23 10:15, Adam, A]" });
});

test("`decodeTicket()` reads JSON", () => {
  assert.deepEqual(decodeTicket(json(ADAM)), ADAM);
  for (const category of ["A", "B", "C", "D", "E"] as const) {
    assert.deepEqual(decodeTicket(json({ ...ADAM, category })), { ...ADAM, category });
  }
});

test("`decodeTicket()` normalises the time and the name, and drops other fields", () => {
  for (const submitted of ["2/14/23 10:15", "2023-02-14 10:15", "2023-02-14T10:15:00Z"]) {
    const body = { ...ADAM, submitted, name: " Adam\t", phone: "123" };
    assert.deepEqual(decodeTicket(json(body)), ADAM, submitted);
  }
});

test("`decodeTicket()` reads what older programs send", () => {
  const cases: [string, Partial<Ticket>][] = [
    ["[2/14/23 10:15, Adam, A]", {}],
    ["[2/14/23 10:15,Adam,A]", {}],
    ["  [ 2/14/23 10:15 ,  Adam ,  A ] \r\n", {}],
    ["[02/14/2023 10:15:00, Adam, A]", {}],
    ["[2023-02-14T10:15:00, Adam, A]", {}],
    ["[2/14/23 10:15, Adam, Jr., E]", { name: "Adam, Jr.", category: "E" }],
    ["[2/14/23 10:15, , Adam,, , B]", { name: ", Adam,,", category: "B" }],
    ["[2/14/23 10:15, [Adam], A]", { name: "[Adam]" }],
    ["[2/14/23 10:15, Zoë 😀, A]", { name: "Zoë 😀" }],
    ["[2/14/23 10:15, A, A]", { name: "A" }],
    ["[2/14/23 10:15, two\nlines, A]", { name: "two\nlines" }],
  ];
  for (const [text, different] of cases) {
    const expected = { ...ADAM, ...different };
    assert.deepEqual(decodeTicket(bytes(text)), expected, text);
    for (
      const contentType of [
        "text/plain",
        "text/csv",
        "application/octet-stream",
        "text/plain; charset=utf-8",
      ]
    ) {
      const declared = deliveryOf(text, { contentType });
      assert.deepEqual(decodeTicket(declared), expected, `${contentType} ${text}`);
    }
  }
});

test("`decodeTicket()` says what is wrong with a ticket", () => {
  const bad: [Record<string, unknown>, RegExp][] = [
    [{ category: "F" }, /category.*A, B, C, D or E/],
    [{ category: "a" }, /category.*A, B, C, D or E/],
    [{ category: "" }, /category/],
    [{ category: undefined }, /^category is missing$/],
    [{ category: null }, /category/],
    [{ category: ["A"] }, /category/],
    [{ name: "" }, /^the name is empty$/],
    [{ name: " \t\n" }, /name is empty/],
    [{ name: undefined }, /^name is missing$/],
    [{ name: 5 }, /^name: .*string.*number/],
    [{ name: { first: "Adam" } }, /^name: .*string.*object/],
    [{ submitted: "yesterday" }, /unreadable date "yesterday"/],
    [{ submitted: "2/30/23 10:15" }, /unreadable date "2\/30\/23 10:15"/],
    [{ submitted: "" }, /unreadable date/],
    [{ submitted: undefined }, /^submitted is missing$/],
    [{ submitted: 1676369700 }, /^submitted: .*string.*number/],
    [{ submitted: null, name: null, category: null }, /^submitted: /],
  ];
  for (const [different, message] of bad) {
    const context = JSON.stringify(different);
    const body = json({ ...ADAM, ...different });
    assert.throws(() => decodeTicket(body), { name: "RangeError", message }, context);
  }
});

test("`decodeTicket()` reads JSON without a content type, also behind white space", () => {
  for (const before of ["", " ", "\n", "\r\n\t "]) {
    assert.deepEqual(
      decodeTicket(bytes(`${before}${JSON.stringify(ADAM)}`)),
      ADAM,
      JSON.stringify(before),
    );
  }
});

test("`decodeTicket()` refuses JSON that is no object", () => {
  const values: [unknown, RegExp][] = [
    [null, /object.*null/],
    [5, /object.*number/],
    [true, /object.*boolean/],
    ["[2/14/23 10:15, Adam, A]", /object.*string/],
    [[], /object.*array/],
    [[ADAM], /object.*array/],
    [["2/14/23 10:15", "Adam", "A"], /object.*array/],
    [{}, /^submitted is missing$/],
  ];
  for (const [value, message] of values) {
    const context = JSON.stringify(value);
    assert.throws(() => decodeTicket(json(value)), { name: "RangeError", message }, context);
  }
});

test("`decodeTicket()` refuses what is said to be JSON and isn't", () => {
  for (const text of ["", "{", '{"name":', "[2/14/23 10:15, Adam, A]", "\u0000"]) {
    const body = deliveryOf(text, { contentType: "application/json" });
    assert.throws(() => decodeTicket(body), { name: "RangeError", message: /not JSON/ }, text);
  }
});

test("`decodeTicket()` reads JSON that says how it is encoded", () => {
  // Several Python libraries send this one.
  const encoded = json({ ...ADAM, name: "Zoë" }, { contentEncoding: "utf-8" });
  assert.deepEqual(decodeTicket(encoded), { ...ADAM, name: "Zoë" });
});

test("`decodeTicket()` refuses text that is no ticket", () => {
  const texts = [
    "",
    "hello",
    "2/14/23 10:15, Adam, A",
    "[2/14/23 10:15, Adam, A",
    "2/14/23 10:15, Adam, A]",
    "[2/14/23 10:15, A]",
    "[2/14/23 10:15]",
    "[]",
    "(2/14/23 10:15, Adam, A)",
  ];
  for (const text of texts) {
    assert.throws(() => decodeTicket(bytes(text)), {
      name: "RangeError",
      message: /\[2\/14\/23 10:15, Adam, A\]/,
    }, text);
  }
  const bad: [string, RegExp][] = [
    ["[2/14/23 10:15, , A]", /name is empty/],
    ["[,,]", /unreadable date|name is empty/],
    ["[2/14/23 10:15, Adam, F]", /category/],
    ["[2/14/23 10:15, Adam, ]", /category/],
    ["[2/30/23 10:15, Adam, A]", /unreadable date "2\/30\/23 10:15"/],
    ["[Adam, 2/14/23 10:15, A]", /unreadable date "Adam"/],
  ];
  for (const [text, message] of bad) {
    assert.throws(() => decodeTicket(bytes(text)), { name: "RangeError", message }, text);
  }
});

test("`decodeTicket()` refuses bytes that aren't UTF-8", () => {
  const cases: (string | number)[][] = [
    ["[2/14/23 10:15, Ad", 0xe4, "m, A]"],
    [0xff, 0xfe],
    ["[2/14/23 10:15, Adam, A]", 0xe2, 0x82],
  ];
  for (const parts of cases) {
    assert.throws(() => decodeTicket(bytes(...parts)), { name: "RangeError", message: /UTF-8/ });
  }
});

test("a ticket is written as older programs do", () => {
  assert.equal(bodyOf(ADAM, "text"), "[2/14/23 10:15, Adam, A]");
  assert.equal(
    bodyOf({ submitted: "2021-05-22T12:34:10", name: "Adam, Jr.", category: "E" }, "text"),
    "[5/22/21 12:34:10, Adam, Jr., E]",
  );
});

test("a ticket is written as `decodeTicket()` reads it", () => {
  const names = ["Adam", "Adam, Jr.", ",", "[x]", "A, B], C", "Zoë 😀", "a  b", '"', "two\nlines"];
  const times = ["2023-02-14T10:15:00", "2024-02-29T00:00:00", "2000-01-01T23:59:59"];
  for (const name of names) {
    for (const submitted of times) {
      const ticket: Ticket = { submitted, name, category: "D" };
      for (const format of ["json", "text"] as const) {
        assert.deepEqual(decodeTicket(bytes(bodyOf(ticket, format))), ticket);
      }
    }
  }
});

const REPLY: Reply = {
  ticket: "r/1",
  name: "Adam",
  category: "A",
  worker: "w1",
  handled: "2023-02-14T10:15:00.000Z",
  text: "Try again.",
};

test("`decodeReply()` reads JSON and nothing else", () => {
  assert.deepEqual(decodeReply(json({ ...REPLY, more: 1 })), REPLY);
  for (const field of Object.keys(REPLY)) {
    const { [field as keyof Reply]: _, ...rest } = REPLY;
    assert.throws(() => decodeReply(json(rest)), RangeError, field);
    assert.throws(() => decodeReply(json({ ...REPLY, [field]: 5 })), RangeError, field);
  }
  assert.throws(() => decodeReply(bytes("hello")), { name: "RangeError", message: /JSON/ });
  assert.throws(() => decodeReply(bytes(0xff)), { name: "RangeError", message: /UTF-8/ });
});

test("`check()` returns a value that fits, and throws the first thing that is wrong", () => {
  const schema = z.object({
    name: z.string().min(1, "the name is empty"),
    category: z.enum(["A", "B"]),
  });
  const good = { name: "Adam", category: "A" } as const;
  assert.deepEqual(check(schema, { ...good, more: 1 }), good);
  assert.throws(() => check(schema, { name: "", category: "X" }), /name is empty/);
  assert.throws(() => check(schema, { ...good, name: 1 }), /^RangeError: name: .*string.*number/);
});

test("`ticketOf()` checks a ticket that is made here as one that is read", () => {
  assert.deepEqual(ticketOf(5, " Adam\t", "A"), { submitted: 5, name: "Adam", category: "A" });
  assert.throws(() => ticketOf(5, "", "X"), /name is empty/);
  assert.throws(() => ticketOf(5, "x".repeat(1001), "A"), /name is too long/);
  assert.throws(() => ticketOf(5, "Adam", "X"), /category must be A, B, C, D or E/);
});

test("`deadLetter()` keeps the body and the properties, and says why, whence and when", () => {
  const original = deliveryOf("[hello]", {
    contentType: "text/csv",
    contentEncoding: "identity",
    messageId: "r/1",
    correlationId: "c",
    replyTo: "answers",
    appId: "helpdesk",
    type: "ticket",
    priority: 3,
    timestamp: new Date(1_676_369_700_000),
    expiration: "60000",
    userId: "bob",
    routingKey: "help_queue",
    redelivered: true,
    headers: { "published-at": 5, "x-delivery-count": 6, CC: ["a"], BCC: ["b"], reason: "old" },
  });
  const { queue, body, properties } = deadLetter(original, "help_queue", "not a ticket");
  assert.equal(queue, "help_queue.dead");
  assert.deepEqual(body, original.body);
  const { headers, ...rest } = properties ?? {};
  assert.deepEqual(rest, {
    contentType: "text/csv",
    contentEncoding: "identity",
    messageId: "r/1",
    correlationId: "c",
    replyTo: "answers",
    appId: "helpdesk",
    type: "ticket",
    priority: 3,
    timestamp: new Date(1_676_369_700_000),
  });
  const { "failed-at": failedAt, ...others } = headers ?? {};
  assert.deepEqual(others, {
    "published-at": 5,
    reason: "not a ticket",
    "original-queue": "help_queue",
  });
  assert.match(String(failedAt), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test("`deadLetter()` makes up no property that the message didn't have", () => {
  const { properties } = deadLetter(bytes("x"), "help_queue", "no ticket");
  const { headers, ...rest } = properties ?? {};
  assert.deepEqual(rest, {});
  assert.deepEqual(Object.keys(headers ?? {}).sort(), ["failed-at", "original-queue", "reason"]);
});
