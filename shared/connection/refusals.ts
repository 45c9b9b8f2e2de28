/** What the broker refuses for good, and what only has to wait: errors of the client and of TLS as sentences. */
import { FailedError, reasonOf, unlessAborted } from "../script.ts";
import { type BrokerAddress, hostList } from "./address.ts";

/** The broker's code of an error, such as `NOT_FOUND`, or the system's, such as `ECONNREFUSED`. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error) return String(error.code);
  return /closed: ([A-Z_]+)/.exec(reasonOf(error))?.[1] ?? "";
}

/** Whether user or vhost are refused: trying again won't help. */
export function loginRefused(error: unknown): boolean {
  return ["ACCESS_REFUSED", "NOT_ALLOWED"].includes(codeOf(error));
}

/** An error of the client in words. */
export function describe(error: unknown): string {
  if (codeOf(error) === "ECONNREFUSED") return "connection refused";
  return reasonOf(error).replace(/^(channel \d+|connection) closed: (.*) \(\d+\)$/s, "$2") ||
    codeOf(error);
}

/**
 * What the broker refuses for good, as a sentence; `undefined` for what may pass.
 *
 * A classic queue whose node is down is a 404 too ("down or inaccessible"), but comes back with its node.
 */
export function refusal(error: unknown): FailedError | undefined {
  if (error instanceof FailedError) return error;
  const text = describe(error);
  const code = codeOf(error);
  if (code === "PRECONDITION_FAILED") {
    return new FailedError(explainMismatch(text), { cause: error });
  }
  const final = ["ACCESS_REFUSED", "NOT_FOUND", "RESOURCE_LOCKED"].includes(code) &&
    !/down or inaccessible/.test(text);
  return final ? new FailedError(`RabbitMQ refuses: ${text}`, { cause: error }) : undefined;
}

/** Arguments that only quorum queues get here: one of them missing or too many means the other type. */
const OF_THE_TYPE = ["x-queue-type", "x-single-active-consumer", "x-delivery-limit"];

/** Turns `inequivalent arg …` (406) into what is the matter and what to type. */
function explainMismatch(text: string): string {
  const match =
    /inequivalent arg '([^']+)' for queue '([^']+)'.*?received (.*?) but current is (.*?)$/.exec(
      text,
    );
  if (!match) return `RabbitMQ refuses: ${text}`;
  const [, argument, queue, received, current] = match as unknown as string[];
  const value = (part: string | undefined) => /'([^']*)'/.exec(part ?? "")?.[1] ?? "not set";
  const wantsQuorum = !["not set", "classic"].includes(value(received));
  const other = OF_THE_TYPE.includes(argument ?? "")
    ? `, or keep it: --queue-type ${wantsQuorum ? "classic" : "quorum"}`
    : "";
  return `Queue ${queue} exists with other arguments (${argument}: ${value(current)}, wanted: ` +
    `${value(received)}). Delete it with its messages: deno task queues --delete ${queue}${other}`;
}

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
