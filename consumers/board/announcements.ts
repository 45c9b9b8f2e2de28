/**
 * Announcements as the board takes them. Anybody may announce anything: what doesn't fit is not shown, and
 * long texts are cut.
 */
import { z } from "zod";
import { CHANNELS } from "../../shared/alerts.ts";
import { parseLocalTime } from "../../shared/local_time.ts";

/** Characters of a text that are kept. */
const MAX_TEXT = 200;
/** Readings taken from one announcement; a monitor's batch has at most 500. */
const MAX_READINGS = 2000;

/** A message that says to be older has no clock. */
const MAX_AGE_MS = 365 * 24 * 3_600_000;

const text = z.string().transform((value) =>
  value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value
);
const id = text.nullish();
/** A recorded time that {@link parseLocalTime} reads. */
const recorded = text.refine((value) => {
  try {
    return Number.isFinite(parseLocalTime(value));
  } catch {
    return false;
  }
});
const count = z.int().min(0).catch(0);
const channel = z.enum(CHANNELS);
/** `instance` is the announcing process, `name` its name unless the message has one of its own. */
const about = { name: text, instance: text };

/** From a producer: `helpdesk.ticket`, `tasks.task`. */
export const Produced = z.object({
  ...about,
  run: text,
  row: z.number(),
  item: z.union([text, z.object({ name: text, category: text })]),
  totals: z.object({ confirmed: count }),
});

const workerTotals = z.object({
  handled: count,
  dead: count,
  categories: z.object({ A: count, B: count, C: count, D: count, E: count }).partial().optional(),
});

/** From a worker: `helpdesk.handled`, where `name` is the requester's, `tasks.done`. */
export const Handled = z.object({
  ...about,
  worker: text,
  id,
  text: text.optional(),
  category: text.optional(),
  redelivered: z.boolean().catch(false),
  waitMs: z.number().min(0).max(MAX_AGE_MS).optional().catch(undefined),
  /** When the message was published, in ms since 1970. */
  publishedAt: z.number().min(0).max(8.64e15).optional().catch(undefined),
  totals: workerTotals,
});

/** From a worker or a monitor: a message has become a dead letter. */
export const Dead = z.object({ ...about, id, queue: text, reason: text });

/** From a worker every 2 s: that it is there, or gone. */
export const WorkerPresence = z.object({
  ...about,
  here: z.boolean(),
  handles: text,
  totals: workerTotals,
});

/** From a monitor every 2 s: that it is there, and which episodes are open. */
export const MonitorPresence = z.object({
  ...about,
  here: z.boolean(),
  open: z.array(z.object({ channel, id: text, rule: text, opened: recorded })),
});

/** `smoker.reading`: a row of temperatures, published. */
export const Row = z.object({
  run: text,
  item: z.object({
    readings: z.array(z.object({ channel, time: recorded, fahrenheit: z.number() })).max(3),
  }),
});

/** `smoker.judged`: a batch of readings, judged. */
export const Judged = z.object({
  channel,
  run: text.nullish(),
  readings: z.array(z.tuple([recorded, z.number()])).max(MAX_READINGS),
  change: z.number(),
  windowMs: z.number(),
  /** The episode that is open after them, if one is. */
  open: text.nullable(),
});

/** `smoker.alert`. */
export const AlertNews = z.object({
  id: text,
  channel,
  rule: z.enum(["drop", "stall"]),
  state: z.enum(["open", "resolved"]),
  opened: recorded,
  at: recorded,
  fahrenheit: z.number(),
  change: z.number(),
  min: z.number(),
  max: z.number(),
  readings: z.number(),
  reason: z.literal("new run").optional(),
  windowMs: z.number().min(0),
});
