/**
 * The addresses of notices: mail server, web hook, senders and receivers. No error shows what was given: it
 * may be a password in the wrong place.
 */
import { UsageError } from "./errors.ts";
import type { Secrets } from "./secrets.ts";

/** How to reach a mail server. */
export interface MailServer {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte; else by STARTTLS. */
  readonly secure: boolean;
  /** Whether nothing is sent without TLS and a certificate that is trusted. */
  readonly verified: boolean;
  readonly login?: { readonly user: string; readonly pass: string };
}

export interface AddressOptions {
  /** Allows servers of other machines without TLS, or with a certificate that isn't trusted. */
  readonly insecure: boolean;
  /** Gets what must not be shown. */
  readonly secrets: Secrets;
}

/**
 * Reads SMTP_URL.
 *
 * A connection to this machine may be without TLS, so its certificate isn't asked for either.
 *
 * @throws {UsageError} If it can't be read.
 */
export function readSmtpUrl(text: string, { insecure, secrets }: AddressOptions): MailServer {
  const url = parseUrl(text);
  const user = decode(url?.username ?? "");
  const pass = decode(url?.password ?? "");
  if (
    !url || !/^smtps?:$/.test(url.protocol) || !/^([\w.-]+|\[[\da-f:.]+\])$/i.test(url.hostname) ||
    !/^\/?$/.test(url.pathname) || url.search !== "" || url.hash !== "" || !user !== !pass
  ) {
    throw new UsageError(
      "SMTP_URL must look like smtps://user:password@host:465 or smtp://user:password@host:587, " +
        "in user and password %40 for @, %2F for / and so on",
    );
  }
  if (pass) secrets.add(text, url.href, url.password, pass, base64(pass), plainLogin(user, pass));
  const secure = url.protocol === "smtps:";
  return {
    host: url.hostname.toLowerCase().replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port || (secure ? 465 : 587)),
    secure,
    verified: !insecure && !isLocal(url.hostname),
    ...(user && { login: { user, pass } }),
  };
}

/**
 * Reads ALERT_WEBHOOK_URL.
 *
 * @throws {UsageError} If it can't be read, or is of another machine and without TLS.
 */
export function readWebhookUrl(text: string, { insecure, secrets }: AddressOptions): URL {
  const url = parseUrl(text);
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname === "") {
    throw new UsageError("ALERT_WEBHOOK_URL must look like https://host/path");
  }
  if (url.protocol === "http:" && !insecure && !isLocal(url.hostname)) {
    throw new UsageError(
      "ALERT_WEBHOOK_URL is of another machine and without TLS (http:): --insecure allows that",
    );
  }
  // Many a web hook's path is its password; its shorter words are hardly one.
  const parts = [...url.pathname.split("/"), ...url.searchParams.values()];
  secrets.add(text, url.href, url.pathname + url.search, url.pathname, url.search.slice(1));
  secrets.add(...parts.filter((part) => part.length >= 8));
  if (url.password) {
    const [user, pass] = [decode(url.username), decode(url.password)];
    secrets.add(url.password, pass, base64(`${user}:${pass}`));
  }
  return url;
}

/**
 * Reads mail addresses with commas between them, each `me@example.com` or `Me <me@example.com>`.
 *
 * @throws {UsageError} If one can't be read.
 */
export function readAddresses(variable: string, list: string): string[] {
  const addresses = list.split(",").map((address) => address.trim());
  for (const [index, address] of addresses.entries()) {
    if (bareAddress(address) === undefined) {
      throw new UsageError(
        `${variable} must be addresses like me@example.com or Me <me@example.com> with commas ` +
          `between them; number ${index + 1} isn't`,
      );
    }
  }
  return addresses;
}

/** The address alone, without a name; `undefined` if there is none. */
export function bareAddress(address: string): string | undefined {
  const mailbox = /^[^\s@<>,;:"()[\]\\]+@[\w\p{L}.-]+$/u;
  // deno-lint-ignore no-control-regex -- they would end the header
  const [, named] = /^[^<>@,;:"\x00-\x1f\x7f]*<([^<>]+)>$/.exec(address) ?? [];
  const bare = named ?? address;
  return mailbox.test(bare) ? bare : undefined;
}

/** Whether a host, as URLs write it, is this machine. */
export function isLocal(hostname: string): boolean {
  return ["localhost", "127.0.0.1", "[::1]"].includes(hostname.toLowerCase());
}

function parseUrl(text: string): URL | undefined {
  // URL drops line breaks silently.
  if (/\p{Cc}/u.test(text)) return undefined;
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** As SMTP's AUTH PLAIN sends it. */
function plainLogin(user: string, pass: string): string {
  return base64(`\0${user}\0${pass}`);
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
