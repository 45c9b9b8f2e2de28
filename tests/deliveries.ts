/** Deliveries for tests: made as the AMQP client hands them over, and read. */
import type { Delivery } from "../shared/connection.ts";

/** A delivery of bytes, or of text; `more` is what else matters to the test. */
export function deliveryOf(body: Uint8Array | string, more: Partial<Delivery> = {}): Delivery {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  return { deliveryTag: 1, redelivered: false, routingKey: "", ...more, body: bytes };
}

/** A delivery of JSON that says so. */
export function jsonDelivery(value: unknown, more: Partial<Delivery> = {}): Delivery {
  return deliveryOf(JSON.stringify(value), { contentType: "application/json", ...more });
}

/** The text of a body. */
export function textIn({ body }: { body: Uint8Array }): string {
  return new TextDecoder().decode(body);
}

/** The value of a body of JSON. */
export function jsonIn(message: { body: Uint8Array }): unknown {
  return JSON.parse(textIn(message));
}
