/** Looks at the collection's queues again and again, by passive declares: no admin site is needed. */
import { delay } from "../../shared/abort.ts";
import type { Connection } from "../../shared/connection.ts";
import { FailedError } from "../../shared/errors.ts";
import { allQueues, deadQueue } from "../../shared/topology.ts";
import type { QueueState } from "./board_view.ts";

/** Time between two looks, in milliseconds. */
const LOOK_MS = 2000;

/** A queue that isn't there is looked for less and less often, up to this, in milliseconds. */
const MAX_ABSENCE_MS = 30_000;

/** Tells the state of the queues every 2 s until `signal`; not while the broker is away. */
export async function watchQueues(
  connection: Connection,
  tell: (queues: QueueState[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const names = allQueues("quorum").map(({ queue }) => queue);
  const dead = new Set(names.map((name) => deadQueue(name).queue));
  const absent = new Map<string, { since: number; until: number }>();
  while (!signal.aborted) {
    const states = new Map<string, { ready: number; consumers: number }>();
    for (const name of names) {
      const now = Date.now();
      if (signal.aborted) return;
      if (now < (absent.get(name)?.until ?? 0)) continue;
      const state = await look(connection, name);
      if (state) {
        absent.delete(name);
        states.set(name, state);
      } else {
        const since = absent.get(name)?.since ?? now;
        const pause = Math.min(MAX_ABSENCE_MS, Math.max(LOOK_MS, now - since));
        absent.set(name, { since, until: now + pause });
      }
    }
    tell(
      names.filter((name) => !dead.has(name)).map((queue) => ({
        queue,
        ready: states.get(queue)?.ready ?? null,
        consumers: states.get(queue)?.consumers ?? null,
        dead: states.get(deadQueue(queue).queue)?.ready ?? null,
      })),
    );
    await delay(LOOK_MS, signal);
  }
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
