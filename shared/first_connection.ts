/** The first connection to a broker: tried for a moment, then given up with a sentence that says what to do. */
import { type BrokerAddress, hostList } from "./broker_url.ts";
import type { Client } from "./connection.ts";
import type { Output } from "./output.ts";
import { FailedError } from "./errors.ts";
import { describe, loginRefused } from "./refusals.ts";
import { hintAtTls, tlsRefusal } from "./tls_refusals.ts";

/** How long the first connection is tried, in milliseconds. */
export const CONNECT_TIMEOUT_MS = 10_000;

/** After this time it is said what is waited for, in milliseconds. */
const PATIENCE_MS = 1000;

/**
 * Waits until a client has connected, to any node.
 *
 * @throws {FailedError} If nothing answers within 10 s, or the broker refuses user, vhost or certificate; the client
 * is destroyed then.
 * @throws The signal's reason, if it is aborted before.
 */
export async function firstConnection(
  client: Client,
  address: BrokerAddress,
  { out, signal }: { out: Output; signal: AbortSignal },
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let cause: unknown;
  const onError = (error: unknown) => {
    cause = error;
    if (loginRefused(error)) return reject(refusedLogin(error, address));
    // Meanwhile another node of the cluster may have answered.
    tlsRefusal(error, address).then((refused) => refused && reject(refused));
  };
  const onConnection = () => resolve();
  const onAbort = () => reject(signal.reason);
  const timer = setTimeout(() => reject(unreachable(cause, address)), CONNECT_TIMEOUT_MS);
  const waiting = setTimeout(
    () =>
      out.aside(
        `Waiting for RabbitMQ at ${hostList(address)}, ${CONNECT_TIMEOUT_MS / 1000} s at most`,
      ),
    PATIENCE_MS,
  );
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  client.on("error", onError);
  client.on("connection", onConnection);
  try {
    await promise;
  } catch (error) {
    client.unsafeDestroy();
    throw error;
  } finally {
    clearTimeout(timer);
    clearTimeout(waiting);
    signal.removeEventListener("abort", onAbort);
    client.off("error", onError);
    client.off("connection", onConnection);
  }
}

function unreachable(cause: unknown, address: BrokerAddress): FailedError {
  const why = cause === undefined ? "no answer" : describe(cause) + hintAtTls(cause, address);
  return new FailedError(
    `No RabbitMQ at ${hostList(address)} after ${
      CONNECT_TIMEOUT_MS / 1000
    } s of trying (${why}). \`deno task broker\` starts one here`,
  );
}

function refusedLogin(error: unknown, address: BrokerAddress): FailedError {
  const { username, vhost } = address;
  return new FailedError(
    `RabbitMQ at ${hostList(address)} refuses user ${JSON.stringify(username)} on vhost ` +
      `${JSON.stringify(vhost)}: ${describe(error)}`,
  );
}
