/**
 * Announcements: what a script does, on the exchange `watch`, for whoever wants to see it. Neither persistent
 * nor confirmed: with nobody bound the broker drops them, and they take nothing from anyone.
 */
import { delay, FailedError, unlessAborted } from "../script.ts";
import type { Channel } from "./channel.ts";
import { type Connection, RETRY_MS } from "./connection.ts";

/** The topic exchange on which scripts announce what they do; transient, and nobody has to listen. */
const WATCH_EXCHANGE = "watch";

/**
 * So many announcements are sent in each time slot, in milliseconds; of what comes above that the latest of each key
 * follows at its end, so that the running totals in it arrive five times a second.
 */
const SLOT_MS = 200;
const PER_SLOT = 30;

/** Announcements that wait for a channel: the latest. */
const MAX_UNSENT = 50;

/** Ends the key of what says that a script is there. */
const PRESENCE = ".presence";

/** A consumer says so often, in milliseconds, that it is there. */
export const PRESENCE_MS = 2000;

/** How long a script that ends waits for the channel of its announcements, in milliseconds. */
const GOODBYE_MS = 500;

/** Announcements that a watcher which doesn't keep up may leave in the broker: the oldest go. */
const MAX_WAITING = 10_000;

type Body = () => Record<string, unknown>;

/** Announces what one script does. */
export class Announcer implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #about: { script: string; name: string; instance: string };
  #channel: Channel | undefined;
  #opening: Promise<void> | undefined;
  #disabled = false;
  /** Sent in this slot. */
  #sent = 0;
  /** The latest of what was left out in it, by key. */
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
   * Announces something, unless too much was announced just now; then the latest of each key follows at the end of the
   * time slot.
   *
   * @param key Routing key, such as `helpdesk.handled`.
   * @param body What happened, with the script's running totals.
   * @param options `always` is for what is rare and must not be left out.
   */
  announce(key: string, body: Body, { always = false }: { always?: boolean } = {}): void {
    if (always) return this.#send(key, body);
    this.#timer ??= setTimeout(() => this.#endSlot(), SLOT_MS);
    if (this.#sent >= PER_SLOT) return void this.#left.set(key, body);
    this.#sent++;
    this.#send(key, body);
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
    this.#endSlot();
    if (this.#presence) {
      const { key, body, timer } = this.#presence;
      clearInterval(timer);
      this.#send(key, () => ({ here: false, ...body() }));
    }
    this.#disabled = true;
    if (this.#channel) await unlessAborted(this.#channel.close(), patience);
  }

  #endSlot(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sent = 0;
    const left = [...this.#left];
    this.#left.clear();
    for (const [key, body] of left) this.#send(key, body);
  }

  #send(key: string, body: Body): void {
    if (!this.#channel?.active) {
      this.#waiting = [...this.#waiting, { key, body }].slice(-MAX_UNSENT);
      return this.#open();
    }
    // Announcements would pile up behind an alarm: better none than old ones.
    if (this.#connection.blocked) return;
    let announced: Record<string, unknown>;
    try {
      announced = body();
    } catch {
      // What can't be told to those who watch must not end the work that it is about.
      return;
    }
    this.#channel.announce(WATCH_EXCHANGE, key, { ...this.#about, at: Date.now(), ...announced });
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
  /** Names of streams: each has a queue of its own, so that a flood in one doesn't push out another's. */
  readonly streams: readonly string[];
  /** Gets the routing key and the body, which may be anything: everybody can announce. */
  readonly onAnnouncement: (key: string, body: unknown) => void;
  /** Gets each presence of a stream that isn't among them; whether that stream is heard from now on, too. */
  readonly onUnknown?: (stream: string, body: unknown) => boolean;
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
  { streams, onAnnouncement, onUnknown, onReady, signal }: WatchOptions,
): Promise<void> {
  const heard = new Set(streams);
  while (!signal.aborted) {
    const lost = Promise.withResolvers<void>();
    const hear = async (
      channel: Channel,
      pattern: string,
      take: (key: string, body: unknown) => void,
    ) => {
      const { queue } = await channel.queueDeclare({
        exclusive: true,
        arguments: { "x-max-length": MAX_WAITING },
      });
      await channel.queueBind(queue, WATCH_EXCHANGE, pattern);
      await channel.basicConsume({ queue, noAck: true }, ({ routingKey, body }) => {
        const said = parsed(body);
        if (said !== undefined) take(routingKey, said);
      }, lost.resolve);
    };
    // One word more than the name: another stream's name may begin with this one.
    const patternOf = (stream: string) => `${stream}.*`;
    const meet = (channel: Channel, key: string, body: unknown) => {
      const stream = key.slice(0, -PRESENCE.length);
      if (heard.has(stream) || isPattern(stream) || !onUnknown?.(stream, body)) return;
      heard.add(stream);
      onAnnouncement(key, body);
      hear(channel, patternOf(stream), onAnnouncement).catch(() => lost.resolve());
    };
    const channel = await unlessAborted(
      connection.channel("consume", async (channel) => {
        await declareExchange(channel);
        for (const stream of heard) await hear(channel, patternOf(stream), onAnnouncement);
        if (onUnknown) {
          await hear(channel, `#${PRESENCE}`, (key, body) => meet(channel, key, body));
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

/** Whether a topic exchange takes a name for more than itself. */
function isPattern(stream: string): boolean {
  return stream.split(".").some((word) => word === "*" || word === "#");
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
