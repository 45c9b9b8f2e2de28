/**
 * Publishes one task from its arguments, as RabbitMQ's second tutorial does: confirmed, then it exits.
 *
 *     deno task tasks:new First message....
 *     deno task tasks:new --repeat 10 Another task..
 *
 * Needs the network for the broker, `logs/` to write with `--log`, the browser to run with `--admin`.
 */
import { newItemOptions, publishNew } from "../shared/replay.ts";
import { integer, run, withDefault } from "../shared/script.ts";
import { TASKS } from "../shared/streams.ts";

const usage = {
  task: "tasks:new",
  script: "new_task",
  summary:
    "Publishes one task to task_queue: its words joined by a space, `Hello World!` without any.\n" +
    "Every dot is a second of work. Words that begin with a dash come after --.",
  words: "[WORD...]",
  options: {
    repeat: withDefault("N", integer(1), "1", "publish it so many times"),
    ...newItemOptions(TASKS),
  },
};

if (import.meta.main) {
  await run(usage, (script) => {
    const { values, words } = script;
    const task = words.join(" ") || "Hello World!";
    return publishNew(script, {
      stream: TASKS,
      to: "tasks",
      items: repeated(task, values.repeat),
      line: () => `Sent ${task}`,
    });
  });
}

function* repeated(task: string, times: number): Generator<string> {
  for (let i = 0; i < times; i++) yield task;
}
