/**
 * Publishes one task from its arguments, as RabbitMQ's second tutorial does: confirmed, then it exits.
 *
 *     deno task tasks:new First message....
 *     deno task tasks:new --repeat 10 Another task..
 *
 * Needs the network for the broker, `logs/` to write with `--log`.
 */
import { brokerAddress, URL_OPTION } from "../shared/broker_url.ts";
import { Connection } from "../shared/connection.ts";
import { taskMessages } from "../shared/messages.ts";
import { integer, optional, plainName, withDefault } from "../shared/options.ts";
import { Publisher } from "../shared/publisher.ts";
import { OUTPUT_OPTIONS, run, type Script } from "../shared/script.ts";
import { Sender } from "../shared/sender.ts";
import { QUEUE_TYPE_OPTION, sharedQueue, TASK_QUEUE } from "../shared/topology.ts";
import { Announcer } from "../shared/watch.ts";

const usage = {
  task: "tasks:new",
  script: "new_task",
  summary:
    "Publishes one task to task_queue: its words joined by a space, `Hello World!` without any.\n" +
    "Every dot is a second of work. Words that begin with a dash come after --.",
  words: "[WORD...]",
  options: {
    repeat: withDefault("N", integer(1), "1", "publish it so many times"),
    run: optional("ID", plainName, "first part of the message ids (default random)"),
    ...URL_OPTION,
    ...QUEUE_TYPE_OPTION,
    ...OUTPUT_OPTIONS,
  },
};

async function newTask({ values, words, out, signal }: Script<typeof usage.options>) {
  const task = words.join(" ") || "Hello World!";
  const run = values.run ?? crypto.randomUUID().slice(0, 8);
  const options = { out, signal, name: usage.script };
  await using connection = await Connection.open(
    brokerAddress(values.url, values),
    "publish",
    options,
  );
  using publisher = await Publisher.open(connection, [sharedQueue(TASK_QUEUE, values.queueType)]);
  await using announcer = new Announcer(connection, usage.script);
  out.event({ event: "ready", pid: Deno.pid, name: usage.script });
  const stream = {
    ...usage,
    key: "tasks.task",
    messages: taskMessages,
    line: () => `Sent ${task}`,
  };
  const sender = new Sender<string>({
    stream,
    out,
    format: "json",
    resumable: false,
    start: { run, row: 1 },
    publisher,
    announcer,
    onRow: () => true,
  });
  for (let row = 1; row <= values.repeat && !signal.aborted; row++) {
    await publisher.room(signal);
    if (sender.refused !== undefined) break;
    sender.send({ run, row }, task);
  }
  await publisher.drained(signal);
  return sender.finish(signal.aborted);
}

if (import.meta.main) await run(usage, newTask);
