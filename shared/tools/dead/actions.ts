/** What `deno task dead` does with the letters of one queue: look, put back, discard. */
import { type Connection, type Delivery, Publisher } from "../../connection.ts";
import { ask, counted, type Output } from "../../script.ts";
import type { DeadLetterReader } from "./reader.ts";
import { type DeadLetter, type DeadLetterCount, letterLine } from "./dead_letter.ts";
import { destinationOf, Destinations, Requeuer } from "./requeue.ts";

/** What goes through one queue. */
export interface DeadQueue {
  readonly queue: string;
  /** The queues that letters may go back to. */
  readonly ours: ReadonlySet<string>;
  readonly reader: DeadLetterReader;
  readonly count: DeadLetterCount;
  /** The letters that match; they are counted as they are taken. */
  readonly letters: AsyncIterable<{ delivery: Delivery; letter: DeadLetter }>;
  /** How many of them are shown. */
  readonly limit: number;
  readonly out: Output;
  /** Ends it: the letters that are left stay. */
  readonly signal: AbortSignal;
}

/**
 * Shows the letters and leaves them.
 *
 * @returns Where each would go.
 */
export async function look(round: DeadQueue): Promise<Destinations> {
  const { queue, ours } = round;
  const destinations = new Destinations();
  await show(round, (delivery) => destinations.add(destinationOf(delivery, queue, ours)));
  return destinations;
}

/**
 * Puts the letters back.
 *
 * @returns Where each has gone.
 * @throws {FailedError} If the connection is lost, or the broker refuses.
 */
export async function requeue(round: DeadQueue, connection: Connection): Promise<Destinations> {
  const { queue, ours, reader, letters, out, signal } = round;
  const destinations = new Destinations();
  using publisher = await Publisher.open(connection, []);
  const goesTo = (letter: Delivery) => destinationOf(letter, queue, ours);
  const requeuer = new Requeuer(goesTo, publisher, (delivery, destination) => {
    // Without its channel the letter is in its queue again: the reader says so.
    if ("to" in destination && !reader.ack(delivery)) return;
    destinations.add(destination);
    const id = delivery.messageId || null;
    out.event(
      "to" in destination
        ? { event: "requeued", queue, id, to: destination.to }
        : { event: "left", queue, id, why: destination.stays },
    );
  });
  const either = AbortSignal.any([signal, reader.closed]);
  for await (const { delivery } of letters) await requeuer.put(delivery, either);
  await requeuer.finished(either);
  reader.requireOpen();
  return destinations;
}

/**
 * Shows the letters and removes them, when whoever sits there agrees.
 *
 * @param asks Whether to ask before.
 * @returns How many were removed.
 * @throws {FailedError} If the connection is lost; those removed before don't come back.
 */
export async function discard(round: DeadQueue, asks: boolean): Promise<number> {
  const { queue, reader, count, out, signal } = round;
  const chosen: (Pick<Delivery, "deliveryTag"> & { id: string | null })[] = [];
  await show(round, ({ deliveryTag }, { id }) => chosen.push({ deliveryTag, id }));
  if (chosen.length === 0 || signal.aborted) return 0;
  const question = `Discard ${counted(count.matched, "letter")} of ${queue} for good? [y/N] `;
  if (asks && !await agreed(question, out, AbortSignal.any([signal, reader.closed]))) {
    reader.requireOpen();
    return 0;
  }
  for (const { id, ...delivery } of chosen) {
    if (reader.ack(delivery)) out.event({ event: "discarded", queue, id });
  }
  reader.requireOpen();
  return chosen.length;
}

/** Shows how many letters there are of which reasons, then the first of them. */
async function show(
  { queue, count, letters, limit, out }: DeadQueue,
  each: (delivery: Delivery, letter: DeadLetter) => void,
): Promise<void> {
  const shown: DeadLetter[] = [];
  for await (const { delivery, letter } of letters) {
    each(delivery, letter);
    if (count.matched > limit) continue;
    // For people they come after the counts.
    out.event({ event: "letter", ...letter });
    if (!out.json) shown.push(letter);
  }
  if (count.matched === 0) return;
  out.line(count.lines(queue));
  for (const letter of shown) out.line(letterLine(letter));
  const hidden = count.matched - shown.length;
  if (hidden > 0) {
    out.line(`  … ${counted(hidden, "letter")} more: --limit ${count.matched} shows all`);
  }
}

/** Asks y/N; nothing, Ctrl-C and the end of standard input are no. */
async function agreed(question: string, out: Output, signal: AbortSignal): Promise<boolean> {
  return /^y(es)?$/i.test(await ask(question, out, signal) ?? "");
}
