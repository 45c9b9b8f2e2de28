/**
 * Replays tasks from a CSV into `task_queue`, as fast as the broker confirms them.
 *
 *     deno task tasks:produce
 *     deno task tasks:produce --file data/task-sentences.csv --interval 1s
 *
 * The file has no header: every line is a task, its columns joined by a space. Needs the network for the
 * broker, `data/` to read, `logs/` to write with `--log`, the browser to run with `--admin`.
 */
import { replay, replayOptions } from "../shared/replay.ts";
import { run } from "../shared/script.ts";
import { TASKS } from "../shared/streams.ts";

const usage = {
  task: "tasks:produce",
  script: "tasks",
  summary: "Replays tasks from a CSV into task_queue, as fast as the broker confirms them.\n" +
    "No header: every line is a task, its columns joined by a space; a dot is a second of work.",
  options: replayOptions(TASKS),
};

if (import.meta.main) await run(usage, (script) => replay(script, TASKS));
