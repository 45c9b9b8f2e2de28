import assert from "node:assert/strict";
import type { Delivery } from "../shared/connection.ts";
import {
  decodeNotice,
  headline,
  mailOf,
  type Notice,
  noticeMessage,
  textOf,
  webhookOf,
} from "../shared/notifier/notices.ts";
import { type Alert, ALERTS, alertText, alertWords, wordsOf } from "../shared/streams.ts";
import { deliveryOf, jsonDelivery } from "./deliveries.ts";
import { alertOf } from "./e2e/alert_samples.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

function delivery(body: unknown, headers: NonNullable<Delivery["headers"]> = {}): Delivery {
  return jsonDelivery(body, { headers });
}

/** Reads an alert; in the form of its message again. */
function decodeAlert(delivery: Delivery): unknown {
  const alert = ALERTS.decode(delivery);
  return wordsOf(alert.stream).write(alert);
}

function noticeOf(...args: Parameters<typeof alertOf>): Notice {
  return decodeNotice(delivery(alertOf(...args)));
}

test("a notice says in its headline what happened", () => {
  const stall = { channel: "food-a", rule: "stall", min: 160.1, max: 160.85 } as const;
  const over = { state: "resolved", fahrenheit: 211.1 } as const;
  const at = (time: string) => ({ ...over, at: `2021-05-22T${time}` });
  const cases: [Parameters<typeof alertOf>[1], string][] = [
    [{}, "Smoker dropped 16.6 °F in 2.5 min, now 103.5 °F"],
    [{ fahrenheit: 103.504999, max: 120.1 }, "Smoker dropped 16.6 °F in 2.5 min, now 103.5 °F"],
    [{ ...stall, fahrenheit: 160.2 }, "Food A stalled: 0.75 °F of change in 10 min, now 160.2 °F"],
    [at("12:34:50"), "Smoker drop of 12:34:10 is over after 40 s, now 211.1 °F"],
    [at("12:36:10"), "Smoker drop of 12:34:10 is over after 2 min, now 211.1 °F"],
    [at("12:36:40"), "Smoker drop of 12:34:10 is over after 2 min 30 s, now 211.1 °F"],
    [at("14:34:10"), "Smoker drop of 12:34:10 is over after 2 h, now 211.1 °F"],
    [at("14:39:39"), "Smoker drop of 12:34:10 is over after 2 h 5 min, now 211.1 °F"],
    [at("11:00:00"), "Smoker drop of 12:34:10 is over, now 211.1 °F"],
    [
      { ...at("12:36:10"), reason: "new run" },
      "Smoker drop of 12:34:10 is over, because a new cook began, now 211.1 °F",
    ],
  ];
  for (const [changes, expected] of cases) assert.equal(headline(noticeOf(5, changes)), expected);
});

test("the window's length is that of the message, if it says so", () => {
  const text = (ms: string | number | object | null | undefined) =>
    headline(decodeNotice(delivery(alertOf(5), { "window-ms": ms })));
  assert.match(text(300_000), / in 5 min,/);
  for (const odd of [undefined, null, "", "long", 0, -5, {}]) {
    assert.match(text(odd), / in 2\.5 min,/);
  }
});

test("a notice comes out of its queue as it was put in", () => {
  const notice = decodeNotice(
    delivery(alertOf(5), { "published-at": 123_456, "window-ms": 60_000 }),
  );
  const { queue, body, properties } = noticeMessage(notice, "text", "alert_queue");
  assert.equal(queue, "alert_queue.text");
  assert.equal(properties.messageId, "r/smoker/drop/5/open");
  assert.deepEqual(decodeNotice(deliveryOf(body, properties)), notice);
  for (const odd of [undefined, 0, "noon", Date.now() * 2]) {
    const { publishedAt } = decodeNotice(delivery(alertOf(5), { "published-at": odd }));
    assert.ok(Math.abs(publishedAt - Date.now()) < 1000);
  }
});

test("a mail keeps its Message-ID, and the one that resolves answers the one that opened", () => {
  const [open, resolved] = [noticeOf(5), noticeOf(5, { state: "resolved" })];
  const mail = mailOf(open, "example.com");
  assert.deepEqual(mailOf(noticeOf(5), "example.com"), mail);
  assert.match(mail.messageId, /^<[0-9a-f]{32}@example\.com>$/);
  assert.equal(mailOf(resolved, "example.com").inReplyTo, mail.messageId);
  const ids = [mail, mailOf(resolved, "example.com"), textOf(open, "example.com")];
  assert.equal(new Set(ids.map(({ messageId }) => messageId)).size, 3);
});

test("a text is plain ASCII and under 160 characters", () => {
  const long = { fahrenheit: -459.99, min: -459.99, max: 9999.99, at: "2021-12-31T23:59:59.123" };
  for (
    const changes of [{}, long, { ...long, state: "resolved", opened: "2020-01-01T00:00:00.001" }]
  ) {
    const { subject, text, html } = textOf(noticeOf(5, changes as typeof long), "example.com");
    assert.equal(subject, "");
    assert.equal(html, undefined);
    assert.match(text, /^[ -~]{20,159}$/);
  }
  const text = textOf({ ...noticeOf(5), test: true }, "example.com");
  assert.equal(text.text, "Test: Smoker dropped 16.6 F in 2.5 min, now 103.5 F");
});

test("a web hook gets the alert and a key that a header can hold", () => {
  const { body, headers } = webhookOf(noticeOf(5));
  assert.deepEqual(JSON.parse(body), alertOf(5));
  assert.equal(headers["idempotency-key"], "r/smoker/drop/5/open");
  const odd = webhookOf(noticeOf(5, { id: "Räucherofen ☃/smoker/drop/5" }));
  assert.equal(new Headers(odd.headers).get("idempotency-key"), odd.headers["idempotency-key"]);
});

test("`decodeAlert()` takes what a monitor sends, and says what is wrong with the rest", () => {
  const last = alertOf(5, { state: "resolved", reason: "new run" });
  for (const alert of [alertOf(5), last]) {
    assert.deepEqual(decodeAlert(delivery(alert)), alert);
    assert.deepEqual(decodeAlert(deliveryOf(JSON.stringify({ ...alert, more: 1 }))), alert);
  }
  const bad: [Record<string, unknown>, RegExp][] = [
    [{ id: "" }, /the id must be printable/],
    [{ id: "r/1\r\nBcc: eve@example.com" }, /the id must be printable/],
    [{ id: "a\u202eb" }, /the id must be printable/],
    [{ id: "\ud800" }, /the id must be printable/],
    [{ id: "é".repeat(121) }, /the id is too long/],
    [{ channel: "oven" }, /^channel: .*"smoker"/],
    [{ rule: "drop\n" }, /"drop"/],
    [{ state: "closed" }, /"open"/],
    [{ opened: "noon" }, /unreadable date/],
    [{ at: undefined }, /^at is missing$/],
    [{ fahrenheit: "103.5" }, /^fahrenheit: /],
    [{ max: 1e9 }, /10000/],
    [{ readings: 1.5 }, /int/],
    [{ reason: "because" }, /new run/],
  ];
  for (const [changes, message] of bad) {
    const body = { ...alertOf(5), ...changes };
    const context = JSON.stringify(changes);
    assert.throws(() => decodeAlert(delivery(body)), { name: "RangeError", message }, context);
  }
  const text = deliveryOf("smoker is cold");
  assert.throws(() => decodeAlert(text), { name: "RangeError", message: /must be JSON/ });
});

test("an alert of the smoker is read as any other: a key, a quantity with its unit, a value", () => {
  const alert = ALERTS.decode(delivery(alertOf(5)));
  const { channel, fahrenheit, ...rest } = alertOf(5);
  assert.deepEqual(alert, {
    ...rest,
    stream: "smoker",
    key: channel,
    quantity: "fahrenheit",
    unit: "°F",
    value: fahrenheit,
  });
  // As text, because an alert is the same to the byte whoever sends it; it doesn't name its stream.
  for (const sent of [alertOf(5), alertOf(5, { state: "resolved", reason: "new run" })]) {
    const { body, contentType } = ALERTS.encode(ALERTS.decode(delivery(sent)));
    assert.equal(body, JSON.stringify(sent));
    assert.equal(contentType, "application/json");
  }
});

/** An alert of a stream that isn't declared here. */
const GREENHOUSE: Alert = {
  stream: "greenhouse",
  id: "greenhouse/r/bed-1/humid/12",
  key: "bed-1",
  rule: "humid",
  state: "open",
  opened: "2026-05-22T12:34:10",
  at: "2026-05-22T12:34:10",
  quantity: "humidity",
  unit: "%",
  value: 93.256,
  change: 20.5,
  min: 72.75,
  max: 93.256,
  readings: 5,
};

test("`alertWords()` writes an alert of any stream as it reads it", () => {
  const words = alertWords();
  assert.equal(
    JSON.stringify(words.write(GREENHOUSE)),
    '{"id":"greenhouse/r/bed-1/humid/12","stream":"greenhouse","key":"bed-1","rule":"humid",' +
      '"state":"open","opened":"2026-05-22T12:34:10","at":"2026-05-22T12:34:10",' +
      '"value":93.256,"column":"humidity","change":20.5,"min":72.75,"max":93.256,"readings":5,' +
      '"unit":"%"}',
  );
  const alerts: Alert[] = [
    GREENHOUSE,
    { ...GREENHOUSE, unit: "" },
    { ...GREENHOUSE, state: "resolved", reason: "new run", at: "2026-05-22T12:40:10.250" },
    { ...GREENHOUSE, key: "Über bed", value: -1e15, min: -1e15, max: 1e15, readings: 0 },
  ];
  for (const alert of alerts) {
    assert.deepEqual(words.body.parse(JSON.parse(JSON.stringify(words.write(alert)))), alert);
    assert.deepEqual(ALERTS.decode(delivery(words.write(alert))), alert);
    assert.deepEqual(ALERTS.decode(deliveryOf(ALERTS.encode(alert).body)), alert);
  }
  assert.deepEqual(Object.keys(words.write({ ...GREENHOUSE, unit: "" })).includes("unit"), false);
  const sample = words.sample("test-1");
  assert.deepEqual(words.body.parse(words.write(sample)), sample);
});

test("`alertWords()` says what is wrong with an alert of any stream", () => {
  const good = alertWords().write(GREENHOUSE);
  const bad: [Record<string, unknown>, RegExp][] = [
    [{ id: "a\r\nBcc: eve@example.com" }, /the id must be printable/],
    [{ id: "é".repeat(121) }, /the id is too long/],
    [{ stream: 5 }, /^stream: .*string.*number/],
    [{ key: "" }, /must be short printable text/],
    [{ key: "bed\n1" }, /must be short printable text/],
    [{ key: "x".repeat(201) }, /must be short printable text/],
    [{ rule: "\u202e" }, /must be short printable text/],
    [{ column: undefined }, /^column is missing$/],
    [{ unit: "%\r\nBcc: e@x.com" }, /must be short printable text/],
    [{ unit: "x".repeat(21) }, /must be short printable text/],
    [{ state: "closed" }, /"open"/],
    [{ at: "noon" }, /unreadable date/],
    [{ value: "93" }, /^value: .*number.*string/],
    [{ max: 1e16 }, /max: /],
    [{ readings: -1 }, /readings: /],
    [{ reason: "because" }, /new run/],
  ];
  for (const [changes, message] of bad) {
    const context = JSON.stringify(changes);
    const body = delivery({ ...good, ...changes });
    assert.throws(() => ALERTS.decode(body), { name: "RangeError", message }, context);
  }
  // Without a stream's name it would have to be the smoker's.
  assert.throws(() => ALERTS.decode(delivery({ ...good, stream: undefined })), /^RangeError: cha/);
});

test("ids of alerts begin with the stream, those of the smoker, which is older, with the run", () => {
  const about = { run: "r", key: "smoker", rule: "drop" };
  const id = (stream: string) => wordsOf(stream).idOf({ stream, ...about }, 5);
  assert.equal(id("smoker"), "r/smoker/drop/5");
  assert.equal(id("greenhouse"), "greenhouse/r/smoker/drop/5");
  assert.equal(
    wordsOf("kiln").idOf({ stream: "kiln", run: "r", key: "k", rule: "x" }, "2026-05-22T12:34:10"),
    "kiln/r/k/x/2026-05-22T12:34:10",
  );
});

test("an alert of any stream can be read in words, with its own unit and without", () => {
  const line = (alert: Alert, lasted = false) =>
    alertText(alert, wordsOf(alert.stream), { spanMs: 600_000, lasted });
  assert.equal(
    line(GREENHOUSE),
    "bed-1 humid: humidity 72.75 to 93.26 % in 10 min, now 93.256 %",
  );
  assert.equal(
    line({ ...GREENHOUSE, unit: "" }),
    "bed-1 humid: humidity 72.75 to 93.26 in 10 min, now 93.256",
  );
  const over = { ...GREENHOUSE, state: "resolved", at: "2026-05-22T12:36:10" } as const;
  assert.equal(line(over), "bed-1 humid of 12:34:10 is over, now 93.256 %");
  assert.equal(line(over, true), "bed-1 humid of 12:34:10 is over after 2 min, now 93.256 %");
  assert.equal(
    line({ ...over, reason: "new run" }, true),
    "bed-1 humid of 12:34:10 is over, because a new run began, now 93.256 %",
  );
  const notice = decodeNotice(delivery(wordsOf("greenhouse").write(GREENHOUSE)));
  assert.equal(headline(notice), "bed-1 humid: humidity 72.75 to 93.26 % in 10 min, now 93.26 %");
  const { text } = mailOf(notice, "example.com");
  for (
    const fact of [/^Key +bed-1$/m, /^Rule +humid$/m, /^Now +93\.26 %$/m, /^Highest +93\.26 %$/m]
  ) {
    assert.match(text, fact);
  }
});
