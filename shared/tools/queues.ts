/**
 * Shows the queues: messages ready, messages with a consumer but not acknowledged, consumers. Looks into some, empties or
 * deletes them.
 *
 *     deno task queues
 *     deno task queues --peek help_queue
 *     deno task queues --purge help_queue
 *     deno task queues --delete help_queue
 *
 * Needs the network for the broker and its admin site, which alone knows what is unacknowledged.
 */
import {
  askAdminSite,
  type BrokerAddress,
  brokerAddress,
  Connection,
  QUEUE_TYPE_OPTION,
  URL_OPTION,
} from "../connection.ts";
import {
  counted,
  inert,
  type Output,
  OUTPUT_OPTIONS,
  reasonOf,
  repeatable,
  run,
  type Script,
  text,
  UsageError,
} from "../script.ts";
import { allQueues, knownStreams, requireQueueName } from "../streams.ts";
import { peek, PEEKED } from "./queues/peek.ts";
import { z } from "zod";

const usage = {
  task: "queues",
  script: "queues",
  summary:
    "Lists the queues, the collection's first, then what else there is: ready, unacknowledged, consumers.\n" +
    "Looks into some, empties or deletes them.",
  options: {
    queue: repeatable(
      "NAME",
      requireQueueName,
      "list only this queue and those beside it (.state, .dead)",
    ),
    peek: repeatable(
      "NAME",
      text,
      `show the next ${PEEKED} messages, which stay there; in a quorum queue each look counts as a delivery: RabbitMQ 4 ` +
        "drops a message after 20, a worker makes it a dead letter after 6 (--max-deliveries)",
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
  for (const queue of [...values.peek, ...values.purge, ...values.delete]) {
    if (!await connection.inspect(queue)) throw new UsageError(`There is no queue ${queue}`);
  }
  for (const queue of values.peek) await look(connection, queue, out);
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
  if (values.peek.length + values.purge.length + values.delete.length > 0) return;

  let unknown = "";
  const unacknowledged = await unacknowledgedMessages(address).catch((error) => {
    unknown = reasonOf(error);
    return undefined;
  });
  for (const queue of values.queue) {
    if (!await connection.inspect(queue)) throw new UsageError(`There is no queue ${queue}`);
  }
  const ours = allQueues(await knownStreams((text) => out.note(text)));
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

/** Shows the next messages of a queue. */
async function look(connection: Connection, queue: string, out: Output): Promise<void> {
  const messages = await peek(connection, queue);
  for (const { id, contentType, body } of messages) {
    out.event(
      { event: "message", queue, id, contentType, body },
      () => `${inert(id ?? "(no id)")}  ${inert(contentType ?? "(no type)")}  ${inert(body)}`,
    );
  }
  if (messages.length > 0) return;
  const { ready = 0 } = await connection.inspect(queue) ?? {};
  out.note(
    ready === 0
      ? `${queue} has no ready message`
      : `${queue} shows nothing: its single active consumer gets what comes`,
  );
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
