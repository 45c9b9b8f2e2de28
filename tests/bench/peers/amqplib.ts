/**
 * amqplib, the other AMQP client of JavaScript, doing what our scripts do: as its documentation teaches, with
 * as many messages in flight.
 *
 *     amqplib.ts URL publish < rows.csv        each line a message, confirmed
 *     amqplib.ts URL consume COUNT PREFETCH    acknowledged one by one, then it ends
 *
 * Prints `{"seconds","rows"}`: from the first message to the last confirm or acknowledgement.
 */
import process from "node:process";
import { text } from "node:stream/consumers";
import { type Channel, connect, type ConsumeMessage } from "npm:amqplib@2.3.1";

const QUEUE = "task_queue";
const IN_FLIGHT = 300;

const [url = "", role, count, prefetch] = process.argv.slice(2);
const connection = await connect(url);
let started = 0;
const rows = role === "publish" ? await publish() : await consume(Number(count), Number(prefetch));
console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000, rows }));
await connection.close();

async function declare(channel: Channel): Promise<void> {
  const queueType = { "x-queue-type": "quorum" };
  await channel.assertQueue(QUEUE, { durable: true, arguments: queueType });
}

async function publish(): Promise<number> {
  const lines = (await text(process.stdin)).split("\n").filter((line) => line !== "");
  const channel = await connection.createConfirmChannel();
  await declare(channel);
  channel.on("return", () => {
    throw new Error("A message was returned");
  });
  let unconfirmed = 0;
  let wake = () => {};
  const onConfirm = (error: unknown) => {
    if (error) throw error;
    if (--unconfirmed === IN_FLIGHT - 1) wake();
  };
  started = performance.now();
  for (const [index, line] of lines.entries()) {
    if (unconfirmed >= IN_FLIGHT) await new Promise<void>((resolve) => wake = resolve);
    unconfirmed++;
    channel.sendToQueue(QUEUE, Buffer.from(line), {
      persistent: true,
      mandatory: true,
      messageId: `amqplib/${index + 1}`,
      contentType: "text/plain",
      appId: "amqplib",
      headers: { "published-at": Date.now() },
    }, onConfirm);
  }
  await channel.waitForConfirms();
  return lines.length;
}

async function consume(count: number, prefetch: number): Promise<number> {
  const channel = await connection.createChannel();
  await declare(channel);
  await channel.prefetch(prefetch);
  const all = Promise.withResolvers<void>();
  let handled = 0;
  const handle = (message: ConsumeMessage | null) => {
    if (!message) throw new Error("The queue was deleted");
    message.content.toString();
    channel.ack(message);
    if (++handled === count) all.resolve();
  };
  started = performance.now();
  await channel.consume(QUEUE, handle);
  await all.promise;
  return count;
}
