/**
 * A connection that comes back: when it is lost it is made anew, to any of the broker's nodes, until it is closed.
 */
import { isIP } from "node:net";
import { delay, FailedError, type Output, unlessAborted } from "../script.ts";
import { type BrokerAddress, hostList } from "./address.ts";
import { Channel } from "./channel.ts";
import { Client, type Node } from "./client.ts";
import { codeOf, describe, loginRefused } from "./refusals.ts";
import { hintAtTls, tlsRefusal } from "./refusals.ts";

/** How long the first connection is tried, in milliseconds. */
const CONNECT_TIMEOUT_MS = 10_000;

/** How long one of several nodes may take to answer, in milliseconds. */
const TRY_MS = 3000;

/** After this time it is said what is waited for, in milliseconds. */
const PATIENCE_MS = 1000;

/** The waits between two rounds over the nodes: the first, doubled up to the longest; in milliseconds. */
const RETRY_MS = 200;
const MAX_RETRY_MS = 1000;

/** How long a closing connection may take before it is dropped, in milliseconds. */
const CLOSE_TIMEOUT_MS = 3000;

/** What a connection reports. */
export interface Listener {
  readonly onLost: () => void;
  readonly onRestored: () => void;
  /** Called when the broker, which is back, refuses the login: with a sentence, once after each loss. */
  readonly onRefused: (why: FailedError) => void;
  /** Called when the broker stops publishers for an alarm of its own, and without a reason when it is over. */
  readonly onBlocked: (reason?: string) => void;
}

export class Link {
  readonly #address: BrokerAddress;
  readonly #name: string;
  readonly #listener: Listener;
  readonly #closed = new AbortController();
  readonly #nodes: readonly Node[];
  /** The node to try next. */
  #next = 0;
  #client: Promise<Client>;

  /**
   * Connects to any of the nodes.
   *
   * @param name Shown on RabbitMQ's admin site.
   * @param options `out` tells what is waited for, `signal` gives up.
   * @throws {FailedError} If nothing answers within 10 s, or the broker refuses user, vhost or certificate.
   * @throws The signal's reason, if it is aborted before.
   */
  static async open(
    address: BrokerAddress,
    name: string,
    { out, signal, listener }: { out: Output; signal: AbortSignal; listener: Listener },
  ): Promise<Link> {
    const link = new Link(address, name, listener);
    const timeout = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
    const patience = setTimeout(() => out.aside(waitingFor(address)), PATIENCE_MS);
    let cause: unknown;
    let refused: FailedError | undefined;
    const onError = async (error: unknown, last: boolean) => {
      if (cause === undefined || telling(error) >= telling(cause)) cause = error;
      refused ??= loginRefused(error)
        ? refusedLogin(error, address)
        : await tlsRefusal(error, address);
      // Before that another node may answer.
      if (last && refused) throw refused;
    };
    try {
      const client = link.#connect(onError);
      if (!await unlessAborted(client, AbortSignal.any([signal, timeout]))) {
        signal.throwIfAborted();
        throw refused ?? unreachable(cause, address);
      }
      link.#client = client;
      return link;
    } catch (error) {
      link.#closed.abort();
      throw error;
    } finally {
      clearTimeout(patience);
    }
  }

  private constructor(address: BrokerAddress, name: string, listener: Listener) {
    this.#address = address;
    this.#name = name;
    this.#listener = listener;
    const names = address.hosts.filter(({ hostname }) => !isIP(hostname));
    // The second addresses last: when a node is lost, another node is tried before.
    this.#nodes = [
      ...address.hosts.map((host) => names.includes(host) ? { ...host, family: 4 as const } : host),
      ...names.map((host) => ({ ...host, family: 6 as const })),
    ];
    this.#client = Promise.reject(new FailedError("not connected"));
    this.#client.catch(() => {});
  }

  /**
   * Opens a channel, as soon as there is a connection.
   *
   * @param unlimited As {@link Channel.open} takes it.
   * @throws {FailedError} If it is closed meanwhile.
   */
  async channel(unlimited: ReadonlySet<string>): Promise<Channel> {
    return await Channel.open(await this.#client, unlimited);
  }

  /** Closes it; a broker that doesn't answer is given 3 s. */
  async close(): Promise<void> {
    const closed = this.#closed;
    if (closed.signal.aborted) return;
    closed.abort();
    const client = await this.#client.catch(() => undefined);
    if (!client) return;
    const patience = AbortSignal.timeout(CLOSE_TIMEOUT_MS);
    await unlessAborted(client.close().catch(() => {}), AbortSignal.any([patience, client.ended]));
    client.drop();
  }

  /**
   * Tries node after node, round after round.
   *
   * @param onError Gets each failure, and whether it was the last node of a round; what it throws ends the tries.
   * @throws {FailedError} If it is closed meanwhile.
   */
  async #connect(onError: (error: unknown, last: boolean) => Promise<void>): Promise<Client> {
    const nodes = this.#nodes;
    const { signal } = this.#closed;
    for (let waitMs = RETRY_MS;; waitMs = Math.min(2 * waitMs, MAX_RETRY_MS)) {
      for (let tried = 1; tried <= nodes.length; tried++) {
        const node = nodes[this.#next++ % nodes.length];
        if (signal.aborted || !node) throw new FailedError("The connection is closed");
        const client = new Client(this.#address, node, this.#name);
        const stop = () => client.drop();
        signal.addEventListener("abort", stop);
        const timer = setTimeout(
          stop,
          this.#address.hosts.length > 1 ? TRY_MS : CONNECT_TIMEOUT_MS,
        );
        try {
          await client.connect();
          // Closed in the same read, it doesn't tell us any more.
          if (client.closed || signal.aborted) throw new Error("the connection was closed at once");
          return this.#follow(client);
        } catch (error) {
          client.drop();
          await onError(error, tried === nodes.length);
        } finally {
          clearTimeout(timer);
          signal.removeEventListener("abort", stop);
        }
      }
      await delay(waitMs, signal);
    }
  }

  #follow(client: Client): Client {
    const { onLost, onBlocked } = this.#listener;
    client.ondisconnect = () => {
      if (this.#closed.signal.aborted) return;
      onLost();
      this.#client = this.#reconnect();
      this.#client.catch(() => {});
    };
    client.onblocked = (reason) => {
      // With it the library refuses to write: what waits in the socket is written when the alarm is over.
      delete client.blocked;
      onBlocked(reason);
    };
    client.onunblocked = () => onBlocked();
    return client;
  }

  async #reconnect(): Promise<Client> {
    let told = false;
    const client = await this.#connect((error) => {
      if (loginRefused(error) && !told) {
        this.#listener.onRefused(refusedLogin(error, this.#address));
      }
      told ||= loginRefused(error);
      return Promise.resolve();
    });
    this.#listener.onRestored();
    return client;
  }
}

/** How much an error says: often a name has addresses of one family only, or nobody listens at those of the other. */
function telling(error: unknown): number {
  const code = codeOf(error);
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return 0;
  return code === "ECONNREFUSED" ? 1 : 2;
}

function waitingFor(address: BrokerAddress): string {
  return `Waiting for RabbitMQ at ${hostList(address)}, ${CONNECT_TIMEOUT_MS / 1000} s at most`;
}

function unreachable(cause: unknown, address: BrokerAddress): FailedError {
  const why = cause === undefined ? "no answer" : describe(cause) + hintAtTls(cause, address);
  return new FailedError(
    `No RabbitMQ at ${hostList(address)} after ${
      CONNECT_TIMEOUT_MS / 1000
    } s of trying (${why}). \`deno task broker\` starts one here`,
  );
}

function refusedLogin(error: unknown, address: BrokerAddress): FailedError {
  const { username, vhost } = address;
  return new FailedError(
    `RabbitMQ at ${hostList(address)} refuses user ${JSON.stringify(username)} on vhost ` +
      `${JSON.stringify(vhost)}: ${describe(error)}`,
  );
}
