/**
 * Announcements as the board takes them. Anybody may announce anything: what doesn't fit is not shown, and
 * long texts are cut.
 */
import { z } from "zod";
import { parseLocalTime } from "../../shared/streams.ts";

/** Characters of a text that are kept. */
const MAX_TEXT = 200;
/** Characters of a name; longer ones are no names. */
const MAX_NAME = 200;
/** Readings taken from one announcement; a monitor's batch has at most 500. */
const MAX_READINGS = 2000;
/** Keys of a panel, groups of a panel, quantities. */
const MAX_KEYS = 500;
const MAX_GROUPS = 50;
const MAX_QUANTITIES = 6;
const MAX_OPEN = 500;

/** A message that says to be older has no clock. */
const MAX_AGE_MS = 365 * 24 * 3_600_000;

/** What a date can be, in ms since 1970. */
const MAX_DATE_MS = 8.64e15;

const text = z.string().transform((value) =>
  value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value
);
const name = z.string().regex(/^[^\p{Cc}\p{Cf}\p{Cs}]+$/u).max(MAX_NAME);
const id = text.nullish();
/** A recorded time, in ms on the recording's own calendar. */
const recorded = z.string().transform((value, context) => {
  try {
    return parseLocalTime(value);
  } catch {
    context.addIssue({ code: "custom" });
    return z.NEVER;
  }
});
const time = z.number().min(-MAX_DATE_MS).max(MAX_DATE_MS);
const value = z.number().nullable();
const count = z.int().min(0).catch(0);
const duration = z.number().min(0).max(MAX_AGE_MS);

/** `[name, what it is called]`, in their order. */
const names = (most: number) =>
  z.preprocess(
    (value) => Object.entries(Object(value)),
    z.array(z.tuple([text, text])).max(most),
  );

/** `[name, count]`. */
const counts = z.preprocess(
  (value) => Object.entries(Object(value)),
  z.array(z.tuple([text, count])).max(MAX_GROUPS),
).catch([]);

/** `instance` is the announcing process, `name` what it is called. */
const about = { name: text, instance: text };

/** How a stream is shown: as its declaration says. */
const Panel = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("work"),
    item: text,
    groups: names(MAX_GROUPS).catch([]),
  }),
  z.object({
    kind: z.literal("series"),
    key: text,
    keys: names(MAX_KEYS).catch([]),
    quantities: z.array(z.object({ name: text, unit: text })).min(1).max(MAX_QUANTITIES),
  }),
]);

/** In every presence: which stream it is, and how it is shown. */
export const Declaration = z.object({ stream: name, title: text, panel: Panel });

export type Declaration = z.infer<typeof Declaration>;

/** `<stream>.published`, from a producer: an item of work, or measurements `[key, time, …values]`. */
export const Published = z.object({
  ...about,
  run: text,
  row: z.number(),
  text: text.optional(),
  group: text.optional(),
  /** In the id in the place of the row, and behind it. */
  named: text.optional(),
  part: text.optional(),
  readings: z.array(z.tuple([text, time], value)).max(MAX_READINGS).catch([]),
  totals: z.object({ confirmed: count }),
});

/** An item in a worker's hands. */
const item = { id, text: text.catch(""), group: text.optional().catch(undefined) };
const redelivered = z.boolean().catch(false);

/** `others` are messages that no script of the collection has published. */
const workerTotals = z.object({
  handled: count,
  dead: count,
  others: count.optional(),
  groups: counts,
});

/** `<stream>.taken`, from a worker. */
export const Taken = z.object({ ...about, ...item, worker: text, redelivered });

/** `<stream>.handled`, from a worker. */
export const Handled = z.object({
  ...about,
  ...item,
  worker: text,
  redelivered,
  waitMs: duration.optional().catch(undefined),
  totals: workerTotals,
});

/** `<stream>.dead`, from a worker or a monitor: a message has become a dead letter; `body` is how it begins. */
export const Dead = z.object({
  ...about,
  id,
  queue: name,
  reason: text,
  body: text.optional().catch(undefined),
});

/** `<stream>.presence`, every 2 s: that a process is there, or gone. */
export const Presence = z.object({
  ...about,
  here: z.boolean(),
  /** The queues that it reads. */
  queues: z.array(name).max(MAX_KEYS).catch([]),
});

/** What a worker's presence says beside that; `forMs` is how long it has had the item in its hands. */
export const WorkerPresence = z.object({
  ...about,
  here: z.boolean(),
  role: z.literal("worker"),
  inHand: z.object({ ...item, redelivered, forMs: duration }).nullish().catch(undefined),
  totals: workerTotals,
});

/** What a monitor's presence says beside that: which episodes are open. */
export const MonitorPresence = z.object({
  open: z.array(
    z.object({ id: text, key: text, rule: text, opened: recorded, text, run: text.nullish() }),
  ).max(MAX_OPEN),
});

/** `<stream>.judged`: a batch of readings, judged. */
export const Judged = z.object({
  keys: z.array(z.object({
    key: text,
    run: text.nullish(),
    /** `[time, …values]` */
    readings: z.array(z.tuple([time], value)).max(MAX_READINGS),
    /** Of each quantity. */
    changes: z.array(z.number()).max(MAX_QUANTITIES),
    /** `[quantity, length of its window]`. */
    windowsMs: z.array(z.tuple([z.int().min(0), z.number().min(0)])).max(MAX_KEYS),
    /** The episodes that are open after them. */
    open: z.array(text).max(MAX_OPEN),
  })).max(MAX_KEYS),
});

/** `<stream>.alert`. */
export const AlertNews = z.object({
  id: text,
  key: text,
  rule: text,
  state: z.enum(["open", "resolved"]),
  opened: recorded,
  at: recorded,
  text,
  run: text.nullish(),
});
