/**
 * Where the broker is: `--url`, else `AMQP_URL`, else the local one. A comma-separated list names the nodes
 * of one cluster.
 */
import { isAllowed, optional, path, reasonOf, text, UsageError } from "../script.ts";
import { createPrivateKey, X509Certificate } from "node:crypto";

export const DEFAULT_URL = "amqp://guest:guest@localhost:5672";

/** Which authority is trusted, and what the script shows of itself. */
const CERTIFICATE_OPTIONS = {
  ca: path(
    "FILE",
    "for amqps://: trust this authority (PEM) and no other (default: the usual ones and $DENO_CERT)",
  ),
  cert: path("FILE", "for amqps://: this script's own certificate (PEM), with --key"),
  key: path("FILE", "the private key of --cert (PEM, not encrypted)"),
};

/** The flags that say which broker, and whom to trust there. */
export const URL_OPTION = {
  url: optional(
    "URL",
    text,
    `amqp://user:password@host:port/vhost (amqps:// for TLS), nodes of a cluster with commas (default $AMQP_URL, else ${DEFAULT_URL})`,
  ),
  ...CERTIFICATE_OPTIONS,
};

/** A broker, or a cluster of them under the same user. */
export interface BrokerAddress {
  /** `host:port` of each node. */
  readonly hosts: { hostname: string; port: number }[];
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
  readonly tls: boolean;
  /** RabbitMQ's admin site, where the URL names it (`?admin=15672` or `?admin=https://host:15671`). */
  readonly admin?: string;
  /** Left out where Deno's own authorities are trusted and no certificate is shown. */
  readonly certificates?: Certificates;
}

/**
 * Reads the broker's address.
 *
 * @param url What `--url` gave.
 * @param files What `--ca`, `--cert` and `--key` gave.
 * @throws {UsageError} If a URL or a file can't be read, or the nodes differ in more than host and port.
 */
export function brokerAddress(
  url: string | undefined,
  files: CertificateFiles = {},
): BrokerAddress {
  const list = url ?? (Deno.env.get("AMQP_URL") || DEFAULT_URL);
  const nodes = list.split(",").map((part) => readUrl(part.trim()));
  const [first, ...others] = nodes.map(({ host: _, admin: __, ...access }) => access);
  if (!first || others.some((other) => JSON.stringify(other) !== JSON.stringify(first))) {
    throw new UsageError(
      "The broker's URLs may differ in host and port only: same user, same vhost",
    );
  }
  const admin = nodes.find((node) => node.admin !== undefined)?.admin;
  const address = {
    ...first,
    hosts: nodes.map(({ host }) => host),
    ...(admin === undefined ? {} : { admin }),
  };
  const flag = (["ca", "cert", "key"] as const).find((name) => files[name] !== undefined);
  if (flag === undefined) return address;
  if (!first.tls) throw new UsageError(`--${flag} is for TLS: the broker's URL must be amqps://…`);
  return { ...address, certificates: readCertificates(files) };
}

/** The nodes as text, without user and password. */
export function hostList({ hosts }: BrokerAddress): string {
  return hosts.map(({ hostname, port }) =>
    `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`
  ).join(",");
}

/**
 * Makes sure that this script may reach the broker: in a terminal Deno asks, elsewhere the error says what
 * to type. Without it the socket's own error would be a riddle (`getaddrinfo EPERM`).
 *
 * @throws {UsageError} If the permission is missing.
 */
export async function requireNetPermission(address: BrokerAddress): Promise<void> {
  for (const host of hostList(address).split(",")) {
    if (!await isAllowed({ name: "net", host })) {
      throw new UsageError(
        `This task may not reach ${host}. Type: AMQP_HOST=${
          hostList(address)
        } AMQP_URL=… deno task …`,
      );
    }
  }
}

type Host = BrokerAddress["hosts"][number];

function readUrl(part: string): Omit<BrokerAddress, "hosts"> & { host: Host } {
  let url: URL | undefined;
  try {
    url = new URL(part);
  } catch {
    // Told below, without the text: it may hold a password.
  }
  if (
    !url || !/^amqps?:$/.test(url.protocol) || url.hostname === "" ||
    url.pathname.includes("/", 1) ||
    [...url.searchParams.keys()].join() !== (url.search === "" ? "" : "admin") || url.hash !== ""
  ) {
    throw new UsageError(
      "The broker's URL (--url or AMQP_URL) must look like amqp://user:password@host:port/vhost",
    );
  }
  const admin = url.searchParams.get("admin");
  const tls = url.protocol === "amqps:";
  return {
    host: {
      hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: Number(url.port || (tls ? 5671 : 5672)),
    },
    username: decode(url.username) || "guest",
    password: decode(url.password) || "guest",
    vhost: decode(url.pathname.slice(1)) || "/",
    tls,
    ...(admin === null ? {} : { admin: adminUrl(admin, url.hostname, tls) }),
  };
}

/** @throws {UsageError} If it is neither a port nor a web address. */
function adminUrl(typed: string, hostname: string, tls: boolean): string {
  const text = /^\d{1,5}$/.test(typed) ? `${tls ? "https" : "http"}://${hostname}:${typed}` : typed;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== "" || url.pathname !== "/") {
    throw new UsageError(
      "admin= in the broker's URL must be a port or look like http://host:15672",
    );
  }
  return url.origin;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Paths. */
export interface CertificateFiles {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** The texts of the files, as node:tls takes them. */
export interface Certificates {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The folder that every task may read. */
const FOLDER = "certs";

/**
 * Reads the files that are given.
 *
 * @throws {UsageError} If one can't be read or isn't what its flag says, or --cert and --key don't belong together.
 */
export function readCertificates({ ca, cert, key }: CertificateFiles): Certificates {
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError("--cert and --key go together: a certificate and its private key");
  }
  const texts = {
    ...(ca === undefined ? {} : { ca: read("ca", ca, checkCertificates) }),
    ...(cert === undefined ? {} : { cert: read("cert", cert, checkCertificates) }),
    ...(key === undefined ? {} : { key: read("key", key, createPrivateKey) }),
  };
  if (texts.cert !== undefined && texts.key !== undefined) {
    if (!new X509Certificate(texts.cert).checkPrivateKey(createPrivateKey(texts.key))) {
      throw new UsageError(`--key ${key} doesn't belong to --cert ${cert}`);
    }
  }
  return texts;
}

function read(flag: keyof Certificates, path: string, check: (pem: string) => unknown): string {
  let pem: string;
  try {
    // In a terminal Deno asks for a file outside the folder.
    pem = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new UsageError(
        `--${flag} ${path}: this task may read ${FOLDER}/ only. ` +
          `Type: mkdir -p ${FOLDER}; cp ${path} ${FOLDER}/, and give that one`,
      );
    }
    const why = error instanceof Deno.errors.NotFound ? "no such file" : reasonOf(error);
    throw new UsageError(`--${flag} ${path} can't be read: ${why}`);
  }
  try {
    check(pem);
    return pem;
  } catch {
    const encrypted = /^-----BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(pem);
    throw new UsageError(
      flag === "key"
        ? `--key ${path} must be a private key in PEM form${
          encrypted
            ? " without a password: openssl pkey removes it"
            : ", -----BEGIN PRIVATE KEY-----"
        }`
        : `--${flag} ${path} must be a certificate in PEM form, -----BEGIN CERTIFICATE-----`,
    );
  }
}

/** Every certificate in a file: Deno ignores one that it can't read, and trusts nobody then. */
function checkCertificates(pem: string): void {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g);
  if (!found) throw new RangeError("no certificate");
  for (const one of found) new X509Certificate(one);
}
