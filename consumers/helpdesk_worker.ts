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
import type { Delivery } from "../shared/connection.ts";
import {
  CATEGORIES,
  decodeTicket,
  placeOf,
  publishedAt,
  type Reply,
  type Ticket,
} from "../shared/messages.ts";
import { Histogram } from "../shared/histogram.ts";
import { duration, withDefault } from "../shared/options.ts";
import { inert, type Output } from "../shared/output.ts";
import { HELPDESK_QUEUES, queueOption } from "../shared/queue_names.ts";
import { run } from "../shared/script.ts";
import { repliesQueue, sharedQueue } from "../shared/topology.ts";
import { type Job, work, WORKER_OPTIONS } from "../shared/worker.ts";

const usage = {
  task: "helpdesk:work",
  script: "helpdesk_worker",
  summary: "Takes tickets from help_queue, one at a time, and replies to the requester.\n" +
    "Any number of workers share the tickets; what a dead one held goes to another.",
  options: {
    handle: withDefault("TIME", duration, "1s", "time that a ticket takes"),
    queue: queueOption(HELPDESK_QUEUES, { main: "tickets" }),
    ...WORKER_OPTIONS,
  },
};

/** What the summary tells of the tickets. */
export class TicketStatistics {
  /** Tickets by category. */
  readonly categories: Record<Ticket["category"], number> = { A: 0, B: 0, C: 0, D: 0, E: 0 };
  readonly #waits = new Histogram();

  /** @param waitMs From publishing to the beginning of the work, in milliseconds; `undefined` if unknown. */
  add(category: Ticket["category"], waitMs: number | undefined): void {
    this.categories[category]++;
    if (waitMs !== undefined) this.#waits.add(waitMs);
  }

  toString(): string {
    const categories = Object.entries(this.categories).map(([letter, count]) =>
      `  ${letter} ${CATEGORIES[letter as Ticket["category"]]}: ${count}`
    );
    if (this.#waits.count === 0) return categories.join("\n");
    const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
    const [median, most] = [0.5, 0.95].map((share) => seconds(this.#waits.quantile(share)));
    return [
      ...categories,
      `  waited: median ${median}, 95 % within ${most}, longest ${seconds(this.#waits.max)}`,
    ].join("\n");
  }
}

/** A ticket as a line names it: by its row, those of other programs have none. */
function nameOf({ messageId }: Delivery): string {
  return `ticket ${placeOf(messageId).row ?? "without a number"}`;
}

/** Bytes of an id to which the reply's still adds something: AMQP's ids have 255 at most. */
const MAX_ID = 249;

interface Desk {
  readonly handleMs: number;
  /** Where the replies go. */
  readonly replies: string;
  readonly out: Output;
  readonly statistics: TicketStatistics;
}

/** Works on one ticket: takes its time, replies, says so. */
async function handleTicket(
  ticket: Ticket,
  { delivery, name: worker, attempt, publisher }: Job,
  { handleMs, replies, out, statistics }: Desk,
): Promise<Record<string, unknown>> {
  const published = publishedAt(delivery);
  const waitMs = published === undefined ? undefined : Math.max(0, Date.now() - published);
  if (handleMs > 0) await delay(handleMs);
  const id = delivery.messageId || null;
  // Another program's may be as long as ids can be, or longer by the marks of what is no text in it.
  const fitting = id && new TextEncoder().encode(id).length <= MAX_ID ? id : null;
  const { submitted, name, category } = ticket;
  const reply: Reply = {
    ticket: id ?? "",
    name,
    category,
    worker,
    handled: new Date().toISOString(),
    text: `Hello ${name}, ${worker} has taken care of your request about ${CATEGORIES[category]}.`,
  };
  await publisher.publish({
    queue: replies,
    body: Buffer.from(JSON.stringify(reply)),
    properties: {
      contentType: "application/json",
      messageId: `${fitting ?? crypto.randomUUID()}/reply`,
      ...(fitting === null ? {} : { correlationId: fitting }),
      appId: "helpdesk_worker",
      headers: { "published-at": Date.now() },
    },
  });
  const { redelivered } = delivery;
  statistics.add(category, waitMs);
  out.event(
    { event: "ticket", worker, id, submitted, name, category, redelivered, attempt },
    () => `${out.paint("cyan", worker)}  done with ${nameOf(delivery)}, ${inert(name)} has a reply`,
  );
  return { worker, name, category, redelivered, waitMs, handleMs };
}

if (import.meta.main) {
  await run(usage, (script) => {
    const { out, values } = script;
    const { tickets, replies } = values.queue;
    const statistics = new TicketStatistics();
    return work(script, {
      script: usage.script,
      stream: "helpdesk",
      handled: "handled",
      queue: sharedQueue(tickets, values.queueType),
      publishesTo: [repliesQueue(replies)],
      decode: decodeTicket,
      taken: ({ submitted, name, category }, { delivery }) =>
        `takes ${nameOf(delivery)}  ${submitted.replace("T", " ")}  ${name}: ${
          CATEGORIES[category]
        }`,
      handle: (ticket, job) =>
        handleTicket(ticket, job, { handleMs: values.handle, replies, out, statistics }),
      totals: () => ({ categories: { ...statistics.categories } }),
      statistics: () => statistics.toString(),
    });
  });
}
