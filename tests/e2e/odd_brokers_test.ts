/** Brokers that are configured otherwise: without a limit of frames, with quick heartbeats and without any. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { brokerAddress } from "../../shared/connection/address.ts";
import { Channel } from "../../shared/connection/channel.ts";
import { Client } from "../../shared/connection/client.ts";
import { until, within } from "../broker/harness.ts";
import { OwnCluster } from "../own_cluster.ts";
import { BrokerProxy } from "../proxy.ts";
import { field, longText, RawConnection, table } from "../raw_amqp.ts";
import type { Event } from "../../shared/script/output.ts";
import { TaskProcess } from "../../shared/tools/demo/task_process.ts";
import { e2e, eventsOf, summaryOf, takeRaw } from "./harness.ts";

const PORT = 5693;
const BROKER = { hostname: "127.0.0.1", port: PORT };

/** Seconds. */
const HEARTBEAT_S = 2;

/** Sets what connections that are opened from now on are told, as rabbitmq.conf does at a start. */
async function configure(broker: OwnCluster, settings: Record<string, number>): Promise<void> {
  const calls = Object.entries(settings).map(([name, value]) =>
    `application:set_env(rabbit, ${name}, ${value})`
  );
  await broker.control("eval", `${calls.join(", ")}.`);
}

async function connect(broker: OwnCluster, port = PORT): Promise<Client> {
  return await new Client(brokerAddress(broker.url), { ...BROKER, port }, "test").connect();
}

e2e("a broker without a limit of frames: messages of any size are handled", async () => {
  await using broker = await OwnCluster.single(PORT);
  await configure(broker, { frame_max: 0 });
  const run = async (task: string, ...args: string[]) => {
    const process = new TaskProcess(task, args, { env: broker.env });
    const isOver = (events: Event[]) => events.some(({ event }) => event === "summary");
    // What can't be read would come again and again.
    await process.until(isOver, { timeoutMs: 60_000 }).catch(async (error) => {
      await process.end();
      throw error;
    });
    const { code, stderr } = await process.ended;
    assert.equal(code, 0, stderr);
    return { events: process.events, summary: summaryOf(process) };
  };
  const size = 3_000_000;
  const body = new Uint8Array(size).fill(0xff);
  const long = (length: number) => field("S", longText("x".repeat(length)));
  await run("tasks:work", "--exit-when-idle", "1ms");
  {
    // The headers of the last are longer than a frame of any other broker.
    using raw = await RawConnection.open(brokerAddress(broker.url), 0);
    await raw.publish("task_queue", { headers: table({ long: long(120_000) }) }, body);
    await raw.publish("task_queue", {}, "A task");
    const headers = { kept: field("S", longText("as it was")), long: long(size) };
    await raw.publish("task_queue", { headers: table(headers) }, Uint8Array.of(0xff));
    await raw.confirmed();
  }
  const worker = await run("tasks:work", "--exit-when-idle", "1s");
  assert.deepEqual([worker.summary.handled, worker.summary.dead], [1, 2]);
  // They are looked at and go back, and die again.
  assert.equal(eventsOf(await run("dead", "--queue", "task_queue"), "letter").length, 2);
  await run("dead", "--queue", "task_queue", "--requeue", "--yes");
  assert.equal((await run("tasks:work", "--exit-when-idle", "1s")).summary.dead, 2);
  const [large, longest] = await takeRaw(broker.url, "task_queue.dead");
  assert.ok(large?.body.equals(body));
  assert.equal(String(large?.headers.long).length, 120_000);
  assert.equal(longest?.headers.kept, "as it was");
  assert.equal(longest?.headers.long, undefined);

  // A buffer of this size is kept for each message that isn't confirmed.
  const client = await connect(broker);
  assert.equal((await Channel.open(client, new Set())).frameBytes, 131_072);
  await client.close();
});

/** A broker that is frozen, or a network that loses everything: nothing comes, not even an end. */
async function noticesSilence(broker: OwnCluster): Promise<void> {
  using proxy = new BrokerProxy(BROKER);
  const client = await connect(broker, proxy.port);
  proxy.deafen();
  proxy.holdFrom(new Uint8Array());
  await until("the silence to be noticed", () => client.ended.aborted);
}

/** To who is sent something all the time RabbitMQ sends no heartbeats, which the library would answer. */
async function beatsByItself(broker: OwnCluster): Promise<void> {
  const [theirs, ours] = [await connect(broker), await connect(broker)];
  const [sender, listener] = [
    await Channel.open(theirs, new Set()),
    await Channel.open(ours, new Set()),
  ];
  const { queue } = await listener.queueDeclare({ exclusive: true });
  let heard = 0;
  await listener.basicConsume({ queue, noAck: true }, () => heard++);
  // RabbitMQ closes after two to three heartbeats.
  for (let sent = 1; sent <= 80; sent++) {
    await sender.publish({ queue, body: new Uint8Array(), properties: {} });
    await until("a message", () => heard === sent || listener.closed.aborted);
    assert.equal(listener.closed.aborted, false, `lost after ${sent / 10} s`);
    await pause(100);
  }
  for (const client of [theirs, ours]) await client.close();
}

/** Who was busy for longer than a heartbeat, or was stopped, hasn't lost the broker. */
async function survivesWork(broker: OwnCluster): Promise<void> {
  const client = await connect(broker);
  const channel = await Channel.open(client, new Set());
  const since = performance.now();
  while (performance.now() - since < HEARTBEAT_S * 1250);
  // What is due by then comes before anything is written.
  await pause(1);
  await within(channel.basicQos(1), "an answer");
  await pause(0);
  assert.equal(client.ended.aborted, false);
  await client.close();
}

/** Without heartbeats nothing is expected. */
async function worksWithout(broker: OwnCluster): Promise<void> {
  await configure(broker, { heartbeat: 0 });
  const client = await connect(broker);
  const channel = await Channel.open(client, new Set());
  for (let asked = 0; asked < 20; asked++) {
    await within(channel.basicQos(1), "an answer");
    await pause(1);
  }
  assert.equal(client.ended.aborted, false);
  await client.close();
}

e2e("heartbeats give a silent broker away, and only that", async () => {
  await using broker = await OwnCluster.single(PORT);
  await configure(broker, { heartbeat: HEARTBEAT_S });
  await Promise.all([noticesSilence(broker), beatsByItself(broker)]);
  await survivesWork(broker);
  await worksWithout(broker);
});
