/** Dead letters as people and programs are shown them: one line each, and how many died of what. */
import type { Delivery } from "../../connection.ts";
import { counted, inert } from "../../script.ts";

/** What a letter says of itself; `null` where it doesn't. */
export interface DeadLetter {
  /** The queue that it lies in. */
  readonly queue: string;
  readonly id: string | null;
  readonly reason: string | null;
  readonly originalQueue: string | null;
  /** UTC, ISO 8601. */
  readonly failedAt: string | null;
  /** The start of its body. */
  readonly body: string;
}

/** Characters of a body, and of a reason, that are shown. */
const MAX_SHOWN = 200;

/** Characters of either in a line for people. */
const MAX_IN_LINE = 60;

/** Reasons may contain anything: of more different ones than this the rest are counted together. */
const MAX_REASONS = 1000;

/** Reasons listed for people. */
const LISTED_REASONS = 20;

/** @param queue The queue that it was taken from. */
export function readLetter(delivery: Delivery, queue: string): DeadLetter {
  const { messageId, headers = {}, body } = delivery;
  const header = (name: string) => {
    const value = headers[name];
    if (value === undefined || value === null) return null;
    return cut(typeof value === "object" ? Deno.inspect(value) : String(value), MAX_SHOWN);
  };
  // A character has four bytes at most.
  const start = body.subarray(0, MAX_SHOWN * 4);
  return {
    queue,
    id: messageId || null,
    reason: header("reason"),
    originalQueue: header("original-queue"),
    failedAt: header("failed-at"),
    body: cut(new TextDecoder().decode(start), MAX_SHOWN),
  };
}

/** A letter in one line. */
export function letterLine({ id, reason, originalQueue, failedAt, body }: DeadLetter): string {
  const parts = [
    id ?? "(no id)",
    failedAt ?? "(no time)",
    originalQueue ?? "(no queue)",
    cut(reason ?? NO_REASON, MAX_IN_LINE),
    cut(body, MAX_IN_LINE),
  ];
  return "  " + parts.map(inert).join("  ");
}

/** The letters of one queue, counted: all, those that match, and these by reason. */
export class DeadLetterCount {
  letters = 0;
  matched = 0;
  readonly #reasons = new Map<string, number>();

  add({ reason }: DeadLetter, matches: boolean): void {
    this.letters++;
    if (!matches) return;
    this.matched++;
    const key = reason ?? NO_REASON;
    const known = this.#reasons.has(key) || this.#reasons.size < MAX_REASONS;
    const counted = known ? key : OTHER_REASONS;
    this.#reasons.set(counted, (this.#reasons.get(counted) ?? 0) + 1);
  }

  /** For the summary. */
  toJSON(): Record<string, unknown> {
    const { letters, matched } = this;
    return { letters, matched, reasons: Object.fromEntries(this.#sorted()) };
  }

  /** For people: how many, then a line for each reason, the most frequent first. */
  lines(queue: string): string {
    const { letters, matched } = this;
    const reasons = this.#sorted();
    const rows = reasons.slice(0, LISTED_REASONS)
      .map(([reason, count]) => `${String(count).padStart(8)}  ${inert(reason)}`);
    const more = reasons.length - rows.length;
    return [
      `${queue}: ${matched === letters ? "" : `${matched} of `}${counted(letters, "letter")}`,
      ...rows,
      ...(more > 0 ? [`          and ${counted(more, "other reason")}`] : []),
    ].join("\n");
  }

  #sorted(): [string, number][] {
    return [...this.#reasons].sort(([, a], [, b]) => b - a);
  }
}

const NO_REASON = "(no reason given)";
const OTHER_REASONS = "(other reasons)";

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
