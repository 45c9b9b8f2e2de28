/**
 * A stream end to end in one terminal: the help desk, whose workers come and go, or a whole cook in the smart
 * smoker.
 *
 *     deno task demo
 *     deno task demo smoker
 *
 * Starts the other tasks (`deno`) and kills one (`kill`), on queues of its own, which are deleted at the end.
 */
import { brokerAddress, Connection, QUEUE_TYPE_OPTION, URL_OPTION } from "../connection.ts";
import { OUTPUT_OPTIONS, run, type Script, unlessAborted, UsageError } from "../script.ts";
import { ALERTS, HELPDESK, namesOf, SMOKER } from "../streams.ts";
import { DemoTasks } from "./demo/demo_tasks.ts";
import { helpdeskDemo } from "./demo/helpdesk_demo.ts";
import { smokerDemo } from "./demo/smoker_demo.ts";

const usage = {
  task: "demo",
  script: "demo",
  summary:
    "helpdesk (the default): tickets shared by 1, then 2, then 3 workers, of which one is killed in the\n" +
    "middle of a ticket; 20 s, nothing is lost. smoker: a cook of ten hours in a minute, with its alerts.\n" +
    "It has queues of its own, which are deleted at the end.",
  words: "[helpdesk|smoker]",
  options: { ...URL_OPTION, ...QUEUE_TYPE_OPTION, ...OUTPUT_OPTIONS },
};

/** How long the clean-up may take, in milliseconds. */
const CLEAN_UP_MS = 3000;

const DEMOS = {
  helpdesk: { play: helpdeskDemo, queues: namesOf(HELPDESK) },
  smoker: { play: smokerDemo, queues: { ...namesOf(SMOKER), ...namesOf(ALERTS, "alerts") } },
};

async function demo({ values, words, out, signal }: Script<typeof usage.options>): Promise<number> {
  const name = words.join(" ") || "helpdesk";
  if (name !== "helpdesk" && name !== "smoker") {
    throw new UsageError(
      `There is no demo ${JSON.stringify(name)}: helpdesk and smoker are the ones`,
    );
  }
  // In the environment, because everybody can read a command line.
  const env: Record<string, string> = values.url === undefined ? {} : { AMQP_URL: values.url };
  const files = (["ca", "cert", "key"] as const).flatMap((flag) =>
    values[flag] === undefined ? [] : [`--${flag}`, values[flag]]
  );
  const args = ["--queue-type", values.queueType, ...files];
  const { play, queues } = DEMOS[name];
  const options = { out, signal, name: usage.script };
  const address = brokerAddress(values.url, values);
  await using connection = await Connection.open(address, "publish", options);
  // It takes nothing of the user's, and what it makes is nobody's mail.
  const prefix = `demo-${crypto.randomUUID().slice(0, 8)}`;
  const names = Object.fromEntries(
    Object.entries(queues).map(([key, queue]) => [key, `${prefix}.${queue}`]),
  );
  out.event({ event: "ready", pid: Deno.pid, name: usage.script });
  try {
    await using cast = new DemoTasks({ args, env, queues: names });
    return await play(cast, out, signal);
  } finally {
    // A broker that has gone meanwhile takes its time: nobody waits for that.
    const all = Object.values(names).flatMap((name) => [name, `${name}.dead`, `${name}.state`]);
    const deleted = Promise.all(all.map((queue) => connection.deleteQueue(queue)));
    await unlessAborted(deleted.catch(() => {}), AbortSignal.timeout(CLEAN_UP_MS));
  }
}

if (import.meta.main) await run(usage, demo);
