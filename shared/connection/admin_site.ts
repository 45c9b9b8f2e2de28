/** RabbitMQ's admin site: named by every producer, opened for whoever asks for it. */
import { flag, type Output } from "../script.ts";
import { type BrokerAddress, brokerAddress } from "./address.ts";
import type { CertificateFiles } from "./address.ts";

/** The flag that opens it. */
export const ADMIN_OPTION = {
  admin: flag("open RabbitMQ's admin site, at its queues, in the browser"),
};

/** The management plugin's port: 15672 beside 5672, and so on for the local brokers beside it. */
const ADMIN_PORT_OFFSET = 10_000;
const MAX_PORT = 65_535;

/** What opens an address in the browser. The tasks may run these and no others. */
const OPENERS: Partial<Record<typeof Deno.build.os, string>> = {
  darwin: "/usr/bin/open",
  linux: "/usr/bin/xdg-open",
  windows: "C:/Windows/explorer.exe",
};

/** The address of the admin site: the one that the broker's URL names, else the usual one of its first node. */
export function adminSite({ hosts, tls, admin }: BrokerAddress): string {
  if (admin !== undefined) return admin;
  const { hostname = "localhost", port = 5672 } = hosts[0] ?? {};
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  // With TLS the port says nothing about the admin site's: take the plugin's default.
  if (tls) return `https://${host}:15671`;
  const beside = port + ADMIN_PORT_OFFSET;
  return `http://${host}:${beside <= MAX_PORT ? beside : ADMIN_PORT_OFFSET + 5672}`;
}

/** Time that the admin site has to answer, in milliseconds. */
const ANSWER_MS = 3000;

/**
 * Asks the admin site, with the broker's user and password only where they may be sent: to a site that the broker's URL
 * names, to one whose certificate is good for the broker's host, and where they are RabbitMQ's public guest / guest, to
 * one that says of itself that it is RabbitMQ's. AMQP doesn't say where a broker's admin site is, and on its usual port
 * anybody may listen.
 *
 * @param path Begins with `/api`.
 * @returns The JSON that it answers.
 * @throws {Error} If it can't be asked; the message says why.
 */
export async function askAdminSite(address: BrokerAddress, path: string): Promise<unknown> {
  const { username, password, tls, certificates: { ca } = {} } = address;
  const site = adminSite(address);
  const { host, port } = new URL(site);
  const permission = await Deno.permissions.query({ name: "net", host });
  if (permission.state !== "granted") {
    throw new Error(`this task may not ask ${site}, put ${host} into AMQP_HOST, too`);
  }
  const login = `${username}:${password}`;
  const isNamed = address.admin !== undefined || tls;
  if (!isNamed && login !== "guest:guest") {
    throw new Error(
      `the password isn't sent to ${site}, where anybody may listen. If that is the broker's admin site, ` +
        `name it in the URL: amqp://…/vhost?admin=${port}`,
    );
  }
  using client = Deno.createHttpClient(ca === undefined ? {} : { caCerts: [ca] });
  const ask = async (headers: Record<string, string>) => {
    const signal = AbortSignal.timeout(ANSWER_MS);
    try {
      return await fetch(site + path, { headers, redirect: "error", signal, client });
    } catch (cause) {
      throw new Error(`no admin site at ${site}`, { cause });
    }
  };
  if (!isNamed) {
    const { headers, body } = await ask({});
    await body?.cancel();
    if (!headers.get("www-authenticate")?.includes("RabbitMQ")) {
      throw new Error(`${site} doesn't say that it is RabbitMQ's admin site`);
    }
  }
  const bytes = new TextEncoder().encode(login);
  const answer = await ask({ authorization: `Basic ${bytes.toBase64()}` });
  if (answer.ok) return await answer.json();
  await answer.body?.cancel();
  throw new Error(`${site} answers ${answer.status}`);
}

/**
 * Names the page of the queues; nothing waits for an answer.
 *
 * @param options `open`: whether to open it, too.
 */
export async function showAdminSite(
  { values, out }: {
    readonly values: CertificateFiles & { readonly url: string | undefined };
    readonly out: Output;
  },
  { open }: { open: boolean },
): Promise<void> {
  const page = `${adminSite(brokerAddress(values.url, values))}/#/queues`;
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
