/**
 * The dead letters: shows what lies in the `.dead` queues and why, puts letters back into the queues they come
 * from, or discards them.
 *
 *     deno task dead
 *     deno task dead --requeue --queue help_queue --reason "not a ticket" --yes
 *     deno task dead --discard --queue task_queue
 *
 * Looking takes nothing away: letters stay unacknowledged while they are read, and then lie there in their order. Needs
 * the network for the broker, `logs/` to write with `--log`.
 */
import {
  brokerAddress,
  Connection,
  deadQueue,
  type Delivery,
  QUEUE_TYPE_OPTION,
  URL_OPTION,
} from "../connection.ts";
import {
  counted,
  delay,
  FailedError,
  flag,
  integer,
  later,
  optional,
  OUTPUT_OPTIONS,
  run,
  type Script,
  STOP_MS,
  text,
  unlessAborted,
  UsageError,
} from "../script.ts";
import {
  type AnyStream,
  consumedQueues,
  deadQueues,
  knownStreams,
  requireQueueName,
} from "../streams.ts";
import { discard, look, requeue } from "./dead/actions.ts";
import { DeadLetterReader } from "./dead/reader.ts";
import { type DeadLetter, DeadLetterCount, readLetter } from "./dead/dead_letter.ts";
import type { Destinations } from "./dead/requeue.ts";

const usage = {
  task: "dead",
  script: "dead",
  summary:
    "Shows the dead letters: per queue how many, of which reasons, then each. Nothing is changed by looking.\n" +
    "--requeue puts those of a queue or a reason back where they come from; without --yes it only says what it\n" +
    "would do. --discard removes them: it asks in a terminal, elsewhere it needs --yes.",
  options: {
    queue: optional(
      "NAME",
      readQueue,
      "letters of this queue only, also one of yours: task_queue2 or task_queue2.dead",
    ),
    reason: optional("TEXT", text, "letters whose reason has this in it, in any case"),
    limit: optional(
      "N",
      integer(0),
      "letters shown of each queue (default 20; all with --json)",
    ),
    requeue: flag("put letters back into the queues they come from; needs --queue or --reason"),
    discard: flag("remove letters for good; needs --queue or --reason"),
    yes: flag("really put back, or discard without a question"),
    ...URL_OPTION,
    ...QUEUE_TYPE_OPTION,
    ...OUTPUT_OPTIONS,
  },
};

/** The queue whose letters are meant. */
function readQueue(typed: string): string {
  return requireQueueName(typed.replace(/\.dead$/, ""));
}

type DeadScript = Script<typeof usage.options>;

/** Letters shown to people of each queue. */
const LIMIT = 20;

/** Held by whoever reads letters: two at once would each see a part. */
const LOCK = "dead.lock";
const LOCK_POLL_MS = 200;

/** Ends after Ctrl-C, also where the broker doesn't answer: what is unacknowledged is in its queue again then. */
async function main(script: DeadScript): Promise<number> {
  const known = await knownStreams((text) => script.out.note(text));
  const queues = chosenQueues(script.values, known);
  using patience = later(script.signal, STOP_MS);
  const code = await unlessAborted(dead(script, queues, known), patience.signal);
  if (code === undefined) throw new FailedError("RabbitMQ doesn't answer: see what is there later");
  return code;
}

async function dead(
  script: DeadScript,
  queues: readonly string[],
  known: readonly AnyStream[],
): Promise<number> {
  const { values, out, signal } = script;
  const options = { out, signal, name: usage.script };
  await using connection = await Connection.open(
    brokerAddress(values.url, values),
    "consume",
    options,
  );
  out.event({ event: "ready", pid: Deno.pid, name: usage.script });
  const counts = new Map<string, DeadLetterCount>();
  const done = { requeued: 0, discarded: 0, left: 0 };
  const would = { requeue: 0, leave: 0 };
  const ours = new Set(consumedQueues(known));
  let locked = false;
  for (const queue of queues) {
    if (signal.aborted) break;
    if (!await connection.inspect(queue)) {
      if (deadQueues(known).includes(queue)) continue;
      throw new UsageError(`--queue: there is no queue ${queue}`);
    }
    if (!locked) await lock(connection, script);
    locked = true;
    // What comes dead again while letters are put back lies behind these.
    const oldest = (await connection.inspect(queue))?.ready ?? 0;
    if (oldest === 0) continue;
    // One with other arguments isn't ours: it is taken as it is.
    const limited = await connection.declare(deadQueue(queue.replace(/\.dead$/, "")))
      .catch(() => true);
    await using reader = await DeadLetterReader.open(connection, queue, {
      limited,
      picks: limited && values.reason !== undefined && (values.requeue || values.discard),
    });
    const count = new DeadLetterCount();
    counts.set(queue, count);
    const letters = matching(reader.letters(oldest, signal), { ...values, queue, count });
    const limit = values.limit ?? (values.json ? Infinity : LIMIT);
    const round = { queue, ours, reader, count, letters, limit, out, signal };
    if (values.discard) {
      const discarded = await discard(round, !values.yes);
      done.discarded += discarded;
      if (discarded > 0) out.line(`Discarded ${counted(discarded, "letter")} of ${queue}`);
    } else if (values.requeue) {
      const destinations = values.yes ? await requeue(round, connection) : await look(round);
      if (values.yes) {
        done.requeued += destinations.going;
        done.left += destinations.staying;
      } else {
        would.requeue += destinations.going;
        would.leave += destinations.staying;
      }
      tell(queue, destinations, script);
    } else {
      await look(round);
    }
  }
  const sum = (what: "letters" | "matched") =>
    [...counts.values()].reduce((total, count) => total + count[what], 0);
  const [letters, matched] = [sum("letters"), sum("matched")];
  out.summary(
    {
      event: "summary",
      letters,
      matched,
      ...done,
      ...(values.requeue && !values.yes ? { would } : {}),
      queues: Object.fromEntries(counts),
    },
    () => {
      if (letters === 0) {
        return "No dead letters";
      }
      const found = letters === matched
        ? counted(letters, "letter")
        : `${matched} of ${counted(letters, "letter")}`;
      const { requeued, discarded, left } = done;
      const changed = requeued + discarded > 0;
      return `${found}: ` +
        (changed
          ? `${requeued} put back, ${discarded} discarded, ${left} left`
          : "nothing changed");
    },
  );
  return done.left > 0 ? 1 : 0;
}

/** Says where the letters of a queue went, or would go. */
function tell(queue: string, destinations: Destinations, { values, out }: DeadScript): void {
  const { going, staying } = destinations;
  if (going > 0) {
    const places = `${counted(going, "letter")} of ${queue} back: ${destinations.destinations()}`;
    out.line(values.yes ? `Put ${places}` : `Would put ${places}. Do it: the same with --yes`);
  }
  if (staying > 0) {
    out.error(
      `${queue}: ${staying} ${
        values.yes ? "stay" : "would stay"
      } there: ${destinations.obstacles()}`,
    );
  }
}

/** @throws {UsageError} If flags are missing, exclude each other, or name another queue. */
function chosenQueues(
  { queue, reason, requeue, discard, yes }: DeadScript["values"],
  known: readonly AnyStream[],
): string[] {
  if (requeue && discard) throw new UsageError("--requeue and --discard exclude each other");
  if (yes && !requeue && !discard) throw new UsageError("--yes goes with --requeue or --discard");
  if ((requeue || discard) && queue === undefined && reason === undefined) {
    throw new UsageError(
      `--${requeue ? "requeue" : "discard"} needs --queue or --reason: see first what there is`,
    );
  }
  if (discard && !yes && !Deno.stdin.isTerminal()) {
    throw new UsageError("--discard asks in a terminal; elsewhere it needs --yes");
  }
  return queue === undefined ? deadQueues(known) : [deadQueue(queue).queue];
}

/** Waits until no other one reads letters. */
async function lock(connection: Connection, { out, signal }: DeadScript): Promise<void> {
  for (let told = false; !signal.aborted && !await connection.lock(LOCK); told = true) {
    if (!told) out.note("Another `deno task dead` is at work: waiting for its end");
    await delay(LOCK_POLL_MS, signal);
  }
}

async function* matching(
  deliveries: AsyncIterable<Delivery>,
  { queue, count, reason }: { queue: string; count: DeadLetterCount; reason: string | undefined },
): AsyncGenerator<{ delivery: Delivery; letter: DeadLetter }> {
  const wanted = reason?.toLowerCase() ?? "";
  for await (const delivery of deliveries) {
    const letter = readLetter(delivery, queue);
    const matches = (letter.reason ?? "").toLowerCase().includes(wanted);
    count.add(letter, matches);
    if (matches) yield { delivery, letter };
  }
}

if (import.meta.main) await run(usage, main);
