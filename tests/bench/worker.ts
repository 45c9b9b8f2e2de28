/** Workers with nothing to do but to acknowledge, on a queue that was filled before, beside other clients. */
import assert from "node:assert/strict";
import { queueOf } from "../../shared/connection.ts";
import { HELPDESK, TASKS } from "../../shared/streams.ts";
import { Vhost } from "../e2e/harness.ts";
import { Announcements, rateOf } from "./announcements.ts";
import { alternate, type Bench, CpuTimes, short, type Subject } from "./measure.ts";
import { runPeer } from "./peers.ts";
import { taskRows, ticketRows } from "./rows.ts";
import { atLeast, type Result } from "./table.ts";

const TASK_QUEUE = TASKS.queues.tasks.name;
const TICKET_QUEUE = HELPDESK.queues.tickets.name;

/** Our target beside the C client with prefetch 300. */
const TARGET = 0.8;

/**
 * Our target for tickets, each answered and the reply confirmed, beside tasks: a third would be one more round trip
 * of the same length, and the reply goes to disk. With Nagle's algorithm on, it was 0.02.
 */
const REPLIES_TARGET = 0.25;

async function measure(bench: Bench): Promise<Result[]> {
  const scale = bench.quick ? 1 / 5 : 1;
  return [
    ...await atPrefetch(bench, 300, 100_000 * scale),
    ...await atPrefetch(bench, 1, 4000 * scale),
  ];
}

async function atPrefetch(bench: Bench, prefetch: number, count: number): Promise<Result[]> {
  await using vhost = await Vhost.create();
  await using broker = await vhost.connect();
  using announcements = await Announcements.open(broker);
  await broker.once("publish", async (channel) => {
    for (const queue of [TASK_QUEUE, TICKET_QUEUE]) {
      await channel.queueDeclare(queueOf(queue, "shared"));
    }
  });
  const cpu = new CpuTimes();
  const fill = async (queue: string, task: string, input: string) => {
    await broker.purge(queue);
    const flags = ["--file", "-", "--interval", "0", "--quiet"];
    const { summary } = await vhost.run(task, flags, { input });
    assert.equal(summary.confirmed, count);
  };
  const handleAll = async (task: string, noWork: readonly string[]) => {
    const flags = [...noWork, "--prefetch", `${prefetch}`, "--exit-when-idle", "1s", "--quiet"];
    const { code, stderr } = await cpu.of(task, () => vhost.run(task, flags));
    assert.equal(code, 0, stderr);
    const heard = await announcements.whole();
    const first = heard.find(({ key }) => key.endsWith(".presence"));
    return rateOf("handled", first, heard.find(({ totals }) => totals.handled === count));
  };
  const fillTasks = () => fill(TASK_QUEUE, "tasks:produce", taskRows(count));

  const contenders = new Map([["tasks:work", async () => {
    await fillTasks();
    return await handleAll("tasks:work", ["--dot", "0"]);
  }]]);
  if (prefetch === 1) {
    contenders.set("helpdesk:work", async () => {
      await fill(TICKET_QUEUE, "helpdesk:produce", ticketRows(count));
      return await handleAll("helpdesk:work", ["--handle", "0"]);
    });
  }
  for (const { name, commands } of bench.peers) {
    const command = commands.consume?.(vhost.url);
    if (!command) continue;
    contenders.set(name, async () => {
      await fillTasks();
      const args = [...command, `${count}`, `${prefetch}`];
      return (await cpu.of(name, () => runPeer(args, { rows: count }))).rowsPerSecond;
    });
  }

  const unit = `a second, prefetch ${prefetch}`;
  const medians = await alternate(bench, contenders, { unit });
  const own = medians.get("tasks:work") ?? NaN;
  const ours = `${short(own)} tasks/s`;
  const what = `tasks handled, prefetch ${prefetch}`;
  const results: Result[] = bench.peers.map(({ name }) => {
    const theirs = medians.get(name) ?? NaN;
    const ratio = own / theirs;
    const judged = prefetch > 1 && name === "librabbitmq (C)";
    return {
      what: `${what}: ${name}`,
      ratio,
      ours,
      other: `${short(theirs)} tasks/s`,
      cpu: ["tasks:work", name].map((one) => cpu.per100000(one, count)).join(", "),
      ...(judged ? { target: atLeast(TARGET, ratio) } : {}),
    };
  });
  if (results.length === 0) results.push({ what, ours });
  const tickets = medians.get("helpdesk:work");
  if (tickets !== undefined) {
    const ratio = tickets / own;
    results.push({
      what: `tickets answered, prefetch ${prefetch}: beside tasks`,
      ratio,
      ours: `${short(tickets)} tickets/s`,
      other: ours,
      target: atLeast(REPLIES_TARGET, ratio),
    });
  }
  return results;
}

export const worker: Subject = {
  name: "worker",
  about: "handled tasks per second of a worker, prefetch 300 and 1, beside other clients",
  peers: true,
  measure,
};
