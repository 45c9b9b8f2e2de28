/**
 * A stream end to end in one terminal: the help desk, whose workers come and go, or a whole cook in the smart
 * smoker.
 *
 *     deno task demo
 *     deno task demo smoker
 *
 * Starts the other tasks (`deno`) and kills one (`kill`); looks at the broker's queues before.
 */
import { brokerAddress, URL_OPTION } from "../broker_url.ts";
import { Connection } from "../connection.ts";
import { FailedError, UsageError } from "../errors.ts";
import { fromHere } from "../from_here.ts";
import { OUTPUT_OPTIONS, run, type Script } from "../script.ts";
import { HELP_QUEUE, QUEUE_TYPE_OPTION, READING_QUEUES } from "../topology.ts";
import { Cast } from "./cast.ts";
import { helpdeskDemo } from "./helpdesk_demo.ts";
import { smokerDemo } from "./smoker_demo.ts";

const usage = {
  task: "demo",
  script: "demo",
  summary:
    "helpdesk (the default): tickets shared by 1, then 2, then 3 workers, of which one is killed in the\n" +
    "middle of a ticket; 20 s, nothing is lost. smoker: a cook of ten hours in a minute, with its alerts.",
  words: "[helpdesk|smoker]",
  options: { ...URL_OPTION, ...QUEUE_TYPE_OPTION, ...OUTPUT_OPTIONS },
};

/** The demo brings its own consumers; others would take messages from them. */
async function requireFree(connection: Connection, queues: string[]): Promise<void> {
  for (const queue of queues) {
    const { consumers = 0 } = await connection.inspect(queue) ?? {};
    if (consumers > 0) {
      throw new FailedError(`${queue} has ${consumers} consumers already: stop them for the demo`);
    }
  }
}

const DEMOS = { helpdesk: helpdeskDemo, smoker: smokerDemo };

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
    values[flag] === undefined ? [] : [`--${flag}`, fromHere(values[flag])]
  );
  const args = ["--queue-type", values.queueType, ...files];
  await using cast = new Cast({ args, env });
  {
    const options = { out, signal, name: usage.script };
    await using connection = await Connection.open(
      brokerAddress(values.url, values),
      "publish",
      options,
    );
    await requireFree(connection, name === "smoker" ? Object.values(READING_QUEUES) : [HELP_QUEUE]);
  }
  out.event({ event: "ready", pid: Deno.pid, name: usage.script });
  return await DEMOS[name](cast, out, signal);
}

if (import.meta.main) await run(usage, demo);
