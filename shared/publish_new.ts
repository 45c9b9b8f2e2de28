/** Publishes items of a stream that come from no file: each confirmed by the broker, then it is done. */
import { ADMIN_OPTION, showAdminSite } from "./admin_site.ts";
import { brokerAddress, URL_OPTION } from "./broker_url.ts";
import { Connection } from "./connection.ts";
import { type Option, optional, plainName } from "./options.ts";
import { Publisher } from "./publisher.ts";
import type { QueueNames } from "./queue_names.ts";
import type { Stream } from "./replay.ts";
import { OUTPUT_OPTIONS, type Script } from "./script.ts";
import { Sender } from "./sender.ts";
import { QUEUE_TYPE_OPTION } from "./topology.ts";
import { Announcer } from "./watch.ts";

/** The flags of a script that publishes new items; `queue` is its flag of that name. */
export function newItemOptions<K extends string>(queue: Option<QueueNames<K>>) {
  return {
    run: optional("ID", plainName, "first part of the message ids (default random)"),
    queue,
    ...ADMIN_OPTION,
    ...URL_OPTION,
    ...QUEUE_TYPE_OPTION,
    ...OUTPUT_OPTIONS,
  };
}

type NewItemOptions<K extends string> = ReturnType<typeof newItemOptions<K>>;

/**
 * Publishes the items, until `signal`.
 *
 * @returns The exit code: 1 if one could not be confirmed.
 * @throws {FailedError} If there is no broker, or it refuses.
 */
export async function publishNew<T, K extends string>(
  { values, out, signal }: Script<NewItemOptions<K>>,
  stream: Pick<Stream<T, K>, "task" | "script" | "key" | "queues" | "messages" | "line">,
  items: Iterable<T> | AsyncIterable<T>,
): Promise<number> {
  const run = values.run ?? crypto.randomUUID().slice(0, 8);
  const address = brokerAddress(values.url, values);
  const options = { out, signal, name: stream.script };
  await using connection = await Connection.open(address, "publish", options);
  const queues = stream.queues(values.queue, values.queueType);
  using publisher = await Publisher.open(connection, queues);
  await using announcer = new Announcer(connection, stream.script);
  await showAdminSite(address, out, { open: values.admin });
  out.event({ event: "ready", pid: Deno.pid, name: stream.script });
  const sender = new Sender<T>({
    stream,
    out,
    messages: (item) => stream.messages(item, "json", values.queue),
    resumable: false,
    start: { run, row: 1 },
    publisher,
    announcer,
    onRow: () => true,
  });
  let row = 0;
  for await (const item of items) {
    await publisher.room(signal);
    if (signal.aborted || sender.refused !== undefined) break;
    sender.send({ run, row: ++row }, item);
  }
  await publisher.drained(signal);
  return sender.finish(signal.aborted);
}
