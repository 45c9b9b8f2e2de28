/**
 * Sends what waits in one queue of notices: one at a time, in order, each until its server has taken it, has
 * refused it for good, or a day of trying is over.
 *
 * Every delivery is one try. When it fails the delivery goes back to the head of its queue and comes again at
 * once; the wait is before the next try. So none is held unacknowledged for longer than one wait and one try,
 * far less than the half hour after which RabbitMQ closes the channel.
 */
import type { Delivery, Verdict } from "../connection.ts";
import { delay, reasonOf } from "../script.ts";
import { RecentIds } from "../worker.ts";
import type { Backlog } from "./backlog.ts";
import { decodeNotice, type Notice } from "./notices.ts";
import { type NoticeSender, Refused, Unavailable } from "./sender.ts";

/** The longest wait between two tries, in milliseconds. */
export const MAX_WAIT_MS = 300_000;

/** Keys remembered, so that a notice delivered twice is sent once. */
export const REMEMBERED_KEYS = 10_000;

export interface NoticeQueueOptions {
  /** The first wait after a failure, in milliseconds; it doubles up to 5 min. */
  readonly retryMs: number;
  /** A notice is given up so long after its alert was published, in milliseconds. */
  readonly giveUpMs: number;
  /** Ends waits, and takes nothing new. */
  readonly signal: AbortSignal;
  /** Ends also what is being sent. */
  readonly hurry: AbortSignal;
  readonly backlog: Pick<Backlog, "skips">;
  readonly onSent: (notice: Notice, answer: string) => void;
  /** Called when a notice has to wait `waitMs` for its next try. */
  readonly onWaiting: (notice: Notice, problem: string, waitMs: number) => void;
  readonly onDuplicate: () => void;
}

export class NoticeQueue {
  readonly #sender: NoticeSender;
  readonly #options: NoticeQueueOptions;
  readonly #sent = new RecentIds(REMEMBERED_KEYS);
  /** Since the last success, and what the last of them was. */
  #failures = 0;
  #problem = "";
  /** On the clock of `performance.now()`. */
  #nextTry = 0;

  constructor(sender: NoticeSender, options: NoticeQueueOptions) {
    this.#sender = sender;
    this.#options = options;
  }

  /** Tries to send a notice once. */
  async handle(delivery: Delivery): Promise<Verdict> {
    const { giveUpMs, signal, hurry, backlog, onSent, onDuplicate } = this.#options;
    let notice: Notice;
    try {
      notice = decodeNotice(delivery);
    } catch (error) {
      return { dead: reasonOf(error) };
    }
    if (this.#sent.has(notice.key)) {
      onDuplicate();
      return "ack";
    }
    if (backlog.skips(notice)) return "ack";
    const givenUpAt = notice.publishedAt + giveUpMs;
    const waitMs = Math.min(this.#nextTry - performance.now(), givenUpAt - Date.now());
    await delay(Math.max(waitMs, 0), signal);
    if (signal.aborted) return "back";
    // The server has just failed: those behind a notice that was given up needn't each find out again.
    if (Date.now() >= givenUpAt && performance.now() < this.#nextTry) return this.#givenUp();
    try {
      const answer = await this.#sender.send(notice, hurry);
      this.#failures = 0;
      this.#nextTry = 0;
      this.#sent.add(notice.key);
      onSent(notice, answer);
      return "ack";
    } catch (error) {
      const { kind, server } = this.#sender;
      if (error instanceof Refused) return { dead: `${kind}: ${server} refuses: ${error.message}` };
      if (!(error instanceof Unavailable)) throw error;
      return this.#failed(notice, error.message, givenUpAt);
    }
  }

  #failed(notice: Notice, problem: string, givenUpAt: number): Verdict {
    const { retryMs, signal, onWaiting } = this.#options;
    if (signal.aborted) return "back";
    const longest = Math.min(retryMs * 2 ** this.#failures++, MAX_WAIT_MS);
    // A little less than that, so that many notifiers don't come back to a server all at once.
    const waitMs = longest * (0.8 + 0.2 * Math.random());
    this.#nextTry = performance.now() + waitMs;
    this.#problem = problem;
    if (Date.now() >= givenUpAt) return this.#givenUp();
    onWaiting(notice, problem, waitMs);
    return "back";
  }

  #givenUp(): Verdict {
    const { kind, server } = this.#sender;
    return { dead: `${kind}: given up, ${server} could not take it: ${this.#problem}` };
  }
}
