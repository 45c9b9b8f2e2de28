/** What `deno task dead` does with the letters of one queue: look, put back, discard. */
import { ask } from "../ask.ts";
import type { Connection, Delivery } from "../connection.ts";
import { counted, type Output } from "../output.ts";
import { Publisher } from "../publisher.ts";
import type { LetterReader } from "./letter_reader.ts";
import { type Letter, type LetterCount, letterLine } from "./letters.ts";
import { destination, Fates, Requeuer } from "./requeue.ts";

/** What goes through one queue. */
export interface Round {
  readonly queue: string;
  readonly reader: LetterReader;
  readonly count: LetterCount;
  /** The letters that match; they are counted as they are taken. */
  readonly letters: AsyncIterable<{ delivery: Delivery; letter: Letter }>;
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
export async function look(round: Round): Promise<Fates> {
  const fates = new Fates();
  await show(round, (delivery) => fates.add(destination(delivery, round.queue)));
  return fates;
}

/**
 * Puts the letters back.
 *
 * @returns Where each has gone.
 * @throws {FailedError} If the connection is lost, or the broker refuses.
 */
export async function requeue(round: Round, connection: Connection): Promise<Fates> {
  const { queue, reader, letters, out, signal } = round;
  const fates = new Fates();
  using publisher = await Publisher.open(connection, []);
  const requeuer = new Requeuer(queue, publisher, (delivery, fate) => {
    // Without its channel the letter is in its queue again: the reader says so.
    if ("to" in fate && !reader.ack(delivery)) return;
    fates.add(fate);
    const id = delivery.messageId || null;
    out.event(
      "to" in fate
        ? { event: "requeued", queue, id, to: fate.to }
        : { event: "left", queue, id, why: fate.stays },
    );
  });
  const either = AbortSignal.any([signal, reader.closed]);
  for await (const { delivery } of letters) await requeuer.put(delivery, either);
  await requeuer.finished(either);
  reader.requireOpen();
  return fates;
}

/**
 * Shows the letters and removes them, when whoever sits there agrees.
 *
 * @param asks Whether to ask before.
 * @returns How many were removed.
 * @throws {FailedError} If the connection is lost; those removed before don't come back.
 */
export async function discard(round: Round, asks: boolean): Promise<number> {
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
  { queue, count, letters, limit, out }: Round,
  each: (delivery: Delivery, letter: Letter) => void,
): Promise<void> {
  const shown: Letter[] = [];
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
