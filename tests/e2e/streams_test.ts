/** The tools that take every stream as it is declared: `queues` and `dead`. */
import assert from "node:assert/strict";
import {
  deadQueue,
  type Message,
  Publisher,
  queueOf,
  stateQueue,
} from "../../shared/connection.ts";
import { allQueues, deadQueues, STREAMS } from "../../shared/streams.ts";
import { e2e, eventsOf, takeRaw, Vhost } from "./harness.ts";

/** Every queue of every stream, with where its dead letters go. */
const QUEUES = STREAMS.flatMap(({ queues }) => {
  const [main] = Object.values(queues);
  return Object.values(queues).map(({ name, kind, monitored, deadElsewhere }) => ({
    name,
    queue: queueOf(name, kind),
    state: monitored ? stateQueue(name) : undefined,
    dead: deadQueue(deadElsewhere ? main?.name ?? "" : name),
  }));
});

/** Declares every queue, as the scripts do, and publishes into some. */
async function fill(vhost: Vhost, messages: Message[]): Promise<void> {
  await using connection = await vhost.connect();
  const all = QUEUES.flatMap(({ queue, state, dead }) => [queue, dead, ...state ? [state] : []]);
  using publisher = await Publisher.open(connection, all);
  for (const message of messages) publisher.publish(message);
  await publisher.drained(new AbortController().signal);
}

e2e("`queues` lists the queues of every stream, the collection's before others", async () => {
  await using vhost = await Vhost.create();
  const messages = QUEUES.map(({ name }) => ({
    queue: name,
    body: Buffer.from("x"),
    properties: {},
  }));
  await fill(vhost, [...messages, ...messages]);
  {
    await using connection = await vhost.connect();
    await connection.declare(queueOf("00-another", "shared"));
  }
  const list = vhost.start("queues");
  const { code, stderr } = await list.ended;
  assert.equal(code, 0, stderr);
  const listed = eventsOf(list, "queue");
  assert.deepEqual(listed.map(({ queue }) => queue), [...allQueues(), "00-another"]);
  for (const { queue, ready, consumers } of listed) {
    const filled = QUEUES.some(({ name }) => name === queue);
    assert.deepEqual([ready, consumers], [filled ? 2 : 0, 0], String(queue));
  }
});

e2e("`dead` shows the letters of every stream's queues, and puts each back", async () => {
  await using vhost = await Vhost.create();
  const letters = QUEUES.map(({ name, dead }) => ({
    queue: dead.queue,
    body: Buffer.from(`of ${name}`),
    properties: { messageId: name, headers: { reason: "given up", "original-queue": name } },
  }));
  await fill(vhost, letters);
  const look = await vhost.run("dead");
  assert.equal(look.code, 0, look.stderr);
  const shown = eventsOf(look, "letter").map(({ queue, id }) => `${queue} ${id}`);
  const expected = letters.map(({ queue, properties }) => `${queue} ${properties.messageId}`);
  assert.deepEqual(shown.toSorted(), expected.toSorted());
  assert.deepEqual(Object.keys(Object(look.summary.queues)), deadQueues());

  const back = await vhost.run("dead", ["--requeue", "--reason", "given up", "--yes"]);
  assert.equal(back.code, 0, back.stderr);
  const { requeued, left } = back.summary;
  assert.deepEqual([requeued, left], [QUEUES.length, 0]);
  await using connection = await vhost.connect();
  for (const { name, queue, dead } of QUEUES) {
    assert.equal((await connection.inspect(dead.queue))?.ready, 0, dead.queue);
    assert.equal((await connection.inspect(name))?.ready, 1, name);
    // RabbitMQ gives nothing to a look where there is a single active consumer.
    if (queue.arguments?.["x-single-active-consumer"]) continue;
    const [message, ...others] = await takeRaw(vhost.url, name);
    assert.deepEqual([String(message?.body), others.length], [`of ${name}`, 0], name);
    assert.equal(message?.headers.reason, undefined, name);
  }
});
