import assert from "node:assert/strict";
import { MAX_UNCONFIRMED, Publisher, queueOf } from "../../shared/connection.ts";
import type { Outcome } from "../../shared/connection/publisher.ts";
import { FailedError } from "../../shared/script.ts";
import { BrokerProxy } from "../proxy.ts";
import { connect, firstArrivals, TestBroker, textMessage, until, within } from "./harness.ts";

const OPTIONS = { sanitizeOps: true, sanitizeResources: true };
const never = new AbortController().signal;

Deno.test("`publish()` confirms messages that are on the queue, in order", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const queue = broker.queue();
  using publisher = await Publisher.open(broker.connection, [queue]);
  const ids = Array.from({ length: 1000 }, (_, index) => `run/${index + 1}`);
  const outcomes = ids.map(async (id) => await publisher.publish(textMessage(queue, id, id)));
  assert.deepEqual(
    new Set(await within(Promise.all(outcomes), "confirms")),
    new Set(["confirmed"]),
  );
  const messages = await broker.take(queue.queue, 1000);
  assert.deepEqual(messages.map(({ messageId }) => messageId), ids);
  for (const { deliveryMode, contentType } of messages) {
    assert.deepEqual([deliveryMode, contentType], [2, "text/plain"]);
  }
});

Deno.test("`room()` holds back at the limit until the broker confirms", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const queue = broker.queue();
  using publisher = await Publisher.open(broker.connection, [queue]);
  const outcomes = [];
  let most = 0;
  for (let index = 0; index < 3 * MAX_UNCONFIRMED; index++) {
    await within(publisher.room(never), "room");
    outcomes.push(publisher.publish(textMessage(queue, "x")));
    most = Math.max(most, publisher.unconfirmed);
  }
  assert.equal(most, MAX_UNCONFIRMED);
  await within(publisher.drained(never), "the confirms");
  assert.equal(publisher.unconfirmed, 0);
  await Promise.all(outcomes);
});

Deno.test(
  "a message whose queue is missing is returned, though the broker confirms it",
  OPTIONS,
  async () => {
    await using broker = await TestBroker.open();
    const [queue, gone] = [broker.queue(), broker.queue()];
    using publisher = await Publisher.open(broker.connection, [queue, gone]);
    await broker.connection.deleteQueue(gone.queue);
    const outcomes = [
      publisher.publish(textMessage(queue, "here", "r/1")),
      publisher.publish(textMessage(gone, "gone", "r/2")),
      publisher.publish(textMessage(gone, "gone")),
      publisher.publish(textMessage(gone, "gone", "")),
      publisher.publish(textMessage(queue, "here")),
    ];
    assert.deepEqual(await within(Promise.all(outcomes), "outcomes"), [
      "confirmed",
      "returned",
      "returned",
      "returned",
      "confirmed",
    ]);
  },
);

Deno.test(
  "with `returned: declare` a deleted queue is declared and the message sent again",
  OPTIONS,
  async () => {
    await using broker = await TestBroker.open();
    const queue = broker.queue();
    using publisher = await Publisher.open(broker.connection, [queue], { returned: "declare" });
    await broker.connection.deleteQueue(queue.queue);
    assert.equal(
      await within(publisher.publish(textMessage(queue, "x", "r/1")), "confirm"),
      "confirmed",
    );
    assert.deepEqual((await broker.take(queue.queue, 1)).map(({ messageId }) => messageId), [
      "r/1",
    ]);
  },
);

Deno.test("what the broker nacks is sent again until it takes it", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  // A classic queue that is full refuses at once: RabbitMQ nacks all but the first message.
  const full = {
    ...broker.queue(),
    arguments: { "x-max-length": 1, "x-overflow": "reject-publish" },
  };
  using publisher = await Publisher.open(broker.connection, [full]);
  const ids = Array.from({ length: 20 }, (_, index) => `r/${index + 1}`);
  const [first, ...others] = ids.map((id) => publisher.publish(textMessage(full, id, id)));
  await within(first as Promise<Outcome>, "the first confirm");
  assert.equal(publisher.unconfirmed, others.length);
  const outcomes = Promise.all(others);
  const drained = await broker.drain(full.queue);
  assert.deepEqual(new Set(await within(outcomes, "confirms")), new Set(["confirmed"]));
  await drained.stop();
  const rest = (await broker.connection.inspect(full.queue))?.ready ?? 0;
  const taken = [...drained.messages, ...await broker.take(full.queue, rest)];
  // Not in order: there may be room again for a message after the one that was refused.
  assert.deepEqual(new Set(taken.map(({ messageId }) => messageId)), new Set(ids));
});

Deno.test(
  "a queue that goes on rejecting is said once, and each further try waits longer",
  OPTIONS,
  async () => {
    await using broker = await TestBroker.open();
    const notes: string[] = [];
    await using connection = await connect(undefined, { onNote: (text) => notes.push(text) });
    const queue = {
      ...broker.queue(),
      arguments: { "x-max-length": 1, "x-overflow": "reject-publish" },
    };
    const opened: number[] = [];
    const channel = connection.channel.bind(connection);
    connection.channel = (...args) => {
      opened.push(performance.now());
      return channel(...args);
    };
    using publisher = await Publisher.open(connection, [queue]);
    await within(publisher.publish(textMessage(queue, "x", "r/0")), "the first confirm");
    const ids = Array.from({ length: 5 }, (_, index) => `r/${index + 1}`);
    const outcomes = Promise.all(ids.map((id) => publisher.publish(textMessage(queue, "x", id))));
    outcomes.catch(() => {});
    // The first channel, and the tries after 200, 200, 200, 400, 800 and 1,600 ms.
    await until("seven channels", () => opened.length === 7);
    const gaps = opened.slice(1).map((time, index) => time - (opened[index] ?? 0));
    for (const [index, least] of [200, 200, 200, 400, 800, 1600].entries()) {
      assert.ok((gaps[index] ?? 0) >= least - 5, `wait ${index + 1} of ${gaps}`);
    }
    assert.equal(notes.length, 1, notes.join());
    assert.match(notes[0] ?? "", new RegExp(`doesn't take messages for ${queue.queue}`));
    // As soon as there is room all arrive.
    const drained = await broker.drain(queue.queue);
    assert.deepEqual(new Set(await within(outcomes, "room")), new Set(["confirmed"]));
    await until(
      "all messages",
      () => new Set(drained.messages.map((it) => it.messageId)).size === 6,
    );
    await drained.stop();
  },
);

Deno.test("a connection cut again and again costs no message and no order", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  using proxy = new BrokerProxy();
  const queue = broker.queue();
  const ids = Array.from({ length: 20_000 }, (_, index) => `r/${index + 1}`);
  const outcomes: Promise<Outcome>[] = [];
  {
    await using connection = await connect(proxy.port);
    using publisher = await Publisher.open(connection, [queue]);
    for (const [index, id] of ids.entries()) {
      if (index % 5000 === 2500) proxy.cut();
      await within(publisher.room(never), "room");
      outcomes.push(publisher.publish(textMessage(queue, "x", id)));
    }
    assert.deepEqual(
      new Set(await within(Promise.all(outcomes), "confirms")),
      new Set(["confirmed"]),
    );
  }
  const count = (await broker.connection.inspect(queue.queue))?.ready ?? 0;
  assert.ok(count <= ids.length + 4 * MAX_UNCONFIRMED, `${count} messages: too many repeats`);
  const taken = await broker.take(queue.queue, count);
  assert.deepEqual(firstArrivals(taken.map(({ messageId }) => messageId)), ids);
});

Deno.test("a queue with other arguments is refused with what to type", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const quorum = broker.queue();
  using _publisher = await Publisher.open(broker.connection, [quorum]);
  await assert.rejects(
    Publisher.open(broker.connection, [queueOf(quorum.queue, "shared", "classic")]),
    (error: unknown) => {
      assert.ok(error instanceof FailedError);
      assert.match(error.message, new RegExp(`^Queue ${quorum.queue} exists with other arguments`));
      assert.match(error.message, new RegExp(`deno task queues --delete ${quorum.queue}`));
      assert.match(error.message, /--queue-type quorum/);
      return true;
    },
  );
});
