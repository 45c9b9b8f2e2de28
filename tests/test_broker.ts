/**
 * The broker of tests and benches: that of `AMQP_URL` where they may read it, else the one at localhost:5672. Of a
 * cluster it is the first node. Tests that kill or configure a broker start one of their own (own_cluster.ts).
 */
import {
  adminSite,
  type BrokerAddress,
  brokerAddress,
  DEFAULT_URL,
  hostList,
} from "../shared/connection.ts";
import { UsageError } from "../shared/script.ts";

/** `AMQP_URL`; `deno test --allow-net` may not read it, and isn't asked. */
function urlOfEnvironment(): string {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "AMQP_URL" });
  return state === "granted" ? Deno.env.get("AMQP_URL") ?? "" : "";
}

/**
 * Its URL.
 *
 * @param parts What is to be different, such as `{ pathname: "vhost" }`.
 * @throws {UsageError} If `AMQP_URL` can't be read or asks for TLS, which needs flags that tests don't give.
 */
export function testBrokerUrl(
  parts: Partial<Pick<URL, "username" | "password" | "host" | "pathname">> = {},
): string {
  const [first = ""] = (urlOfEnvironment() || DEFAULT_URL).split(",");
  if (brokerAddress(first).tls) {
    throw new UsageError("The tests need a broker without TLS: AMQP_URL must be amqp://…");
  }
  return Object.assign(new URL(first), parts).href;
}

export function testBroker(): BrokerAddress {
  return brokerAddress(testBrokerUrl());
}

/** The environment in which tasks use it; their own permissions are for the default ports only. */
export function testBrokerEnv(url: string): Record<string, string> {
  if (urlOfEnvironment() === "") return { AMQP_URL: url };
  const { host } = new URL(adminSite(testBroker()));
  return { AMQP_URL: url, AMQP_HOST: `${hostList(testBroker())},${host}` };
}

/** Asks the admin site of a broker, by default the tests'. */
export async function askAdminSite(
  method: string,
  path: string,
  { body, url = testBrokerUrl() }: { body?: unknown; url?: string } = {},
): Promise<Response> {
  const address = brokerAddress(url);
  const login = new TextEncoder().encode(`${address.username}:${address.password}`);
  return await fetch(`${adminSite(address)}/api${path}`, {
    method,
    headers: { authorization: `Basic ${login.toBase64()}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}
