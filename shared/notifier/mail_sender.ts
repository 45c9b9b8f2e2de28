/** Sends notices by mail: as mails, or as texts through a carrier's mail-to-text address. */
import { connect, type Socket } from "node:net";
import { createTransport, type NodemailerError, type SMTPTransportOptions } from "nodemailer";
import { spanText } from "../streams.ts";
import { bareAddress } from "./settings.ts";
import { mailOf, type Notice, textOf } from "./notices.ts";
import { type NoticeSender, Refused, type SenderOptions, shown, Unavailable } from "./sender.ts";
import type { MailSettings } from "./settings.ts";

/** How we introduce ourselves: the machine's own name would take a permission more. */
const CLIENT_NAME = "[127.0.0.1]";

/** A login that is missing or refused: a person mends that, so the notice waits. */
const LOGIN_CODES = [530, 534, 535, 538];

export class MailSender implements NoticeSender {
  readonly server: string;
  readonly #settings: MailSettings;
  readonly #options: SenderOptions;
  readonly #domain: string;
  /** By notice, who hasn't got it yet: some of several addresses can be refused. */
  readonly #left = new Map<string, readonly string[]>();

  constructor(
    readonly kind: "email" | "text",
    settings: MailSettings,
    options: SenderOptions,
  ) {
    this.server = options.server;
    this.#settings = settings;
    this.#options = options;
    this.#domain = bareAddress(settings.from)?.split("@")[1] ?? "localhost";
  }

  async send(notice: Notice, signal: AbortSignal): Promise<string> {
    const { from, to } = this.#settings;
    const left = this.#left.get(notice.key) ?? to.map((address) => bareAddress(address) ?? address);
    const compose = this.kind === "email" ? mailOf : textOf;
    const patience = AbortSignal.any([signal, AbortSignal.timeout(this.#options.timeoutMs)]);
    const transport = this.#transport(patience);
    let answer;
    try {
      answer = await transport.sendMail({
        ...compose(notice, this.#domain),
        from,
        to: [...to],
        envelope: { from: bareAddress(from), to: [...left] },
        signal: patience,
      });
    } catch (error) {
      throw this.#failure(error as NodemailerError, patience);
    }
    const { rejected, rejectedErrors = [], response } = answer;
    if (rejected.length === 0) {
      this.#left.delete(notice.key);
      return this.#shown(response);
    }
    // Those who were accepted have it now; the others are tried again as long as that helps one of them.
    this.#left.set(notice.key, rejected);
    const worst = rejectedErrors.find((error) => !error.permanent) ?? rejectedErrors[0];
    throw this.#failure(
      worst ?? new Error("refused"),
      patience,
      ` (${rejected.length} of ${to.length} addresses)`,
    );
  }

  #transport(patience: AbortSignal) {
    const { host, port, secure, verified, login } = this.#settings;
    const { timeoutMs } = this.#options;
    const options: SMTPTransportOptions = {
      host,
      port,
      secure,
      requireTLS: verified,
      tls: { rejectUnauthorized: verified },
      ...(login && { auth: login }),
      name: CLIENT_NAME,
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      disableFileAccess: true,
      disableUrlAccess: true,
      // A socket of our own needs the permission for this host and port, nodemailer's resolver that for any.
      getSocket(_options, callback) {
        const socket: Socket = connect({ host, port, noDelay: true });
        patience.addEventListener("abort", () => socket.destroy(), { once: true });
        socket.once("error", callback);
        socket.once("connect", () => {
          socket.off("error", callback);
          callback(null, { connection: socket });
        });
      },
    };
    return createTransport(options);
  }

  #failure(error: NodemailerError, patience: AbortSignal, whom = ""): Unavailable | Refused {
    const { responseCode = 0, response, code = "" } = error;
    const isLogin = code === "EAUTH" || LOGIN_CODES.includes(responseCode);
    const isOfMessage = ["EENVELOPE", "EMESSAGE"].includes(code) && !isLogin;
    const answer = this.#shown(response ?? error.message) + whom;
    if (error.permanent && isOfMessage) return new Refused(answer);
    if (patience.aborted && !response) {
      return new Unavailable(`no answer within ${spanText(this.#options.timeoutMs)}`);
    }
    if (isLogin) return new Unavailable(`the login of SMTP_URL is refused: ${answer}`);
    if (code === "ETLS") {
      return new Unavailable(`no TLS (${answer}): --insecure would send without`);
    }
    return new Unavailable(response ? answer : this.#explained(error, answer));
  }

  #explained({ code = "", originalCode = code, message }: NodemailerError, answer: string): string {
    if (/certificate|CERT|SIGNATURE|ALTNAME/i.test(`${originalCode} ${message}`)) {
      return `its certificate isn't trusted (${answer}): DENO_CERT=authority.pem makes it so, ` +
        "--insecure does without";
    }
    return {
      ECONNREFUSED: "connection refused",
      ENOTFOUND: "unknown host",
      ETIMEDOUT: "no answer",
    }[String(originalCode)] ?? answer;
  }

  #shown(text: string): string {
    return shown(text, this.#options.secrets);
  }
}
