/** A network that tests can cut: a TCP proxy before the broker. */
export class BrokerProxy implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.Conn>();
  readonly #target: number;

  /** @param target Port of the broker on this machine. */
  constructor(target = 5672) {
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

  [Symbol.dispose](): void {
    this.#listener.close();
    this.cut();
  }

  async #serve(): Promise<void> {
    for await (const client of this.#listener) {
      try {
        const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
        for (const socket of [client, server]) this.#open.add(socket);
        pipe(client, server);
        pipe(server, client);
      } catch {
        close(client);
      }
    }
  }
}

async function pipe(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (let length; (length = await from.read(buffer)) !== null;) {
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
