/**
 * Notices: what a mail, a text and a web hook say of an alert; pure.
 *
 * An alert's `<id>/<state>` is the key of its notice. Ids for mail servers and web hooks are made from it, so
 * that a receiver recognises a notice that was sent twice.
 */
import { createHash } from "node:crypto";
import type { Delivery, Message } from "../connection.ts";
import { counted } from "../script.ts";
import {
  type Alert,
  ALERTS,
  alertText,
  DATA_STREAMS,
  lastedText,
  type NoticeKind,
  noticeQueue,
  numberIn,
  withUnit,
  wordsOf,
} from "../streams.ts";

/** An alert to report. */
export interface Notice {
  /** `<id>/<state>`. */
  readonly key: string;
  readonly alert: Alert;
  /** Length of the window that the alert looked at, in milliseconds. */
  readonly spanMs: number;
  /** When the alert was published, in ms since 1970. */
  readonly publishedAt: number;
  /** Says so when nothing has happened. */
  readonly test?: boolean;
}

/** A mail, as nodemailer takes it; sender and receivers aside. */
export interface Mail {
  readonly messageId: string;
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
  readonly headers: Record<string, string>;
  /** The Message-ID of the mail that this one goes on from. */
  readonly inReplyTo?: string;
  readonly references?: string;
}

/** Beyond this many characters a carrier cuts a text, or sends it as two. */
const MAX_TEXT = 159;

/**
 * The notice that a delivery asks for, be it from `alert_queue` or one of the queues of notices.
 *
 * The window's length is a header; without it the usual one of its key is taken.
 *
 * @throws {RangeError} If the delivery is no alert.
 */
export function decodeNotice(delivery: Delivery): Notice {
  const alert = ALERTS.decode(delivery);
  const header = (name: string) => {
    const value = numberIn(delivery, name) ?? 0;
    return value > 0 ? value : undefined;
  };
  return {
    key: `${alert.id}/${alert.state}`,
    alert,
    spanMs: header("window-ms") ?? wordsOf(alert.stream).spanMs(alert.key),
    // Another machine's clock may be fast: nothing is tried for longer because of that.
    publishedAt: Math.min(header("published-at") ?? Infinity, Date.now()),
  };
}

/** The message that has a notice sent by one kind; `alerts` is the queue that its alert came from. */
export function noticeMessage(notice: Notice, kind: NoticeKind, alerts: string): Message {
  return {
    queue: noticeQueue(kind, alerts).queue,
    body: Buffer.from(ALERTS.encode(notice.alert).body),
    properties: {
      contentType: "application/json",
      messageId: notice.key,
      appId: "alert_notifier",
      headers: { "published-at": notice.publishedAt, "window-ms": notice.spanMs },
    },
  };
}

/** What happened, in one line. */
export function headline({ alert, spanMs, test }: Notice): string {
  const words = wordsOf(alert.stream);
  const value = words.rounded(alert.value);
  const line = alertText({ ...alert, value }, words, { spanMs, lasted: true });
  return test ? `Test: ${line}` : line;
}

/** @param domain The sender's, for the Message-ID. */
export function mailOf(notice: Notice, domain: string): Mail {
  const { key, alert, test } = notice;
  const title = headline(notice);
  const remark = test ? "Sent by deno task alerts:notify --test: nothing has happened." : "";
  const facts = factsOf(alert);
  const width = Math.max(...facts.map(([name]) => name.length)) + 2;
  const text = [
    title,
    ...(remark ? [remark] : []),
    "",
    ...facts.map(([name, value]) => `${name.padEnd(width)}${value}`),
  ].join("\n") + "\n";
  const rows = facts.map(([name, value]) =>
    `<tr><td>${escapeHtml(name)}</td><td>${escapeHtml(value)}</td></tr>`
  );
  const html = `<p><strong>${escapeHtml(title)}</strong></p>\n` +
    (remark ? `<p>${escapeHtml(remark)}</p>\n` : "") +
    `<table cellpadding="4">\n${rows.join("\n")}\n</table>\n`;
  const opened = messageId(`${alert.id}/open`, "email", domain);
  return {
    messageId: messageId(key, "email", domain),
    subject: title,
    text,
    html,
    headers: AUTOMATIC,
    ...(alert.state === "resolved" ? { inReplyTo: opened, references: opened } : {}),
  };
}

/** @param domain The sender's, for the Message-ID. */
export function textOf(notice: Notice, domain: string): Mail {
  // The degree sign isn't in the alphabet of texts: with it a text would have 70 characters.
  const text = headline(notice).replaceAll("°", "").replace(/ +/g, " ");
  return {
    messageId: messageId(notice.key, "text", domain),
    subject: "",
    text: text.slice(0, MAX_TEXT),
    headers: AUTOMATIC,
  };
}

/** What a web hook gets: the alert, and a key by which it can tell a repeated one. */
export function webhookOf({ key, alert }: Notice): {
  body: string;
  headers: Record<string, string>;
} {
  return {
    body: ALERTS.encode(alert).body,
    headers: {
      "content-type": "application/json",
      // Headers are ASCII, names of runs needn't be.
      "idempotency-key": encodeURI(key),
      "user-agent": "alert_notifier",
    },
  };
}

/** For `--test`: one like those of the first stream that has alerts. */
export function sampleNotice(): Notice {
  const words = DATA_STREAMS.find(({ alerts }) => alerts)?.alerts ?? wordsOf("");
  const alert = words.sample(`test-${crypto.randomUUID().slice(0, 8)}`);
  return {
    key: `${alert.id}/open`,
    alert,
    spanMs: words.spanMs(alert.key),
    publishedAt: Date.now(),
    test: true,
  };
}

/** Keeps holiday notes and list software from answering. */
const AUTOMATIC = { "Auto-Submitted": "auto-generated" };

function factsOf(alert: Alert): [string, string][] {
  const { stream, id, key, rule, state, opened, at, unit, reason } = alert;
  const words = wordsOf(stream);
  const figure = (value: number) => withUnit(words.rounded(value), unit);
  const lasted = lastedText(alert);
  const ended: [string, string][] = state === "open" ? [] : [
    ["Ended", reason === "new run" ? `because ${words.newRun}` : at.replace("T", " ")],
    ...(lasted ? [["Lasted", lasted] satisfies [string, string]] : []),
  ];
  return [
    [words.key, words.keyName(key)],
    ["Rule", words.ruleName(rule)],
    ["Began", opened.replace("T", " ")],
    ...ended,
    ["Now", figure(alert.value)],
    ["Lowest", figure(alert.min)],
    ["Highest", figure(alert.max)],
    ["Change", `${figure(alert.change)} over ${counted(alert.readings, "reading")}`],
    ["Alert", id],
  ];
}

function messageId(key: string, kind: NoticeKind, domain: string): string {
  const hash = createHash("sha256").update(`${kind} ${key}`).digest("hex").slice(0, 32);
  return `<${hash}@${domain}>`;
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "");
}
