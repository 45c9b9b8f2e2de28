/** Administration of queues: each request on a channel of its own, as a refusal closes it. */
import type { Channel } from "./channel.ts";
import type { Queue } from "./queue.ts";
import { codeOf } from "./refusals.ts";

/** What a connection is for. */
export type Role = "publish" | "consume";

export abstract class QueueAdministration {
  /**
   * Does something on a channel of its own, which is closed again.
   *
   * @throws {FailedError} If the broker refuses it for good.
   */
  abstract once<T>(role: Role, work: (channel: Channel) => Promise<T>): Promise<T>;

  /** Whether a queue of ours exists without the delivery limit that it should have. */
  protected abstract isUnlimited(queue: string): boolean;

  /** Removes the ready messages of a queue; says how many they were. */
  async purge(queue: string): Promise<number> {
    return (await this.once("publish", (channel) => channel.queuePurge(queue))).messageCount;
  }

  /** Deletes a queue with its messages; says how many were ready. */
  async deleteQueue(queue: string): Promise<number> {
    return (await this.once("publish", (channel) => channel.queueDelete(queue))).messageCount;
  }

  /**
   * Takes a name for as long as this connection lives: an exclusive queue, which only one connection can have.
   *
   * @returns Whether it is ours; otherwise another connection has it.
   */
  lock(queue: string): Promise<boolean> {
    return this.once(
      "consume",
      (channel) =>
        channel.queueDeclare({ queue, exclusive: true }).then(() => true, (error) => {
          if (codeOf(error) === "RESOURCE_LOCKED") return false;
          throw error;
        }),
    );
  }

  /**
   * Declares a queue.
   *
   * @returns Whether it has the delivery limit that it should have: one of an earlier version hasn't.
   */
  async declare(queue: Queue): Promise<boolean> {
    await this.once("publish", (channel) => channel.queueDeclare(queue));
    return !this.isUnlimited(queue.queue);
  }

  /** Looks at a queue without creating it; `undefined` if there is none. */
  inspect(queue: string): Promise<{ ready: number; consumers: number } | undefined> {
    // A passive declare of a missing queue closes its channel: never one that is in use.
    return this.once("publish", (channel) =>
      channel.queueDeclare({ queue, passive: true }).then(
        ({ messageCount, consumerCount }) => ({ ready: messageCount, consumers: consumerCount }),
        (error) => {
          if (codeOf(error) === "NOT_FOUND") return undefined;
          throw error;
        },
      ));
  }

  /** The declaration of a queue that may be another program's: where it exists, it is taken as it is. */
  async asItIs(queue: Queue): Promise<Queue> {
    return await this.inspect(queue.queue) ? { ...queue, passive: true } : queue;
  }
}
