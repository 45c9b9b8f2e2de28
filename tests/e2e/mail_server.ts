/** A real mail server for tests: on this machine, as slow and as unfriendly as a test wants. */
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from "smtp-server";
import type { Certificate } from "./certificate.ts";

export const USER = "me@example.com";
/** Of characters that URLs write differently. */
export const PASSWORD = "pa/ss w@rd%";
export const LOGIN = `${encodeURIComponent(USER)}:${encodeURIComponent(PASSWORD)}`;

/** A mail that arrived. */
export interface ReceivedMail {
  readonly from: string;
  readonly to: string[];
  readonly tls: boolean;
  readonly source: string;
}

export interface MailServerOptions {
  /** TLS from the first byte; else it offers STARTTLS. */
  secure?: boolean;
  certificate?: Certificate;
  hostname?: string;
  /** Offers no TLS, and takes logins without. */
  plain?: boolean;
}

/** What a server says instead of taking something: `550 no such user`. */
export function answer(code: number, text: string): Error {
  return Object.assign(new Error(text), { responseCode: code });
}

/** npm's smtp-server, which takes USER with PASSWORD only. */
export class MailServer implements AsyncDisposable {
  readonly mails: ReceivedMail[] = [];
  /** Called for each recipient; what it throws is answered. */
  onRecipient: (address: string) => void = () => {};
  /** Called when a mail has arrived, before that is answered; what it throws is answered. */
  onMail: (mail: ReceivedMail) => void | Promise<void> = () => {};
  readonly #options: MailServerOptions;
  #server: SMTPServer | undefined;
  #port = 0;

  private constructor(options: MailServerOptions) {
    this.#options = options;
  }

  static async start(options: MailServerOptions = {}): Promise<MailServer> {
    const server = new MailServer(options);
    await server.start();
    return server;
  }

  get address(): string {
    return `${this.#options.hostname ?? "localhost"}:${this.#port}`;
  }

  /** For SMTP_URL. */
  url(login = LOGIN): string {
    return `${this.#options.secure ? "smtps" : "smtp"}://${login}@${this.address}`;
  }

  /** Starts it, also again on its port. */
  async start(): Promise<void> {
    const { secure = false, plain = false, hostname, certificate } = this.#options;
    const server = this.#server = new SMTPServer({
      name: "test",
      secure,
      ...(certificate && { key: certificate.key, cert: certificate.cert }),
      ...(plain && { disabledCommands: ["STARTTLS"], allowInsecureAuth: true }),
      closeTimeout: 1,
      logger: false,
      onAuth: ({ username, password }, _session, callback) => {
        if (username === USER && password === PASSWORD) callback(null, { user: USER });
        // As careless servers do, it says what it got.
        else callback(answer(535, `5.7.8 not ${username} with ${password}`));
      },
      onRcptTo: ({ address }, _session, callback) =>
        void attempt(() => this.onRecipient(address), callback),
      onData: (stream, session, callback) =>
        void attempt(() => this.#receive(stream, session), callback),
    });
    // Clients that are killed end their connections as they like.
    server.on("error", () => {});
    await new Promise<void>((resolve) =>
      server.listen(this.#port, hostname ?? "127.0.0.1", resolve)
    );
    this.#port = (server.server.address() as { port: number }).port;
  }

  /** Stops it: connections are refused then. */
  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.#server?.close(() => resolve()) ?? resolve());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #receive(stream: SMTPServerDataStream, session: SMTPServerSession): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream) chunks.push(chunk as Uint8Array);
    const { mailFrom, rcptTo } = session.envelope;
    const mail = {
      from: mailFrom === false ? "" : mailFrom.address,
      to: rcptTo.map(({ address }) => address),
      tls: session.secure,
      source: await new Blob(chunks as Uint8Array<ArrayBuffer>[]).text(),
    };
    await this.onMail(mail);
    this.mails.push(mail);
  }
}

async function attempt(
  work: () => void | Promise<void>,
  callback: (error?: Error | null) => void,
): Promise<void> {
  try {
    await work();
    callback();
  } catch (error) {
    callback(error as Error);
  }
}

/** A header's value, unfolded and decoded; `undefined` if the mail hasn't got it. */
export function header({ source }: ReceivedMail, name: string): string | undefined {
  const head = source.slice(0, source.indexOf("\r\n\r\n")).replace(/\r\n[ \t]+/g, " ");
  const line = head.split("\r\n").find((line) =>
    line.toLowerCase().startsWith(`${name.toLowerCase()}:`)
  );
  return line?.slice(name.length + 1).trim().replace(/\?= =\?UTF-8\?Q\?/g, "")
    .replace(/=\?UTF-8\?Q\?(.*?)\?=/g, (_, word) => decodeQuoted(word.replaceAll("_", " ")));
}

/** The body, quoted-printable decoded. */
export function bodyOf({ source }: ReceivedMail): string {
  const body = source.slice(source.indexOf("\r\n\r\n") + 4);
  return decodeQuoted(body.replaceAll("=\r\n", "")).replaceAll("\r\n", "\n");
}

function decodeQuoted(text: string): string {
  const bytes = text.replace(/%/g, "%25").replace(/=([0-9A-F]{2})/g, "%$1");
  return decodeURIComponent(bytes);
}

/** The notifier's environment as if nothing were set, whoever runs the tests. */
export const UNSET = {
  SMTP_URL: "",
  ALERT_FROM: "",
  ALERT_EMAIL_TO: "",
  ALERT_TEXT_TO: "",
  ALERT_WEBHOOK_URL: "",
  ALERT_HOSTS: "",
};

/** The notifier's environment to send mails through a server. */
export function mailTo(
  server: MailServer,
  more: Record<string, string> = {},
): Record<string, string> {
  const addresses = { ALERT_FROM: `Smoker <${USER}>`, ALERT_EMAIL_TO: "ann@example.com" };
  return { ...UNSET, SMTP_URL: server.url(), ...addresses, ...more };
}
