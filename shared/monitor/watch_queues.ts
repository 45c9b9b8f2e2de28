/** Watching queues: readings in batches, with the state that the broker keeps, beside others that stand by. */
import { type Connection, consumeWithState, IdleWatch, queueOf } from "../connection.ts";
import { type Queue, type QueueType, Standby, stateQueue } from "../connection.ts";
import type { Output } from "../script.ts";
import { originOf, type QueueNames, type Stream } from "../streams.ts";
import type { MonitorAnnouncer } from "./announcer.ts";
import type { QueueMonitor } from "./queue_monitor.ts";

export interface WatchOptions<K extends string> {
  readonly connection: Connection;
  /** By the keys of their queues. */
  readonly monitors: ReadonlyMap<K, QueueMonitor>;
  /** The names of the queues, and of the one for alerts. */
  readonly names: QueueNames<K | "alerts">;
  readonly announcer: MonitorAnnouncer;
  /** The monitor's name. */
  readonly name: string;
  readonly queueType: QueueType;
  readonly prefetch: number;
  /** Ends it when nothing came for so long, in milliseconds. */
  readonly exitWhenIdle: number | undefined;
  readonly out: Output;
  readonly signal: AbortSignal;
}

/**
 * Judges what the broker delivers, until the signal or the idle time ends it.
 *
 * @throws {FailedError} If the broker refuses.
 */
export async function watchQueues<K extends string>(
  stream: Pick<Stream<unknown, K, unknown>, "queues">,
  options: WatchOptions<K>,
): Promise<void> {
  const { connection, monitors, names, announcer, name, queueType, out, signal } = options;
  const waiting = new Set(monitors.keys());
  const queues = [...monitors.keys()].map((key) => names[key]);
  const standby = new Standby(connection, out, queues);
  using idle = new IdleWatch(
    options.exitWhenIdle,
    () => standby.isHeldBack(),
    () => connection.refused,
  );
  await Promise.all([...monitors].map(async ([key, monitor]) => {
    const queue = names[key];
    const { kind, usersOwn } = stream.queues[key];
    const declared = queueOf(queue, kind, queueType);
    // Another program may have declared a user's own queue otherwise: as it is, only one consumer may read it.
    const isOurs = !usersOwn || await isDeclared(connection, declared);
    return await consumeWithState(connection, {
      queue: isOurs ? declared : await connection.asItIs(declared),
      stateQueue: stateQueue(queue),
      publishesTo: [queueOf(names.alerts, "own")],
      prefetch: options.prefetch,
      exclusive: isOurs ? queueType === "classic" ? "refuse" : undefined : "wait",
      signal: AbortSignal.any([signal, idle.signal]),
      onCrowded: () =>
        out.note(
          `${queue} has other consumers, and a monitor needs every reading: waiting until they have gone`,
        ),
      restore: (saved) => monitor.restore(saved),
      isFirst: (delivery) => originOf(delivery).row === 1,
      onReady() {
        if (waiting.delete(key) && waiting.size === 0) {
          out.event({ event: "ready", pid: Deno.pid, name });
          announcer.present();
          const watched = [...monitors.keys()].map((key) =>
            stream.queues[key].usersOwn ? names[key] : key
          );
          out.note(`Watching ${watched.join(", ")}; Ctrl-C stops`);
        }
        announcer.lost(queue);
        standby.subscribed(queue);
      },
      onActivity(busy) {
        idle.touch(queue, busy);
        if (busy) standby.delivered(queue);
      },
    });
  }));
}

/** Declares a queue; `false` where it exists with other arguments. */
async function isDeclared(connection: Connection, queue: Queue): Promise<boolean> {
  try {
    await connection.declare(queue);
    return true;
  } catch (error) {
    if (await connection.inspect(queue.queue)) return false;
    throw error;
  }
}
