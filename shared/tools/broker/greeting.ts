/** What answers at an address: AMQP's own greeting, read without an AMQP client. */
import type { Certificates } from "../../connection.ts";
import { unlessAborted } from "../../script.ts";

/** How long a broker may take to greet, in milliseconds. */
const GREETING_MS = 3000;

/** What a broker says of itself. */
export interface Greeting {
  readonly product: string;
  readonly version: string;
}

/** Asks an address for the greeting of AMQP 0-9-1 and hangs up; `undefined` if there is none within 3 s. */
export async function greeting(
  { hostname, port, tls = false, certificates = {} }: {
    hostname: string;
    port: number;
    tls?: boolean;
    certificates?: Certificates | undefined;
  },
): Promise<Greeting | undefined> {
  let conn: Deno.Conn | undefined;
  const ask = async () => {
    const { ca, ...own } = certificates;
    conn =
      await (tls
        ? Deno.connectTls({ hostname, port, ...own as Certificates, caCerts: ca ? [ca] : [] })
        : Deno.connect({ hostname, port }));
    await conn.write(new TextEncoder().encode("AMQP\0\0\x09\x01"));
    return await readGreeting(conn);
  };
  try {
    return await unlessAborted(ask(), AbortSignal.timeout(GREETING_MS));
  } catch {
    return undefined;
  } finally {
    conn?.close();
  }
}

/** Connection.Start: type 1, channel, length (1, 2, 4 bytes), class 10, method 10, …, the server's properties. */
async function readGreeting(conn: Deno.Conn): Promise<Greeting | undefined> {
  const frame = new Uint8Array(65_536);
  let size = 0;
  for (let end = 11; size < Math.min(end, frame.length);) {
    const read = await conn.read(frame.subarray(size));
    if (read === null || frame[0] !== 1) return undefined;
    size += read;
    if (size >= 7) end = 8 + new DataView(frame.buffer).getUint32(3);
  }
  if (frame[8] !== 10 || frame[10] !== 10) return undefined;
  const text = new TextDecoder("latin1").decode(frame.subarray(0, size));
  // A property: length of the name, the name, "S", length of the text (4 bytes), the text.
  const property = (name: string) => {
    const key = String.fromCharCode(name.length) + name + "S";
    const from = text.indexOf(key) + key.length + 4;
    return text.includes(key) ? text.slice(from, from + text.charCodeAt(from - 1)) : "?";
  };
  return { product: property("product"), version: property("version") };
}
