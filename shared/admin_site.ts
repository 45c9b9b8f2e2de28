/**
 * RabbitMQ's admin site, offered to whoever starts a producer in a terminal. The offer is Deno's own question
 * for the permission to open it: no task has a standing permission to run programs for this.
 */
import type { BrokerAddress } from "./broker_url.ts";

/** The management plugin's port: 15672 beside 5672, and so on for the local brokers beside it. */
const ADMIN_PORT_OFFSET = 10_000;

const OPENERS: Partial<Record<typeof Deno.build.os, string>> = {
  darwin: "open",
  linux: "xdg-open",
  windows: "explorer",
};

/** The address of the admin site of a broker's first node. */
export function adminSite({ hosts, tls }: BrokerAddress): string {
  const { hostname = "localhost", port = 5672 } = hosts[0] ?? {};
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  // With TLS the port says nothing about the admin site's: take the plugin's default.
  return tls ? `https://${host}:15671` : `http://${host}:${port + ADMIN_PORT_OFFSET}`;
}

/** Prints the address and, if the person agrees, opens it. Blocks while Deno asks, so call it before connecting. */
export async function offerAdminSite(address: BrokerAddress): Promise<void> {
  const site = adminSite(address);
  const command = OPENERS[Deno.build.os] ?? "xdg-open";
  console.error(`RabbitMQ's admin site: ${site} (guest / guest on a local broker)`);
  const { state } = await Deno.permissions.request({ name: "run", command });
  if (state !== "granted") return;
  try {
    const opener = new Deno.Command(command, {
      args: [site],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    });
    opener.spawn().unref();
  } catch {
    console.error(`${command} can't be run here: open the address yourself`);
  }
}
