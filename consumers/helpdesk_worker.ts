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
import { queueOf } from "../shared/connection.ts";
import { delay, duration, inert, type Output, run, withDefault } from "../shared/script.ts";
import {
  CATEGORIES,
  HELPDESK,
  namesOf,
  queueOption,
  type Reply,
  runAndRow,
  submittedText,
  type Ticket,
} from "../shared/streams.ts";
import { type InHand, work, WORKER_OPTIONS } from "../shared/worker.ts";

const usage = {
  task: "helpdesk:work",
  script: "helpdesk_worker",
  summary: "Takes tickets from help_queue, one at a time, and replies to the requester.\n" +
    "Any number of workers share the tickets; what a dead one held goes to another.",
  options: {
    handle: withDefault("TIME", duration, "1s", "time that a ticket takes"),
    queue: queueOption(namesOf(HELPDESK), { main: "tickets" }),
    ...WORKER_OPTIONS,
  },
};

/** A ticket as a line names it: by its row, those of other programs have none. */
function nameOf(id: string | null): string {
  return `ticket ${runAndRow(id ?? undefined).row ?? "without a number"}`;
}

/** Bytes of an id to which the reply's still adds something: AMQP's ids have 255 at most. */
const MAX_ID = 249;

interface Desk {
  readonly handleMs: number;
  /** Where the replies go. */
  readonly replies: string;
  readonly out: Output;
}

/** Works on one ticket: takes its time, replies, says so. */
async function handleTicket(
  ticket: Ticket,
  { id, worker, redelivered, attempt, publisher }: InHand,
  { handleMs, replies, out }: Desk,
): Promise<void> {
  if (handleMs > 0) await delay(handleMs);
  // Another program's may be as long as ids can be, or longer by the marks of what is no text in it.
  const fitting = id && new TextEncoder().encode(id).length <= MAX_ID ? id : null;
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
    queue: replies,
    body: Buffer.from(JSON.stringify(reply)),
    properties: {
      contentType: "application/json",
      messageId: `${fitting ?? crypto.randomUUID()}/reply`,
      ...(fitting === null ? {} : { correlationId: fitting }),
      appId: usage.script,
      headers: { "published-at": Date.now() },
    },
  });
  const about = { worker, id, submitted: submittedText(ticket), name, category };
  out.event(
    { event: "ticket", ...about, redelivered, attempt },
    () => `${out.paint("cyan", worker)}  done with ${nameOf(id)}, ${inert(name)} has a reply`,
  );
}

if (import.meta.main) {
  await run(usage, (script) => {
    const { out, values } = script;
    const { replies } = values.queue;
    return work(script, {
      stream: HELPDESK,
      from: "tickets",
      publishesTo: [queueOf(replies, HELPDESK.queues.replies.kind)],
      taken: (ticket, { id }) => `takes ${nameOf(id)}  ${HELPDESK.line(ticket)}`,
      handle: (ticket, inHand) =>
        handleTicket(ticket, inHand, { handleMs: values.handle, replies, out }),
    });
  });
}
