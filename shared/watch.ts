/**
 * Announcements: what a script does, on the exchange `watch`, for whoever wants to see it. Neither persistent
 * nor confirmed: with nobody bound the broker drops them, and they take nothing from anyone.
 */
import { delay, unlessAborted } from "./abort.ts";
import { type Channel, type Connection, RETRY_MS } from "./connection.ts";
import { FailedError } from "./errors.ts";
import { WATCH_EXCHANGE } from "./topology.ts";

/**
 * Announcements a second: above it a sample is announced, evenly spread, and the running totals in each keep it
 * right. A burst of tickets that are due together is still announced whole.
 */
const PER_SECOND = 150;
const BURST = 50;

/** A consumer says so often, in milliseconds, that it is there. */
export const PRESENCE_MS = 2000;

/** How long a script that ends waits for the channel of its announcements, in milliseconds. */
const GOODBYE_MS = 500;

/** Announcements that a watcher which doesn't keep up may leave in the broker: the oldest go. */
const MAX_WAITING = 10_000;

/** A binding key for each stream: a flood in one doesn't push another's announcements out. */
const STREAMS = ["helpdesk.#", "tasks.#", "smoker.#"];

type Body = () => Record<string, unknown>;

/** Announces what one script does. */
export class Announcer implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #about: { script: string; name: string; instance: string };
  #channel: Channel | undefined;
  #opening: Promise<void> | undefined;
  #disabled = false;
  #allowance = BURST;
  #counted = performance.now();
  /** The latest of what was left out, by key. */
  readonly #left = new Map<string, Body>();
  /** The latest of what came while there was no channel. */
  #waiting: { key: string; body: Body }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #presence: { key: string; body: Body; timer: ReturnType<typeof setInterval> } | undefined;

  /** @param script Who announces, and under which name: part of each announcement. */
  constructor(connection: Connection, script: string, name = script) {
    this.#connection = connection;
    this.#about = { script, name, instance: crypto.randomUUID().slice(0, 8) };
    this.#open();
  }

  /**
   * Announces something, unless too much was announced just now; then the latest of each key that was left out
   * follows a little later, so that the totals arrive.
   *
   * @param key Routing key, such as `helpdesk.handled`.
   * @param body What happened, with the script's running totals.
   * @param options `always` is for what is rare and must not be left out.
   */
  announce(key: string, body: Body, { always = false }: { always?: boolean } = {}): void {
    if (always) return this.#send(key, body);
    // Then its end decides: no look at the clock for each that is left out.
    if (this.#timer !== undefined) return void this.#left.set(key, body);
    const now = performance.now();
    const earned = (now - this.#counted) * PER_SECOND / 1000;
    this.#allowance = Math.min(BURST, this.#allowance + earned);
    this.#counted = now;
    if (this.#allowance >= 1) {
      this.#allowance--;
      this.#left.delete(key);
      return this.#send(key, body);
    }
    this.#left.set(key, body);
    this.#timer = setTimeout(() => this.#sendLeft(), 1000 / PER_SECOND);
  }

  /**
   * Announces now and every 2 s that this script is there, and at the end that it is gone.
   *
   * @param key Routing key, such as `helpdesk.presence`.
   * @param body What it has done so far.
   */
  present(key: string, body: Body): void {
    const here = () => this.announce(key, () => ({ here: true, ...body() }), { always: true });
    this.#presence = { key, body, timer: setInterval(here, PRESENCE_MS) };
    here();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const patience = AbortSignal.timeout(GOODBYE_MS);
    if (this.#opening) await unlessAborted(this.#opening, patience);
    this.#sendLeft();
    if (this.#presence) {
      const { key, body, timer } = this.#presence;
      clearInterval(timer);
      this.#send(key, () => ({ here: false, ...body() }));
    }
    this.#disabled = true;
    if (this.#channel) await unlessAborted(this.#channel.close(), patience);
  }

  #sendLeft(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const left = [...this.#left];
    this.#left.clear();
    this.#allowance -= left.length;
    for (const [key, body] of left) this.#send(key, body);
  }

  #send(key: string, body: Body): void {
    if (!this.#channel?.active) {
      this.#waiting = [...this.#waiting, { key, body }].slice(-BURST);
      return this.#open();
    }
    // Announcements would pile up behind an alarm: better none than old ones.
    if (this.#connection.blocked) return;
    this.#channel.announce(WATCH_EXCHANGE, key, { ...this.#about, at: Date.now(), ...body() });
  }

  #open(): void {
    if (this.#opening || this.#disabled) return;
    this.#opening = this.#connection.channel("publish", declareExchange).then((channel) => {
      if (this.#disabled) return void channel.close();
      this.#channel = channel;
      for (const { key, body } of this.#waiting.splice(0)) this.#send(key, body);
    }, (error) => {
      // No right to the exchange: nobody watches then, and the work goes on.
      if (error instanceof FailedError) this.#disabled = true;
    }).finally(() => this.#opening = undefined);
  }
}

export interface WatchOptions {
  /** Gets the routing key and the body, which may be anything: everybody can announce. */
  readonly hear: (key: string, body: unknown) => void;
  /** Called whenever it has begun to hear. */
  readonly onReady?: () => void;
  readonly signal: AbortSignal;
}

/**
 * Hears every announcement until `signal`, through temporary queues of its own: they end with the connection,
 * and a watcher that hangs fills no broker. What is announced while the broker is away is lost.
 *
 * @throws {FailedError} If the broker refuses for good.
 */
export async function watch(
  connection: Connection,
  { hear, onReady, signal }: WatchOptions,
): Promise<void> {
  while (!signal.aborted) {
    const lost = Promise.withResolvers<void>();
    const channel = await unlessAborted(
      connection.channel("consume", async (channel) => {
        await declareExchange(channel);
        for (const routingKey of STREAMS) {
          const { queue } = await channel.queueDeclare({
            exclusive: true,
            arguments: { "x-max-length": MAX_WAITING },
          });
          await channel.queueBind(queue, WATCH_EXCHANGE, routingKey);
          await channel.basicConsume({ queue, noAck: true }, ({ routingKey, body }) => {
            const said = parsed(body);
            if (said !== undefined) hear(routingKey, said);
          }, lost.resolve);
        }
      }),
      signal,
    );
    if (channel) onReady?.();
    await unlessAborted(lost.promise, signal);
    channel?.close();
    await delay(RETRY_MS, signal);
  }
}

async function declareExchange(channel: Channel): Promise<void> {
  await channel.exchangeDeclare(WATCH_EXCHANGE);
}

/** What is announced is JSON; `undefined` for anything else. */
function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
