/**
 * The broker: connections that come back, publishing with confirms, consuming in order, consuming with a state that the
 * broker keeps, dead letters, and announcements of what a script does. Only `connection/` knows the AMQP library.
 */
import { brokerAddress } from "./connection/address.ts";
import type { CertificateFiles } from "./connection/address.ts";
import { Connection, type Role } from "./connection/connection.ts";
import type { Output } from "./script.ts";

export { ADMIN_OPTION, adminSite, askAdminSite, showAdminSite } from "./connection/admin_site.ts";
export {
  type BrokerAddress,
  brokerAddress,
  DEFAULT_URL,
  hostList,
  URL_OPTION,
} from "./connection/address.ts";
export { type Certificates, requireNetPermission } from "./connection/address.ts";
export { Announcer, PRESENCE_MS, watch } from "./connection/announcements.ts";
export type { Channel, Delivery, Message, Properties } from "./connection/connection.ts";
export { Connection, isNack, kept, mayPass, NOT_KEPT } from "./connection/connection.ts";
export { consume, type ConsumeOptions, type Verdict } from "./connection/consumer.ts";
export { CONSUMER_OPTIONS } from "./connection/consumer_options.ts";
export { deadLetter, originalMessage, originalQueue } from "./connection/dead_letters.ts";
export { DeliveryCount } from "./connection/delivery_count.ts";
export { DeliveryBuffer } from "./connection/delivery_buffer.ts";
export { IdleWatch } from "./connection/idle_watch.ts";
export { MAX_UNCONFIRMED, Publisher } from "./connection/publisher.ts";
export { deadQueue, QUEUE_TYPE_OPTION, queueOf, stateQueue } from "./connection/queue.ts";
export type { Queue, QueueKind, QueueType } from "./connection/queue.ts";
export { Standby } from "./connection/standby.ts";
export {
  type BatchHandler,
  type BatchResult,
  consumeWithState,
} from "./connection/stateful_consumer.ts";

/** What of a script a connection depends on. */
interface Connecting {
  readonly values: CertificateFiles & { readonly url: string | undefined };
  readonly out: Output;
  readonly signal: AbortSignal;
  readonly usage: { readonly script: string };
}

/**
 * Connects a script to its broker, for one role; the other is connected when it is first needed.
 *
 * @param name What it is called on the admin site behind the script's name.
 * @throws {UsageError} If the broker's address can't be read, or the script may not reach it.
 * @throws {FailedError} If nothing answers within 10 s, or the broker refuses user or vhost.
 */
export function connect(
  { values, out, signal, usage }: Connecting,
  role: Role,
  name?: string,
): Promise<Connection> {
  const called = name === undefined ? usage.script : `${usage.script} ${name}`;
  return Connection.open(brokerAddress(values.url, values), role, { out, signal, name: called });
}
