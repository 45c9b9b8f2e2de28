/**
 * A help-desk worker: takes tickets from `help_queue`, works on each, sends the requester a reply, and only
 * then acknowledges. Start it in several terminals: the workers share the tickets round-robin, and a ticket
 * whose worker dies goes to another one.
 *
 *     deno task helpdesk:work
 *     deno task helpdesk:work --name ann --handle 3s
 *
 * Needs the network for the broker, `logs/` to write with `--log`.
 */
import { delay } from "../shared/abort.ts";
import {
  CATEGORIES,
  decodeTicket,
  publishedAt,
  type Reply,
  type Ticket,
} from "../shared/messages.ts";
import { duration, withDefault } from "../shared/options.ts";
import { inert, type Output } from "../shared/output.ts";
import { run } from "../shared/script.ts";
import { HELP_QUEUE, HELP_REPLIES, repliesQueue, sharedQueue } from "../shared/topology.ts";
import { type Job, work, WORKER_OPTIONS } from "../shared/worker.ts";

const usage = {
  task: "helpdesk:work",
  script: "helpdesk_worker",
  summary: "Takes tickets from help_queue, one at a time, and replies to the requester.\n" +
    "Any number of workers share the tickets; what a dead one held goes to another.",
  options: {
    handle: withDefault("TIME", duration, "1s", "time that a ticket takes"),
    ...WORKER_OPTIONS,
  },
};

/** What the summary tells of the tickets. */
export class TicketStatistics {
  /** Tickets by category. */
  readonly categories: Record<Ticket["category"], number> = { A: 0, B: 0, C: 0, D: 0, E: 0 };
  readonly #waits: number[] = [];

  /** @param waitMs From publishing to the beginning of the work, in milliseconds; `undefined` if unknown. */
  add(category: Ticket["category"], waitMs: number | undefined): void {
    this.categories[category]++;
    if (waitMs !== undefined) this.#waits.push(waitMs);
  }

  toString(): string {
    const categories = Object.entries(this.categories).map(([letter, count]) =>
      `  ${letter} ${CATEGORIES[letter as Ticket["category"]]}: ${count}`
    );
    const waits = this.#waits.toSorted((a, b) => a - b);
    if (waits.length === 0) return categories.join("\n");
    const at = (share: number) =>
      ((waits[Math.ceil(share * waits.length) - 1] ?? 0) / 1000).toFixed(1);
    return [
      ...categories,
      `  waited: median ${at(0.5)} s, 95 % within ${at(0.95)} s, longest ${at(1)} s`,
    ].join("\n");
  }
}

/** Works on one ticket: takes its time, replies, says so. */
async function handleTicket(
  ticket: Ticket,
  { delivery, name: worker, attempt, publisher }: Job,
  { handleMs, out, statistics }: { handleMs: number; out: Output; statistics: TicketStatistics },
): Promise<Record<string, unknown>> {
  const published = publishedAt(delivery);
  const waitMs = published === undefined ? undefined : Math.max(0, Date.now() - published);
  if (handleMs > 0) await delay(handleMs);
  const id = delivery.messageId || null;
  const { name, category } = ticket;
  const reply: Reply = {
    ticket: id ?? "",
    name,
    category,
    worker,
    handled: new Date().toISOString(),
    text: `Hello ${name}, ${worker} has taken care of your request about ${CATEGORIES[category]}.`,
  };
  await publisher.publish({
    queue: HELP_REPLIES,
    body: Buffer.from(JSON.stringify(reply)),
    properties: {
      contentType: "application/json",
      messageId: `${id ?? crypto.randomUUID()}/reply`,
      ...(id === null ? {} : { correlationId: id }),
      appId: "helpdesk_worker",
      headers: { "published-at": Date.now() },
    },
  });
  const { redelivered } = delivery;
  statistics.add(category, waitMs);
  out.event(
    { event: "ticket", worker, id, name, category, redelivered, attempt },
    () => {
      const number = id?.match(/(\d+)$/)?.[1] ?? "without a number";
      const again = redelivered ? out.paint("yellow", `  (redelivered, attempt ${attempt})`) : "";
      return `${out.paint("cyan", worker)}  ticket ${number}  ${inert(name)}: ${
        CATEGORIES[category]
      }${again}`;
    },
  );
  return { worker, name, category, redelivered, waitMs, handleMs };
}

if (import.meta.main) {
  await run(usage, (script) => {
    const { out, values } = script;
    const statistics = new TicketStatistics();
    return work(script, {
      script: usage.script,
      stream: "helpdesk",
      handled: "handled",
      queue: (type) => sharedQueue(HELP_QUEUE, type),
      publishesTo: [repliesQueue()],
      decode: decodeTicket,
      handle: (ticket, job) =>
        handleTicket(ticket, job, { handleMs: values.handle, out, statistics }),
      totals: () => ({ categories: { ...statistics.categories } }),
      statistics: () => statistics.toString(),
    });
  });
}
