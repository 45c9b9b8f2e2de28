/**
 * Replays help-desk tickets from a CSV into `help_queue`, one every 5 seconds, each confirmed by the broker.
 *
 *     deno task helpdesk:produce
 *     deno task helpdesk:produce --speed 60
 *     cat my-tickets.csv | deno task helpdesk:produce --file - --interval 250ms
 *
 * Needs the network for the broker, `data/` to read, `logs/` to write with `--log`, the browser to run with `--admin`.
 */
import { CATEGORIES, check, Ticket, ticketMessages } from "../shared/messages.ts";
import { HELPDESK_QUEUES, queueOption } from "../shared/queue_names.ts";
import { replay, type Stream } from "../shared/replay.ts";
import { replayOptions } from "../shared/replay_options.ts";
import { run } from "../shared/script.ts";
import { sharedQueue } from "../shared/topology.ts";

const { tickets } = HELPDESK_QUEUES;

const usage = {
  task: "helpdesk:produce",
  script: "helpdesk",
  summary:
    "Replays help-desk tickets from a CSV into help_queue, one every 5 s unless told otherwise.\n" +
    "Columns: Date_Time (or submitted), First_Name (or name), Help_Request (or category, A to E).",
  options: replayOptions(
    "data/help-desk-tickets.csv",
    "5s",
    queueOption({ tickets }, { main: "tickets" }),
  ),
};

/** What becomes of a row of tickets. */
export const TICKETS: Stream<Ticket, "tickets"> = {
  ...usage,
  key: "helpdesk.ticket",
  columns: { submitted: ["Date_Time"], name: ["First_Name"], category: ["Help_Request"] },
  timeColumn: "submitted",
  queues: ({ tickets }, type) => [sharedQueue(tickets, type)],
  intervalMs: 5000,
  parse: ([submitted, name, category]) =>
    check(Ticket, { submitted, name, category: category?.trim() }),
  messages: ticketMessages,
  line: ({ submitted, name, category }) =>
    `${submitted.replace("T", " ")}  ${name}: ${CATEGORIES[category]}`,
};

if (import.meta.main) await run(usage, (script) => replay(script, TICKETS));
