import assert from "node:assert/strict";
import { Output } from "../../shared/output.ts";
import { Standby } from "../../shared/standby.ts";
import { BrokerProxy } from "../proxy.ts";
import { connect, TestBroker, until } from "./harness.ts";

const OPTIONS = { sanitizeOps: true, sanitizeResources: true };

/** What it says. */
function listener(): { out: Output; notes: string[] } {
  const notes: string[] = [];
  const out = new Output({ script: "test", onClosed: () => {} });
  out.diverted = (text) => notes.push(text);
  return { out, notes };
}

Deno.test("the first has the name, the second stands by until a delivery", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const { queue } = broker.queue();
  await using ours = await connect();
  await using theirs = await connect();
  const { out, notes } = listener();
  using first = new Standby(ours, out);
  using second = new Standby(theirs, out);
  await first.subscribed(queue);
  await second.subscribed(queue);
  assert.equal(first.isHeldBack, false);
  assert.equal(second.isHeldBack, true);
  assert.deepEqual(notes, [`${queue} has a monitor: standing by`]);
  second.delivered(queue);
  assert.equal(second.isHeldBack, false);
  assert.deepEqual(notes.slice(1), [`Took over ${queue}`]);
});

Deno.test("one that stands by takes the name of the dead without a delivery", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const { queue } = broker.queue();
  await using theirs = await connect();
  await using newcomers = await connect();
  const { out, notes } = listener();
  using second = new Standby(theirs, out);
  {
    await using ours = await connect();
    using first = new Standby(ours, out);
    await first.subscribed(queue);
    await second.subscribed(queue);
  }
  await until("the name to be taken", () => !second.isHeldBack);
  using third = new Standby(newcomers, out);
  await third.subscribed(queue);
  assert.equal(third.isHeldBack, true);
  assert.deepEqual(notes, [
    `${queue} has a monitor: standing by`,
    `${queue} has a monitor: standing by`,
  ]);
});

Deno.test(
  "without a connection it is held back; later the name is its own again",
  OPTIONS,
  async () => {
    await using broker = await TestBroker.open();
    const { queue } = broker.queue();
    using proxy = new BrokerProxy();
    await using ours = await connect(proxy.port);
    using first = new Standby(ours, listener().out);
    await first.subscribed(queue);
    proxy.down();
    await until("the loss to be noticed", () => first.isHeldBack);
    proxy.restore();
    await until("the connection", () => !ours.away);
    await first.subscribed(queue);
    assert.equal(first.isHeldBack, false);
  },
);
