import assert from "node:assert/strict";
import type { Delivery } from "../shared/connection.ts";
import { decodeAlert } from "../shared/messages.ts";
import {
  decodeNotice,
  headline,
  mailOf,
  type Notice,
  noticeMessage,
  textOf,
  webhookOf,
} from "../shared/notices.ts";
import { deliveryOf, jsonDelivery } from "./deliveries.ts";
import { alertOf } from "./e2e/alert_samples.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

function delivery(body: unknown, headers: NonNullable<Delivery["headers"]> = {}): Delivery {
  return jsonDelivery(body, { headers });
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
