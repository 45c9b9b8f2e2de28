import assert from "node:assert/strict";
import { brokerAddress, Connection } from "../../shared/connection.ts";
import { Output } from "../../shared/script.ts";
import { TaskProcess } from "../../shared/tools/demo/task_process.ts";
import { e2e, eventsOf, eventually, rowOf, summaryOf, ticketsCsv } from "./harness.ts";
import { OwnCluster } from "../own_cluster.ts";

const ROWS = 60_000;
const KILL_AT = [5000, 30_000];

e2e("a broker killed twice under a fast replay: every row arrives, in order", async () => {
  await using broker = await OwnCluster.single(5696);
  const first = new TaskProcess("helpdesk:produce", ["--limit", "1", "--purge"], {
    env: broker.env,
  });
  assert.equal((await first.ended).code, 0);
  await broker.persisted("%2F_help_queue");
  const args = ["--file", "-", "--interval", "0", "--run", "r", "--purge"];
  const producer = await new TaskProcess("helpdesk:produce", args, {
    env: broker.env,
    input: ticketsCsv(ROWS),
  }).ready();
  let published = 0;
  let seen = 0;
  const countPublished = (count: number) => (events: typeof producer.events) => {
    for (; seen < events.length; seen++) if (events[seen]?.event === "published") published++;
    return published >= count;
  };
  for (const count of KILL_AT) {
    await producer.until(countPublished(count), { timeoutMs: 60_000 });
    await broker.kill();
    await producer.until(
      (events) =>
        events.findLast(({ event }) => /connected$/.test(event))?.event === "disconnected",
    );
    await broker.start();
  }
  const { code, stderr } = await producer.ended;
  assert.equal(code, 0, stderr);
  const { rows, confirmed, failed, nextRow } = summaryOf(producer);
  assert.deepEqual({ rows, confirmed, failed, nextRow }, {
    rows: ROWS,
    confirmed: ROWS,
    failed: 0,
    nextRow: ROWS + 1,
  });
  assert.deepEqual(
    new Set(eventsOf(producer, "published").map(rowOf)).size,
    ROWS,
    "each row is published once in the events",
  );
  assert.equal(eventsOf(producer, "reconnected").length, KILL_AT.length);

  await using connection = await Connection.open(brokerAddress(broker.url), "publish", {
    out: new Output({ script: "test", quiet: true, onClosed: () => {} }),
    signal: new AbortController().signal,
    name: "test",
  });
  const arrived: number[] = [];
  const channel = await connection.channel("consume", async (channel) => {
    await channel.basicConsume({ queue: "help_queue" }, (message) => {
      arrived.push(rowOf({ event: "", id: message.messageId }));
      channel.basicAck({ deliveryTag: message.deliveryTag });
    });
  });
  await eventually("all rows", () => Promise.resolve(new Set(arrived).size === ROWS), 60_000);
  await channel.close();
  const firstArrivals = [...new Set(arrived)];
  assert.deepEqual(firstArrivals, Array.from({ length: ROWS }, (_, index) => index + 1));
  assert.ok(arrived.length <= ROWS + KILL_AT.length * 300, `${arrived.length - ROWS} repeats`);
});
