/**
 * A stream end to end in one terminal: the help desk, whose workers come and go, or a whole cook in the smart
 * smoker.
 *
 *     deno task demo
 *     deno task demo smoker
 *
 * Starts the other tasks (`deno`) and kills one (`kill`); looks at the broker's queues before.
 */
import { URL_OPTION } from "../broker_url.ts";
import { UsageError } from "../errors.ts";
import { OUTPUT_OPTIONS, run, type Script } from "../script.ts";
import { helpdeskDemo } from "./helpdesk_demo.ts";
import { smokerDemo } from "./smoker_demo.ts";

const usage = {
  task: "demo",
  script: "demo",
  summary:
    "helpdesk (the default): tickets shared by 1, then 2, then 3 workers, of which one is killed in the\n" +
    "middle of a ticket; 20 s, nothing is lost. smoker: a cook of ten hours in a minute, with its alerts.",
  words: "[helpdesk|smoker]",
  options: { ...URL_OPTION, ...OUTPUT_OPTIONS },
};

const DEMOS = { helpdesk: helpdeskDemo, smoker: smokerDemo };

async function demo({ values, words, out, signal }: Script<typeof usage.options>): Promise<number> {
  const name = words.join(" ") || "helpdesk";
  if (name !== "helpdesk" && name !== "smoker") {
    throw new UsageError(
      `There is no demo ${JSON.stringify(name)}: helpdesk and smoker are the ones`,
    );
  }
  return await DEMOS[name](values.url, out, signal);
}

if (import.meta.main) await run(usage, demo);
