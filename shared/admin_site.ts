/** RabbitMQ's admin site: named by every producer, opened for whoever asks for it. */
import type { BrokerAddress } from "./broker_url.ts";
import { flag } from "./options.ts";
import type { Output } from "./output.ts";

/** The flag that opens it. */
export const ADMIN_OPTION = {
  admin: flag("open RabbitMQ's admin site, at its queues, in the browser"),
};

/** The management plugin's port: 15672 beside 5672, and so on for the local brokers beside it. */
const ADMIN_PORT_OFFSET = 10_000;

/** What opens an address in the browser. The tasks may run these and no others. */
const OPENERS: Partial<Record<typeof Deno.build.os, string>> = {
  darwin: "/usr/bin/open",
  linux: "/usr/bin/xdg-open",
  windows: "C:/Windows/explorer.exe",
};

/** The address of the admin site of a broker's first node. */
export function adminSite({ hosts, tls }: BrokerAddress): string {
  const { hostname = "localhost", port = 5672 } = hosts[0] ?? {};
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  // With TLS the port says nothing about the admin site's: take the plugin's default.
  return tls ? `https://${host}:15671` : `http://${host}:${port + ADMIN_PORT_OFFSET}`;
}

/**
 * Names the page of the queues; nothing waits for an answer.
 *
 * @param open Whether to open it, too.
 */
export async function showAdminSite(
  address: BrokerAddress,
  out: Output,
  { open }: { open: boolean },
): Promise<void> {
  const page = `${adminSite(address)}/#/queues`;
  out.line(`RabbitMQ's queues: ${page} (guest / guest on a local broker)`);
  if (open) await openPage(page, out);
}

async function openPage(page: string, out: Output): Promise<void> {
  const command = OPENERS[Deno.build.os] ?? "/usr/bin/xdg-open";
  const { state } = await Deno.permissions.query({ name: "run", command });
  try {
    // Without the permission Deno would ask, and hold up what was asked for.
    if (state !== "granted") throw new Error("no permission");
    new Deno.Command(command, { args: [page], stdin: "null", stdout: "null", stderr: "null" })
      .spawn().unref();
  } catch {
    out.note(`The browser can't be opened from here (${command}): open the page yourself`);
  }
}
