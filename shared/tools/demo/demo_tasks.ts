/** The tasks that play in a demo: started the same way, and all ended with it. */
import { FailedError } from "../../script.ts";
import type { QueueNames } from "../../streams.ts";
import { TaskProcess, type TaskProcessOptions } from "./task_process.ts";

export class DemoTasks implements AsyncDisposable {
  /** Added to every task's arguments and environment. */
  readonly args: readonly string[];
  readonly env: Record<string, string>;
  readonly #queues: QueueNames;
  readonly #tasks: TaskProcess[] = [];

  /** @param queues The demo's own queues. */
  constructor({ args, env, queues }: {
    args: readonly string[];
    env: Record<string, string>;
    queues: QueueNames;
  }) {
    this.args = args;
    this.env = env;
    this.#queues = queues;
  }

  /** The flags that give a task some of the demo's queues. */
  queues(...keys: string[]): string[] {
    return keys.flatMap((key) => ["--queue", `${key}=${this.#queues[key]}`]);
  }

  start(
    task: string,
    args: string[],
    onEvent: NonNullable<TaskProcessOptions["onEvent"]>,
  ): TaskProcess {
    const process = new TaskProcess(task, [...args, ...this.args], { env: this.env, onEvent });
    this.#tasks.push(process);
    return process;
  }

  /**
   * Waits for the end of a task.
   *
   * @throws {FailedError} If it failed, with what it said.
   */
  async ended(process: TaskProcess): Promise<void> {
    const { code, stderr } = await process.ended;
    if (code !== 0) throw new FailedError(`${process.task}: ${stderr.trim()}`);
  }

  /** Asks all to finish what is in hand, and waits for that. */
  async stop(): Promise<void> {
    await Promise.all(this.#tasks.map((task) => task.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
