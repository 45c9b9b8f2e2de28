/** What the ways of sending have in common: how to ask for it, and how it fails. */
import type { NoticeKind } from "../streams.ts";
import type { Notice } from "./notices.ts";
import type { Secrets } from "./secrets.ts";

/** Sends notices of one kind to one server. */
export interface NoticeSender {
  readonly kind: NoticeKind;
  /** `host:port`. */
  readonly server: string;
  /**
   * Sends a notice, and resolves to the server's answer when it has taken it.
   *
   * @param signal Gives up at once: the notice may have been taken or not.
   * @throws {Unavailable} If it could not be sent now.
   * @throws {Refused} If the server will never take it.
   */
  send(notice: Notice, signal: AbortSignal): Promise<string>;
}

export interface SenderOptions {
  /** `host:port`, for people. */
  readonly server: string;
  /** What must not be shown. */
  readonly secrets: Secrets;
  /** Longest time for one try, in milliseconds. */
  readonly timeoutMs: number;
}

/** The server can't be reached, or doesn't want the notice now: try again. The message holds no secrets. */
export class Unavailable extends Error {
  override name = "Unavailable";
}

/** The server won't have this notice, now or later. The message holds no secrets. */
export class Refused extends Error {
  override name = "Refused";
}

/** A server's answer goes into lines, headers and logs: this much of it. */
const MAX_ANSWER = 200;

/** A server's words, without secrets, as one line of limited length. */
export function shown(answer: string, secrets: Secrets): string {
  const line = secrets.redact(answer).replace(/\s+/g, " ").trim();
  return line.length > MAX_ANSWER ? `${line.slice(0, MAX_ANSWER)}…` : line;
}
