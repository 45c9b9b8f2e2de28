/**
 * Announcements: what a script does, on the exchange `watch`, for whoever wants to see it. Neither persistent
 * nor confirmed: with nobody bound the broker drops them, and they take nothing from anyone.
 */
import type { Channel, Connection } from "./connection.ts";
import { FailedError } from "./errors.ts";
import { WATCH_EXCHANGE } from "./topology.ts";

/** Above this rate a sample is announced; the running totals in each announcement keep it right. */
const MAX_PER_SECOND = 200;

/** Announces what one script does. */
export class Announcer implements Disposable {
  readonly #connection: Connection;
  readonly #about: { script: string; name: string };
  #channel: Channel | undefined;
  #opening = false;
  #disabled = false;
  #second = 0;
  #count = 0;
  #left: { key: string; body: Record<string, unknown> } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param script Who announces, and under which name: part of each announcement. */
  constructor(connection: Connection, script: string, name = script) {
    this.#connection = connection;
    this.#about = { script, name };
    this.#open();
  }

  /**
   * Announces something, unless too much was announced within this second; then the latest of what was left
   * out follows when the second is over, so that the totals arrive.
   *
   * @param key Routing key, such as `helpdesk.handled`.
   * @param body What happened, with the script's running totals.
   */
  announce(key: string, body: () => Record<string, unknown>): void {
    const now = Date.now();
    const second = Math.floor(now / 1000);
    if (second !== this.#second) [this.#second, this.#count] = [second, 0];
    if (++this.#count <= MAX_PER_SECOND) return this.#send(key, body());
    this.#left = { key, body: body() };
    this.#timer ??= setTimeout(() => this.#sendLeft(), 1000 - now % 1000);
  }

  [Symbol.dispose](): void {
    this.#sendLeft();
    this.#disabled = true;
    this.#channel?.close().catch(() => {});
  }

  #sendLeft(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const left = this.#left;
    this.#left = undefined;
    if (left) this.#send(left.key, left.body);
  }

  #send(key: string, body: Record<string, unknown>): void {
    if (!this.#channel?.active) {
      this.#left = { key, body };
      return this.#open();
    }
    // Announcements would pile up behind an alarm: better none than old ones.
    if (this.#connection.blocked) return;
    this.#channel.basicPublish(
      { exchange: WATCH_EXCHANGE, routingKey: key },
      { ...this.#about, at: Date.now(), ...body },
    ).catch(() => {});
  }

  #open(): void {
    if (this.#opening || this.#disabled) return;
    this.#opening = true;
    this.#connection.channel("publish", async (channel) => {
      await channel.exchangeDeclare({ exchange: WATCH_EXCHANGE, type: "topic", durable: false });
    }).then((channel) => {
      if (this.#disabled) return void channel.close().catch(() => {});
      this.#channel = channel;
      this.#sendLeft();
    }, (error) => {
      // No right to the exchange: nobody watches then, and the work goes on.
      if (error instanceof FailedError) this.#disabled = true;
    }).finally(() => this.#opening = false);
  }
}
