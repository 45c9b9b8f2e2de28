/** The help desk: tickets that workers share, and the replies that requesters get. */
import { z } from "zod";
import type { Delivery } from "../connection.ts";
import { check, RecordedTime, valueOf } from "./codec.ts";
import { formatClassTime, formatLocalTime } from "./local_time.ts";
import type { Stream } from "./stream.ts";

/** What help is about; the letters are those of the class's tickets. */
export const CATEGORIES = {
  A: "this program on my computer",
  B: "the program itself",
  C: "purchasing",
  D: "the online version",
  E: "something else",
} as const;

/** The reply repeats it. */
const MAX_NAME = 1000;

const Category = z.enum(["A", "B", "C", "D", "E"], "the category must be A, B, C, D or E");

/** Who asks for what. */
const Request = z.object({
  name: z.string().trim().min(1, "the name is empty").max(MAX_NAME, "the name is too long"),
  category: Category,
});

const TicketBody = z.object({ submitted: RecordedTime, ...Request.shape });

/** Who asked for what, and when: in ms on the recording's own calendar. */
export type Ticket = z.infer<typeof TicketBody>;

/** Replies repeat what tickets hold. */
const ReplyText = z.string().max(10_000);

/** What a worker answers; `ticket` is the ticket's message id. */
const ReplyBody = z.object({
  ticket: ReplyText,
  name: ReplyText,
  category: z.enum(["A", "B", "C", "D", "E"]),
  worker: ReplyText,
  handled: ReplyText,
  text: ReplyText,
});
export type Reply = z.infer<typeof ReplyBody>;

/**
 * Checks a ticket that is made here.
 *
 * @param submitted In ms on the recording's own calendar.
 * @throws {RangeError} If name or category can't be; the message says why.
 */
export function ticketOf(submitted: number, name: unknown, category: unknown): Ticket {
  return { submitted, ...check(Request, { name, category }) };
}

/** When a ticket was submitted, as lines and events say it. */
export function submittedText({ submitted }: Ticket): string {
  return formatLocalTime(submitted);
}

export const HELPDESK = {
  name: "helpdesk",
  title: "Help desk",
  queues: {
    tickets: { name: "help_queue", kind: "shared" },
    replies: { name: "help_replies", kind: "capped" },
  },
  decode(delivery) {
    const value = valueOf(delivery, (text) => {
      const [, submitted, name, category] = /^\[([^,]*),(.*),([^,]*)\]$/s.exec(text.trim()) ?? [];
      if (submitted === undefined) {
        throw new RangeError("neither JSON nor a ticket like [2/14/23 10:15, Adam, A]");
      }
      return { submitted: submitted.trim(), name, category: category?.trim() };
    });
    return check(TicketBody, value);
  },
  encode(ticket, format) {
    const { submitted, name, category } = ticket;
    return format === "text" ? { body: `[${formatClassTime(submitted)}, ${name}, ${category}]` } : {
      body: JSON.stringify({ submitted: formatLocalTime(submitted), name, category }),
      contentType: "application/json",
    };
  },
  line,
  panel: {
    kind: "work",
    item: "ticket",
    groups: CATEGORIES,
    shown: ({ name, category }) => ({ text: name, group: category }),
  },
  csv: {
    file: "data/help-desk-tickets.csv",
    interval: "5s",
    columns: { submitted: ["Date_Time"], name: ["First_Name"], category: ["Help_Request"] },
    timeColumn: "submitted",
    row: ([, name, category], submitted) => ticketOf(submitted, name, category?.trim()),
    messages: (ticket) => [{ to: "tickets", item: ticket }],
    line,
  },
} satisfies Stream<Ticket, "tickets" | "replies">;

function line(ticket: Ticket): string {
  return `${submittedText(ticket).replace("T", " ")}  ${ticket.name}: ${
    CATEGORIES[ticket.category]
  }`;
}

/** @throws {RangeError} If the delivery is no reply. */
export function decodeReply(delivery: Delivery): Reply {
  const value = valueOf(delivery, () => {
    throw new RangeError("a reply must be JSON");
  });
  return check(ReplyBody, value);
}
