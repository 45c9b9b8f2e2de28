/** Sends notices to a web hook: the alert's JSON by POST. */
import { reasonOf } from "../script.ts";
import { spanText } from "../streams.ts";
import { type Notice, webhookOf } from "./notices.ts";
import type { Secrets } from "./secrets.ts";
import { type NoticeSender, Refused, type SenderOptions, shown, Unavailable } from "./sender.ts";

/** A web hook has no more to do than to take note, in milliseconds. */
const MAX_TIMEOUT_MS = 15_000;

/** Client errors that may pass: request timeout, too early, too many requests. */
const PASSING = [408, 425, 429];

export class WebhookSender implements NoticeSender {
  readonly kind = "webhook";
  readonly server: string;
  readonly #url: URL;
  readonly #secrets: Secrets;
  readonly #timeoutMs: number;

  constructor(url: URL, { server, secrets, timeoutMs }: SenderOptions) {
    this.server = server;
    this.#url = url;
    this.#secrets = secrets;
    this.#timeoutMs = Math.min(timeoutMs, MAX_TIMEOUT_MS);
  }

  async send(notice: Notice, signal: AbortSignal): Promise<string> {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]);
    let response: Response;
    try {
      response = await fetch(this.#url, {
        method: "POST",
        ...webhookOf(notice),
        // Elsewhere the alert isn't meant to go, and the permission ends here.
        redirect: "manual",
        signal: patience,
      });
    } catch (error) {
      throw new Unavailable(this.#explained(error, patience));
    }
    const { status, ok } = response;
    const answer = this.#shown(`${status} ${await firstWords(response)}`);
    if (ok) return answer;
    if (status >= 400 && status < 500 && !PASSING.includes(status)) throw new Refused(answer);
    const isRedirect = status >= 300 && status < 400;
    throw new Unavailable(isRedirect ? `${answer}, a redirect, which isn't followed` : answer);
  }

  #explained(error: unknown, patience: AbortSignal): string {
    if (patience.aborted) return `no answer within ${spanText(this.#timeoutMs)}`;
    // What happened is in the cause, after the whole address.
    const { cause = error } = error as Error;
    const text = this.#shown(
      reasonOf(cause).replace(/^error sending request for url \(.*?\): /, ""),
    );
    if (/connection refused/i.test(text)) return "connection refused";
    if (/dns error/i.test(text)) return "unknown host";
    return /certificate/i.test(text)
      ? `its certificate isn't trusted (${text}): DENO_CERT=authority.pem makes it so`
      : text;
  }

  #shown(text: string): string {
    return shown(text, this.#secrets);
  }
}

/** The beginning of an answer's body: enough to tell what it is about. */
async function firstWords({ body }: Response): Promise<string> {
  const reader = body?.getReader();
  try {
    const first = await reader?.read();
    return new TextDecoder().decode(first?.value);
  } catch {
    return "";
  } finally {
    reader?.cancel().catch(() => {});
  }
}
