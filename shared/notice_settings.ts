/** How notices are sent: read from the environment or an env file, checked, and allowed by Deno. */
import { parseEnv } from "node:util";
import { reasonOf, UsageError } from "./errors.ts";
import {
  type AddressOptions,
  isLocal,
  type MailServer,
  readAddresses,
  readSmtpUrl,
  readWebhookUrl,
} from "./notice_addresses.ts";
import { isAllowed } from "./permission.ts";
import type { NoticeKind } from "./topology.ts";

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
