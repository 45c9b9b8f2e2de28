/** Why an encrypted connection doesn't come about, in words with what to do. */
import { unlessAborted } from "./abort.ts";
import { type BrokerAddress, hostList } from "./broker_url.ts";
import { FailedError, reasonOf } from "./errors.ts";
import { codeOf } from "./refusals.ts";

/** How long the second look at an untrusted certificate may take, in milliseconds. */
const LOOK_MS = 3000;

/**
 * What is wrong between this script and the broker's TLS: trying again won't help.
 *
 * @returns A sentence; `undefined` for what may pass, such as a refused connection.
 */
export async function tlsRefusal(
  error: unknown,
  address: BrokerAddress,
): Promise<FailedError | undefined> {
  if (!address.tls) return undefined;
  const code = codeOf(error);
  const { ca, cert } = address.certificates ?? {};
  const sentence = (text: string) =>
    new FailedError(`RabbitMQ at ${hostList(address)} ${text}`, { cause: error });
  if (/WRONG_VERSION|PACKET_LENGTH/.test(code)) {
    return sentence(
      "doesn't speak TLS on this port: write amqp://, or its port for TLS (usually 5671)",
    );
  }
  if (/ALERT/.test(code)) {
    const what = `(${reasonOf(error)})`;
    return sentence(
      cert === undefined
        ? `refuses TLS without a client certificate ${what}: give --cert FILE --key FILE`
        : `refuses the certificate of --cert ${what}: its authority must be the one that RabbitMQ trusts`,
    );
  }
  if (!/CERT|LEAF_SIGNATURE/.test(code)) return undefined;
  if (/ALTNAME/.test(code)) {
    const names = /.*altnames: (.*)$/.exec(reasonOf(error))?.[1] ?? "others";
    return sentence(
      `has a certificate for other host names: write one of them in the URL (${names})`,
    );
  }
  if (/expired|not valid yet/i.test(await secondLook(address))) {
    return sentence(
      "has a certificate that isn't valid now: it has expired and needs a new one, or a clock is wrong",
    );
  }
  return sentence(
    ca === undefined
      ? "has a certificate of an authority that isn't trusted here: give that authority's, --ca FILE"
      : "has a certificate that isn't from the authority of --ca: give the one that has signed it",
  );
}

/** What it may mean that a connection is cut before the broker has said anything; it may also be starting. */
export function hintAtTls(error: unknown, { tls, certificates }: BrokerAddress): string {
  if (codeOf(error) !== "ECONNRESET" && reasonOf(error) !== "Connection ended") return "";
  if (!tls) return "; if this is its port for TLS, write amqps://";
  return certificates?.cert === undefined
    ? "; it may want a client certificate, --cert and --key"
    : "";
}

/** node:tls has one code for all that is wrong with a certificate; Deno's own connection says what it is. */
async function secondLook({ hosts, certificates }: BrokerAddress): Promise<string> {
  const [{ hostname, port } = { hostname: "localhost", port: 5671 }] = hosts;
  const { ca } = certificates ?? {};
  const look = async () => {
    using connection = await Deno.connectTls({ hostname, port, caCerts: ca ? [ca] : [] });
    await connection.handshake();
    return "";
  };
  return await unlessAborted(look().catch(reasonOf), AbortSignal.timeout(LOOK_MS)) ?? "";
}
