/**
 * A worker of the work queue: takes tasks from `task_queue`, works a second for every dot, and only then
 * acknowledges. One task at a time, so a busy worker is not given the next one while another is idle.
 *
 *     deno task tasks:work
 *     deno task tasks:work --name ann --dot 250ms
 *
 * Needs the network for the broker, `logs/` to write with `--log`.
 */
import { delay, duration, run, withDefault } from "../shared/script.ts";
import { namesOf, queueOption, TASKS } from "../shared/streams.ts";
import { work, WORKER_OPTIONS } from "../shared/worker.ts";

const usage = {
  task: "tasks:work",
  script: "task_worker",
  summary: "Takes tasks from task_queue, one at a time, and works a second for every dot.\n" +
    "Any number of workers share the tasks; what a dead one held goes to another.",
  options: {
    dot: withDefault("TIME", duration, "1s", "work for every dot in a task; 0 for none"),
    queue: queueOption(namesOf(TASKS), { main: "tasks" }),
    ...WORKER_OPTIONS,
  },
};

/** Lines and announcements show at most this much of a task, in characters; all its dots count as work. */
const MAX_SHOWN = 10_000;

const shown = (text: string) => text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;

/** The work that a task asks for, in seconds: so much for every dot. */
export function secondsOf(task: string, dotMs: number): number {
  let dots = 0;
  for (let at = task.indexOf("."); at >= 0; at = task.indexOf(".", at + 1)) dots++;
  return dots * dotMs / 1000;
}

if (import.meta.main) {
  await run(usage, (script) => {
    const { out, values } = script;
    return work(script, {
      stream: TASKS,
      from: "tasks",
      taken: (text) => `${shown(text)}  ${secondsOf(text, values.dot)} s`,
      async handle(text, { id, redelivered, worker }) {
        const seconds = secondsOf(text, values.dot);
        const started = performance.now();
        // Even a timer of 0 takes milliseconds.
        if (seconds > 0) await delay(seconds * 1000);
        const took = ((performance.now() - started) / 1000).toFixed(1);
        out.event(
          { event: "task", worker, id, text: shown(text), seconds, redelivered },
          () => `${out.paint("cyan", worker)}  done in ${took} s`,
        );
      },
    });
  });
}
