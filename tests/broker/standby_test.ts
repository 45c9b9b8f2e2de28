import assert from "node:assert/strict";
import { Standby } from "../../shared/connection.ts";
import { Output } from "../../shared/script.ts";
import { BrokerProxy } from "../proxy.ts";
import { connect, TestBroker, until, within } from "./harness.ts";

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
  const first = new Standby(ours, out, [queue]);
  const second = new Standby(theirs, out, [queue]);
  assert.equal(await first.isHeldBack(), true, "not subscribed");
  await first.subscribed(queue);
  await second.subscribed(queue);
  assert.equal(await first.isHeldBack(), false);
  assert.equal(await second.isHeldBack(), true);
  assert.deepEqual(notes, [`${queue} has a monitor: standing by`]);
  second.delivered(queue);
  assert.equal(await second.isHeldBack(), false);
  assert.deepEqual(notes.slice(1), [`Took over ${queue}`]);
});

Deno.test(
  "one that stands by inherits the name of the dead, and has an idle time of its own",
  OPTIONS,
  async () => {
    await using broker = await TestBroker.open();
    const { queue } = broker.queue();
    await using theirs = await connect();
    await using newcomers = await connect();
    const { out } = listener();
    const second = new Standby(theirs, out, [queue]);
    {
      await using ours = await connect();
      await new Standby(ours, out, [queue]).subscribed(queue);
      await second.subscribed(queue);
      assert.equal(await second.isHeldBack(), true);
    }
    const inherits = async () => {
      // True at least once more: the quiet of before was the other one's.
      assert.equal(await second.isHeldBack(), true);
      while (await second.isHeldBack());
    };
    await within(inherits(), "the name to be inherited");
    const third = new Standby(newcomers, out, [queue]);
    await third.subscribed(queue);
    assert.equal(await third.isHeldBack(), true);
  },
);

Deno.test("who has lost the connection may have lost the name", OPTIONS, async () => {
  await using broker = await TestBroker.open();
  const { queue } = broker.queue();
  using proxy = new BrokerProxy();
  await using ours = await connect(proxy.port);
  await using theirs = await connect();
  const { out, notes } = listener();
  const first = new Standby(ours, out, [queue]);
  await first.subscribed(queue);
  proxy.down();
  await until("the loss to be noticed", () => ours.away);
  assert.equal(await first.isHeldBack(), true);
  const second = new Standby(theirs, listener().out, [queue]);
  await second.subscribed(queue);
  while (await second.isHeldBack());
  proxy.restore();
  await until("the connection", () => !ours.away);
  await first.subscribed(queue);
  assert.equal(await first.isHeldBack(), true);
  assert.deepEqual(notes.filter((note) => note.endsWith("standing by")), [
    `${queue} has a monitor: standing by`,
  ]);
});
