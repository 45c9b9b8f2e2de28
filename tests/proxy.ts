/** A network that tests can cut: a TCP proxy before the broker. */
import assert from "node:assert/strict";
import { testBroker } from "./test_broker.ts";

export class BrokerProxy implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.Conn>();
  readonly #target: Deno.ConnectOptions;
  #down = false;
  #deaf = false;

  /** @param target Where the broker is. @default the tests' broker */
  constructor(target: Deno.ConnectOptions = testBroker().hosts[0] ?? assert.fail("no broker")) {
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
        Promise.race([pipe(client, server, () => this.#deaf), pipe(server, client)]).then(() => {
          for (const socket of [client, server]) this.#open.delete(socket);
        });
      } catch {
        close(client);
      }
    }
  }
}

async function pipe(from: Deno.Conn, to: Deno.Conn, isDeaf = () => false): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (let length; (length = await from.read(buffer)) !== null;) {
      if (isDeaf()) continue;
      for (let sent = 0; sent < length;) sent += await to.write(buffer.subarray(sent, length));
    }
  } catch {
    // Cut.
  }
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
