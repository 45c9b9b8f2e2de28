import assert from "node:assert/strict";
import { type Delivery, DeliveryCount, queueOf } from "../shared/connection.ts";
import { deliveryOf } from "./deliveries.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

test("a quorum queue's own count is taken, and only beside its redelivered mark", () => {
  const cases: [Partial<Delivery>, number][] = [
    [{ redelivered: false }, 0],
    [{ redelivered: true }, 1],
    [{ redelivered: false, headers: {} }, 0],
    [{ redelivered: true, headers: { "x-delivery-count": 0 } }, 1],
    [{ redelivered: true, headers: { "x-delivery-count": 3 } }, 3],
    // Forged: the queue's own comes with the mark.
    [{ redelivered: false, headers: { "x-delivery-count": 3 } }, 0],
    [{ redelivered: true, headers: { "x-delivery-count": "no number" } }, 1],
  ];
  const count = new DeliveryCount(queueOf("q", "shared", "quorum"));
  for (const [properties, expected] of cases) {
    assert.equal(count.before(deliveryOf("", properties)), expected, JSON.stringify(properties));
  }
});

test("a classic queue's redeliveries are counted while the same message is lost again and again", () => {
  const again = (body: string, deliveryTag: number, more: Partial<Delivery> = {}) =>
    deliveryOf(body, { redelivered: true, deliveryTag, ...more });
  const rounds: [string, Delivery[], number[]][] = [
    ["lost four times", [deliveryOf("a"), again("a", 1), again("a", 1), again("a", 1)], [
      ...[0, 1, 2, 3],
    ]],
    // After one loss, not after three.
    ["like ones in a row", [again("a", 1), again("a", 2), again("a", 3)], [1, 1, 1]],
    ["another in between", [again("a", 1), again("b", 2), again("a", 1)], [1, 1, 1]],
    ["a fresh one like it", [again("a", 1), again("a", 1), deliveryOf("a")], [1, 2, 0]],
    ["by id", [again("a", 5, { messageId: "i" }), again("b", 1, { messageId: "i" })], [1, 2]],
    ["two ids", [again("a", 5, { messageId: "i" }), again("a", 1, { messageId: "j" })], [1, 1]],
    // Only quorum queues count: here it is the publisher's.
    ["forged", [again("a", 1, { headers: { "x-delivery-count": 99 } })], [1]],
  ];
  for (const [name, deliveries, expected] of rounds) {
    const count = new DeliveryCount(queueOf("q", "shared", "classic"));
    assert.deepEqual(deliveries.map((delivery) => count.before(delivery)), expected, name);
  }
});
