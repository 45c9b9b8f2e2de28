/**
 * Shows the queues: messages ready, messages with a consumer but not acknowledged, consumers. Empties or deletes some.
 *
 *     deno task queues
 *     deno task queues --purge help_queue
 *     deno task queues --delete help_queue
 *
 * Needs the network for the broker and its admin site, which alone knows what is unacknowledged.
 */
import { askAdminSite } from "../admin_site.ts";
import { type BrokerAddress, brokerAddress, URL_OPTION } from "../broker_url.ts";
import { Connection } from "../connection.ts";
import { reasonOf, UsageError } from "../errors.ts";
import { repeatable, text } from "../options.ts";
import { counted } from "../output.ts";
import { requireQueueName } from "../queue_names.ts";
import { OUTPUT_OPTIONS, run, type Script } from "../script.ts";
import { allQueues, QUEUE_TYPE_OPTION } from "../topology.ts";
import { z } from "zod";

const usage = {
  task: "queues",
  script: "queues",
  summary:
    "Lists the queues, the collection's first, then what else there is: ready, unacknowledged, consumers.\n" +
    "Empties or deletes some.",
  options: {
    queue: repeatable(
      "NAME",
      requireQueueName,
      "list only this queue and those beside it (.state, .dead)",
    ),
    purge: repeatable("NAME", text, "remove the ready messages of this queue"),
    delete: repeatable("NAME", text, "delete this queue with its messages"),
    ...URL_OPTION,
    ...QUEUE_TYPE_OPTION,
    ...OUTPUT_OPTIONS,
  },
};

/** The admin site's figures are at most this old, in seconds: it collects them so often. */
const ADMIN_SITE_DELAY_S = 5;

async function queues({ values, out, signal }: Script<typeof usage.options>): Promise<void> {
  const address = brokerAddress(values.url, values);
  await using connection = await Connection.open(address, "publish", {
    out,
    signal,
    name: usage.script,
  });
  for (const queue of [...values.purge, ...values.delete]) {
    if (!await connection.inspect(queue)) throw new UsageError(`There is no queue ${queue}`);
  }
  for (const queue of values.purge) {
    const messages = await connection.purge(queue);
    out.event(
      { event: "purged", queue, messages },
      () => `Emptied ${queue} of ${counted(messages, "message")}`,
    );
  }
  for (const queue of values.delete) {
    const messages = await connection.deleteQueue(queue);
    out.event(
      { event: "deleted", queue, messages },
      () => `Deleted ${queue} with ${counted(messages, "message")}`,
    );
  }
  if (values.purge.length + values.delete.length > 0) return;

  let unknown = "";
  const unacknowledged = await unacknowledgedMessages(address).catch((error) => {
    unknown = reasonOf(error);
    return undefined;
  });
  for (const queue of values.queue) {
    if (!await connection.inspect(queue)) throw new UsageError(`There is no queue ${queue}`);
  }
  const ours = allQueues("quorum").map(({ queue }) => queue);
  const typed = values.queue.flatMap((queue) => [queue, `${queue}.state`, `${queue}.dead`]);
  const others = [...unacknowledged?.keys() ?? []].sort();
  out.line(row("queue", "ready", "unacknowledged", "consumers"));
  let found = 0;
  for (const queue of new Set(typed.length > 0 ? typed : [...ours, ...others])) {
    const state = await connection.inspect(queue);
    if (!state) continue;
    found++;
    const held = unacknowledged?.get(queue);
    out.event(
      {
        event: "queue",
        queue,
        ready: state.ready,
        unacknowledged: held ?? null,
        consumers: state.consumers,
      },
      () => row(queue, state.ready, held ?? "?", state.consumers),
    );
  }
  if (found === 0) out.line("None yet: the scripts declare their queues when they start");
  if (unknown !== "") out.note(`Unacknowledged and other queues unknown: ${unknown}`);
  else if (found > 0) out.line(`(unacknowledged: up to ${ADMIN_SITE_DELAY_S} s old)`);
}

/** What the admin site says of a virtual host's queues. */
const ADMIN_QUEUES = z.array(z.object({
  name: z.string(),
  exclusive: z.boolean().optional(),
  messages_unacknowledged: z.number().optional(),
}));

/**
 * Messages that a consumer holds, by queue, as the admin site knows them; those left out that only one connection can
 * have.
 *
 * @throws {Error} If it can't be asked.
 */
async function unacknowledgedMessages(address: BrokerAddress): Promise<Map<string, number>> {
  const path = `/api/queues/${encodeURIComponent(address.vhost)}`;
  const columns = "columns=name,exclusive,messages_unacknowledged";
  const queues = ADMIN_QUEUES.safeParse(await askAdminSite(address, `${path}?${columns}`));
  if (!queues.success) throw new Error("the admin site's answer isn't a list of queues");
  return new Map(
    queues.data.filter(({ exclusive }) => !exclusive)
      .map((queue) => [queue.name, queue.messages_unacknowledged ?? 0]),
  );
}

function row(queue: string, ...figures: (string | number)[]): string {
  return queue.padEnd(22) + figures.map((figure) => String(figure).padStart(16)).join("");
}

if (import.meta.main) await run(usage, queues);
