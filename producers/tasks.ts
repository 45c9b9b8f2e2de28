/**
 * Replays tasks from a CSV into `task_queue`, as fast as the broker confirms them.
 *
 *     deno task tasks:produce
 *     deno task tasks:produce --file data/task-sentences.csv --interval 1s
 *
 * The file has no header: every line is a task, its columns joined by a space. Needs the network for the
 * broker, `data/` to read, `logs/` to write with `--log`, the browser to run with `--admin`.
 */
import { taskMessages } from "../shared/messages.ts";
import { queueOption, TASK_QUEUES } from "../shared/queue_names.ts";
import { replay, type Stream } from "../shared/replay.ts";
import { replayOptions } from "../shared/replay_options.ts";
import { run } from "../shared/script.ts";
import { sharedQueue } from "../shared/topology.ts";

const usage = {
  task: "tasks:produce",
  script: "tasks",
  summary: "Replays tasks from a CSV into task_queue, as fast as the broker confirms them.\n" +
    "No header: every line is a task, its columns joined by a space; a dot is a second of work.",
  options: replayOptions("data/tasks.csv", "0", queueOption(TASK_QUEUES, { main: "tasks" })),
};

/** What becomes of a row of tasks. */
export const TASKS: Stream<string, "tasks"> = {
  ...usage,
  key: "tasks.task",
  queues: ({ tasks }, type) => [sharedQueue(tasks, type)],
  intervalMs: 0,
  parse(cells) {
    const task = cells.map((cell) => cell.trim()).filter((cell) => cell !== "").join(" ");
    if (task === "") throw new RangeError("the task is empty");
    return task;
  },
  messages: taskMessages,
  line: (task) => task,
};

if (import.meta.main) await run(usage, (script) => replay(script, TASKS));
