/** Looks at queues again and again: the collection's, and those that consumers say, by passive declares: no admin site is needed. */
import { type Connection, deadQueue } from "../../shared/connection.ts";
import { delay, FailedError, unlessAborted } from "../../shared/script.ts";
import type { QueueState } from "./board_view.ts";

/** Time between two looks, in milliseconds. */
const LOOK_MS = 2000;

/** A queue that isn't there is looked for at least this often, in milliseconds. */
const MAX_ABSENCE_MS = 10_000;

/** Queues looked at that aren't the collection's. */
const MAX_OTHERS = 50;

interface Absence {
  readonly since: number;
  /** When to look again, in ms since 1970. */
  readonly until: number;
}

export class QueueWatch {
  readonly #absent = new Map<string, Absence>();

  /** Looks for every queue again: a script has begun, which declares what it needs. */
  stir(): void {
    this.#absent.clear();
  }

  /**
   * Tells the state of the queues every 2 s until `signal`; not while the broker is away.
   *
   * @param ours The collection's.
   * @param others Queues beside these.
   * @param tell Gets their states, and when the look at them began, in ms since 1970.
   */
  async run(
    connection: Connection,
    { ours, others, tell, signal }: {
      ours: readonly string[];
      others: () => readonly string[];
      tell: (queues: QueueState[], at: number) => void;
      signal: AbortSignal;
    },
  ): Promise<void> {
    while (!signal.aborted) {
      const began = Date.now();
      const more = others().filter((name) => !ours.includes(name)).slice(0, MAX_OTHERS);
      const names = [...new Set([...ours, ...more.flatMap((it) => [it, deadQueue(it).queue])])];
      const dead = new Set(names.map((name) => deadQueue(name).queue));
      const states = new Map<string, { ready: number; consumers: number }>();
      for (const name of names) {
        const now = Date.now();
        const absence = this.#absent.get(name);
        if (absence && now < absence.until) continue;
        const state = await unlessAborted(look(connection, name), signal);
        if (signal.aborted) return;
        if (state) states.set(name, state);
        if (state) this.#absent.delete(name);
        else this.#absent.set(name, longer(absence, now));
      }
      tell(
        names.filter((name) => !dead.has(name)).map((queue) => ({
          queue,
          ready: states.get(queue)?.ready ?? null,
          consumers: states.get(queue)?.consumers ?? null,
          dead: states.get(deadQueue(queue).queue)?.ready ?? null,
        })),
        began,
      );
      await delay(LOOK_MS, signal);
    }
  }
}

/** A queue that has long been absent is looked for less often: every look is an error in the broker's log. */
function longer(absence: Absence | undefined, now: number): Absence {
  const since = absence?.since ?? now;
  return { since, until: now + Math.min(MAX_ABSENCE_MS, Math.max(LOOK_MS, now - since)) };
}

async function look(connection: Connection, queue: string) {
  try {
    return await connection.inspect(queue);
  } catch (error) {
    // No right to look at it: as if it weren't there.
    if (error instanceof FailedError) return undefined;
    throw error;
  }
}
