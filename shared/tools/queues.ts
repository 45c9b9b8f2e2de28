/**
 * Shows the collection's queues: messages ready, messages with a consumer but not acknowledged, consumers.
 * Empties or deletes one.
 *
 *     deno task queues
 *     deno task queues --purge help_queue
 *     deno task queues --delete help_queue
 *
 * Needs the network for the broker and its admin site, which alone knows what is unacknowledged.
 */
import { adminSite } from "../admin_site.ts";
import { type BrokerAddress, brokerAddress, URL_OPTION } from "../broker_url.ts";
import { Connection } from "../connection.ts";
import { UsageError } from "../errors.ts";
import { repeatable, text } from "../options.ts";
import { OUTPUT_OPTIONS, run, type Script } from "../script.ts";
import { allQueues, QUEUE_TYPE_OPTION } from "../topology.ts";

const usage = {
  task: "queues",
  script: "queues",
  summary:
    "Lists the collection's queues: ready, unacknowledged, consumers. Empties or deletes some.",
  options: {
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
      () => `Emptied ${queue} of ${messages} messages`,
    );
  }
  for (const queue of values.delete) {
    const messages = await connection.deleteQueue(queue);
    out.event(
      { event: "deleted", queue, messages },
      () => `Deleted ${queue} with ${messages} messages`,
    );
  }
  if (values.purge.length + values.delete.length > 0) return;

  const unacknowledged = await unacknowledgedMessages(address);
  out.line(row("queue", "ready", "unacknowledged", "consumers"));
  let found = 0;
  for (const { queue } of allQueues(values.queueType)) {
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
  if (!unacknowledged) out.note(await whyUnknown(adminSite(address)));
  else if (found > 0) out.line(`(unacknowledged: up to ${ADMIN_SITE_DELAY_S} s old)`);
}

/** Why the admin site could not be asked. */
async function whyUnknown(site: string): Promise<string> {
  const { host } = new URL(site);
  const { state } = await Deno.permissions.query({ name: "net", host });
  return state === "granted"
    ? `Unacknowledged unknown: no admin site at ${site}`
    : `Unacknowledged unknown: this task may not ask ${site}, put ${host} into AMQP_HOST, too`;
}

/** Asks the admin site for messages that a consumer holds, by queue; `undefined` if it can't be asked. */
async function unacknowledgedMessages(
  address: BrokerAddress,
): Promise<Map<string, number> | undefined> {
  const { username, password, vhost, certificates: { ca } = {} } = address;
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  using client = Deno.createHttpClient(ca === undefined ? {} : { caCerts: [ca] });
  try {
    const answer = await fetch(
      `${adminSite(address)}/api/queues/${
        encodeURIComponent(vhost)
      }?columns=name,messages_unacknowledged`,
      {
        headers: { authorization: `Basic ${bytes.toBase64()}` },
        signal: AbortSignal.timeout(3000),
        client,
      },
    );
    if (!answer.ok) return undefined;
    const queues = await answer.json() as { name: string; messages_unacknowledged?: number }[];
    return new Map(queues.map((queue) => [queue.name, queue.messages_unacknowledged ?? 0]));
  } catch {
    return undefined;
  }
}

function row(queue: string, ...figures: (string | number)[]): string {
  return queue.padEnd(22) + figures.map((figure) => String(figure).padStart(16)).join("");
}

if (import.meta.main) await run(usage, queues);
