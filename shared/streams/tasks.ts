/** The work queue: tasks as RabbitMQ's second tutorial has them, where every dot is a second of work. */
import { textOf } from "./codec.ts";
import type { Stream } from "./stream.ts";

export const TASKS = {
  name: "tasks",
  title: "Work queue",
  queues: { tasks: { name: "task_queue", kind: "shared" } },
  /** A task is any text. */
  decode: textOf,
  /** The text format is without a content type, like the tutorials' programs. */
  encode: (task, format) =>
    format === "text" ? { body: task } : { body: task, contentType: "text/plain" },
  line: (task) => task,
  panel: { kind: "work", item: "task", shown: (task) => ({ text: task }) },
  csv: {
    file: "data/tasks.csv",
    interval: "0",
    row(cells) {
      const task = cells.map((cell) => cell.trim()).filter((cell) => cell !== "").join(" ");
      if (task === "") throw new RangeError("the task is empty");
      return task;
    },
    messages: (task) => [{ to: "tasks", item: task }],
    line: (task) => task,
  },
} satisfies Stream<string, "tasks">;
