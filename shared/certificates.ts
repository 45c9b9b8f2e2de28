/** The certificates of an encrypted connection: `--ca`, `--cert` and `--key`, read and checked before it is tried. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { reasonOf, UsageError } from "./errors.ts";
import { path } from "./options.ts";

/** The flags, beside that of the URL. */
export const CERTIFICATE_OPTIONS = {
  ca: path(
    "FILE",
    "for amqps://: trust this authority (PEM) and no other (default: the usual ones and $DENO_CERT)",
  ),
  cert: path("FILE", "for amqps://: this script's own certificate (PEM), with --key"),
  key: path("FILE", "the private key of --cert (PEM, not encrypted)"),
};

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
