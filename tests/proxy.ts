/** A network that tests can cut: a TCP proxy before the broker. */
import assert from "node:assert/strict";
import { testBroker } from "./test_broker.ts";

export class BrokerProxy implements Disposable {
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.Conn>();
  readonly #target: Deno.ConnectOptions;
  #down = false;
  #deaf = false;
  #spoils = false;
  #hold:
    | { from: Uint8Array; client?: Deno.Conn; held: number[]; released: PromiseWithResolvers<void> }
    | undefined;

  /**
   * @param target Where the broker is. @default the tests' broker
   * @param hostname Where it listens.
   */
  constructor(
    target: Deno.ConnectOptions = testBroker().hosts[0] ?? assert.fail("no broker"),
    hostname = "127.0.0.1",
  ) {
    this.#listener = Deno.listen({ hostname, port: 0 });
    this.#target = target;
    this.#serve();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** Ends every connection at once; new ones are let through. */
  cut(): void {
    for (const socket of this.#open) close(socket);
    this.#open.clear();
  }

  /** Ends every connection and lets none through any more, until {@link restore}. */
  down(): void {
    this.#down = true;
    this.cut();
  }

  restore(): void {
    this.#down = false;
  }

  /** Lets nothing through to the broker any more, while what it sends still comes: it confirms nothing. */
  deafen(): void {
    this.#deaf = true;
  }

  /** Spoils the last byte, which is the end of a frame, of what the broker sends next. */
  spoil(): void {
    this.#spoils = true;
  }

  /** Keeps what the broker sends on a connection, from these bytes on, and its end, until {@link release}. */
  holdFrom(bytes: Uint8Array): void {
    this.#hold = { from: bytes, held: [], released: Promise.withResolvers() };
  }

  /** Bytes that are kept. */
  get held(): number {
    return this.#hold?.held.length ?? 0;
  }

  /** Sends what is kept, all of it at once. */
  async release(): Promise<void> {
    const { client, held = [], released } = this.#hold ?? {};
    this.#hold = undefined;
    await client?.write(Uint8Array.from(held));
    released?.resolve();
  }

  /** Connections that are let through. */
  get connections(): number {
    return this.#open.size / 2;
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    this.cut();
  }

  async #serve(): Promise<void> {
    for await (const client of this.#listener) {
      if (this.#down) {
        close(client);
        continue;
      }
      try {
        const server = await Deno.connect(this.#target);
        for (const socket of [client, server]) this.#open.add(socket);
        const isHeld = (bytes: Uint8Array) => {
          if (this.#spoils) bytes.set([0], bytes.length - 1);
          this.#spoils = false;
          return this.#isHeld(client, bytes);
        };
        const released = async () => {
          if (this.#hold?.client === client) await this.#hold.released.promise;
        };
        const ended = [
          pipe(client, server, () => this.#deaf),
          pipe(server, client, isHeld, released),
        ];
        Promise.race(ended).then(() => {
          for (const socket of [client, server]) this.#open.delete(socket);
        });
      } catch {
        close(client);
      }
    }
  }

  #isHeld(client: Deno.Conn, bytes: Uint8Array): boolean {
    const hold = this.#hold;
    if (!hold || (hold.client ?? client) !== client) return false;
    if (!hold.client && !Buffer.from(bytes).includes(Buffer.from(hold.from))) return false;
    hold.client = client;
    hold.held.push(...bytes);
    return true;
  }
}

/**
 * @param keeps Whether bytes don't go on.
 * @param beforeEnd What the end has to wait for.
 */
async function pipe(
  from: Deno.Conn,
  to: Deno.Conn,
  keeps: (bytes: Uint8Array) => boolean,
  beforeEnd: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (let length; (length = await from.read(buffer)) !== null;) {
      if (keeps(buffer.subarray(0, length))) continue;
      for (let sent = 0; sent < length;) sent += await to.write(buffer.subarray(sent, length));
    }
  } catch {
    // Cut.
  }
  await beforeEnd();
  close(from);
  close(to);
}

function close(socket: Deno.Conn): void {
  try {
    socket.close();
  } catch {
    // Closed already.
  }
}
