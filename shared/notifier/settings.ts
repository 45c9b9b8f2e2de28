/**
 * How notices are sent: mail server, web hook, senders and receivers, read from the environment or an env file, checked,
 * and allowed by Deno. No error shows what was given: it may be a password in the wrong place.
 */
import { isAllowed, reasonOf, UsageError } from "../script.ts";
import type { NoticeKind } from "../streams.ts";
import type { Secrets } from "./secrets.ts";
import { parseEnv } from "node:util";

const NAMES = [
  "SMTP_URL",
  "ALERT_FROM",
  "ALERT_EMAIL_TO",
  "ALERT_TEXT_TO",
  "ALERT_WEBHOOK_URL",
] as const;

/** What the variables hold. */
export type Variables = Partial<Record<typeof NAMES[number], string>>;

/** The file that the task may read without asking. */
const ENV_FILE = "alerts.env";

/** A mail server and who is on either side of it. */
export interface MailSettings extends MailServer {
  readonly from: string;
  readonly to: readonly string[];
}

/** What is configured; kinds that aren't are absent. */
export interface NoticeSettings {
  readonly email?: MailSettings;
  readonly text?: MailSettings;
  readonly webhook?: URL;
}

/**
 * Reads the variables: those of the environment win over those of the file.
 *
 * @param envFile Its path; `-` for standard input.
 * @param task The task's name, for what to type.
 * @throws {UsageError} If the file can't be read, or sets something that it can't mean.
 */
export async function readVariables(envFile: string | undefined, task: string): Promise<Variables> {
  const file = envFile === undefined ? {} : parseEnvFile(await readEnvFile(envFile, task), envFile);
  const variables: Variables = {};
  for (const name of NAMES) {
    const value = (Deno.env.get(name) || file[name] || "").trim();
    if (value !== "") variables[name] = value;
  }
  return variables;
}

/** @throws {UsageError} If nothing is set, something is missing, or something can't be read. */
export function settingsFrom(variables: Variables, options: AddressOptions): NoticeSettings {
  const { SMTP_URL, ALERT_FROM, ALERT_EMAIL_TO, ALERT_TEXT_TO, ALERT_WEBHOOK_URL } = variables;
  const given = NAMES.slice(0, 4).filter((name) => variables[name] !== undefined);
  if (given.length === 0 && ALERT_WEBHOOK_URL === undefined) {
    throw new UsageError(
      "Nothing to send alerts with. Set SMTP_URL, ALERT_FROM and ALERT_EMAIL_TO (mail) or " +
        "ALERT_TEXT_TO (text), or ALERT_WEBHOOK_URL, in the environment or a file of --env-file",
    );
  }
  const webhook = ALERT_WEBHOOK_URL && { webhook: readWebhookUrl(ALERT_WEBHOOK_URL, options) };
  if (given.length === 0) return { ...webhook };
  if (!SMTP_URL || !ALERT_FROM || !(ALERT_EMAIL_TO || ALERT_TEXT_TO)) {
    const missing = [
      ...(SMTP_URL ? [] : ["SMTP_URL"]),
      ...(ALERT_FROM ? [] : ["ALERT_FROM"]),
      ...(ALERT_EMAIL_TO || ALERT_TEXT_TO ? [] : ["ALERT_EMAIL_TO or ALERT_TEXT_TO"]),
    ];
    throw new UsageError(
      `${given.join(" and ")} ${given.length > 1 ? "are" : "is"} set, but mail also needs ` +
        missing.join(" and "),
    );
  }
  const server = readSmtpUrl(SMTP_URL, options);
  const [from = "", ...others] = readAddresses("ALERT_FROM", ALERT_FROM);
  if (others.length > 0) throw new UsageError("ALERT_FROM must be one address");
  const mail = (name: string, list: string) => ({ ...server, from, to: readAddresses(name, list) });
  return {
    ...(ALERT_EMAIL_TO && { email: mail("ALERT_EMAIL_TO", ALERT_EMAIL_TO) }),
    ...(ALERT_TEXT_TO && { text: mail("ALERT_TEXT_TO", ALERT_TEXT_TO) }),
    ...webhook,
  };
}

/** Where each configured kind goes, as `host:port`. */
export function serversOf({ email, text, webhook }: NoticeSettings): Map<NoticeKind, string> {
  const servers = new Map<NoticeKind, string>();
  const mailServer = ({ host, port }: MailServer) =>
    `${host.includes(":") ? `[${host}]` : host}:${port}`;
  if (email) servers.set("email", mailServer(email));
  if (text) servers.set("text", mailServer(text));
  if (webhook) {
    const port = webhook.port || (webhook.protocol === "https:" ? "443" : "80");
    servers.set("webhook", `${webhook.hostname}:${port}`);
  }
  return servers;
}

/**
 * Makes sure that this script may reach the servers: in a terminal Deno asks, elsewhere the error says what to
 * type. Without it the socket's own error would be a riddle (`getaddrinfo EPERM`).
 *
 * @throws {UsageError} If a permission is missing.
 */
export async function requireServers(settings: NoticeSettings, task: string): Promise<void> {
  const hosts = [...new Set(serversOf(settings).values())];
  for (const host of hosts) {
    if (await isAllowed({ name: "net", host })) continue;
    const needed = hosts.filter((host) => !isLocal(host.replace(/:\d+$/, ""))).join(",");
    throw new UsageError(
      `This task may not reach ${host}. Type: ALERT_HOSTS=${needed} deno task ${task} …`,
    );
  }
}

async function readEnvFile(path: string, task: string): Promise<string> {
  try {
    if (path === "-") return await new Response(Deno.stdin.readable).text();
    await isAllowed({ name: "read", path });
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new UsageError(
        `--env-file ${path}: this task may read ${ENV_FILE} only. ` +
          `Pipe the file in: deno task ${task} --env-file - < ${path}`,
      );
    }
    const why = error instanceof Deno.errors.NotFound ? "no such file" : reasonOf(error);
    throw new UsageError(`--env-file ${path} can't be read: ${why}`);
  }
}

function parseEnvFile(text: string, path: string): Record<string, string | undefined> {
  const variables = parseEnv(text.replace(/^\ufeff/, ""));
  // Others may share the file; ours, misspelt, would be a kind of notice that is silently not sent.
  const unknown = Object.keys(variables).find((name) =>
    /^(ALERT|SMTP)_/.test(name) && ![...NAMES, "ALERT_HOSTS"].includes(name)
  );
  if (unknown !== undefined) {
    throw new UsageError(
      `--env-file ${path}: there is no ${unknown}, only ${NAMES.join(", ")}`,
    );
  }
  return variables;
}

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
