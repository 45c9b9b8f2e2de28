/** Workers with nothing to do but to acknowledge, on a queue that was filled before, beside other clients. */
import assert from "node:assert/strict";
import { sharedQueue, TASK_QUEUE } from "../../shared/topology.ts";
import { Vhost } from "../e2e/harness.ts";
import { Announcements, rateOf } from "./announcements.ts";
import { alternate, type Bench, short, type Subject } from "./measure.ts";
import { runPeer } from "./peers.ts";
import { taskRows } from "./rows.ts";
import { atLeast, type Result } from "./table.ts";

/** Our target beside the C client with prefetch 300. */
const TARGET = 0.6;

async function measure(bench: Bench): Promise<Result[]> {
  const scale = bench.quick ? 1 / 5 : 1;
  return [
    ...await atPrefetch(bench, 300, 40_000 * scale),
    ...await atPrefetch(bench, 1, 4000 * scale),
  ];
}

async function atPrefetch(bench: Bench, prefetch: number, count: number): Promise<Result[]> {
  await using vhost = await Vhost.create();
  await using broker = await vhost.connect();
  using announcements = await Announcements.open(broker);
  await broker.once(
    "publish",
    (channel) => channel.queueDeclare(sharedQueue(TASK_QUEUE, "quorum")),
  );
  const input = taskRows(count);
  const filled = async () => {
    await broker.purge(TASK_QUEUE);
    const { summary } = await vhost.run("tasks:produce", ["--file", "-", "--quiet"], { input });
    assert.equal(summary.confirmed, count);
  };

  const contenders = new Map([["tasks:work", async () => {
    await filled();
    const flags = ["--dot", "0", "--prefetch", `${prefetch}`, "--exit-when-idle", "1s", "--quiet"];
    const { code, stderr } = await vhost.run("tasks:work", flags);
    assert.equal(code, 0, stderr);
    const heard = await announcements.whole();
    const first = heard.find(({ key }) => key === "tasks.presence");
    return rateOf("handled", first, heard.find(({ totals }) => totals.handled === count));
  }]]);
  for (const { name, commands } of bench.peers) {
    const command = commands.consume?.(vhost.url);
    if (!command) continue;
    contenders.set(name, async () => {
      await filled();
      return (await runPeer([...command, `${count}`, `${prefetch}`], { rows: count }))
        .rowsPerSecond;
    });
  }

  const unit = `tasks/s, prefetch ${prefetch}`;
  const medians = await alternate(bench, contenders, { unit });
  const own = medians.get("tasks:work") ?? NaN;
  const ours = `${short(own)} tasks/s`;
  const what = `tasks handled, prefetch ${prefetch}`;
  if (bench.peers.length === 0) return [{ what, ours }];
  return bench.peers.map(({ name }) => {
    const theirs = medians.get(name) ?? NaN;
    const ratio = own / theirs;
    const judged = prefetch > 1 && name === "librabbitmq (C)";
    return {
      what: `${what}: ${name}`,
      ratio,
      ours,
      other: `${short(theirs)} tasks/s`,
      ...(judged ? { target: atLeast(TARGET, ratio) } : {}),
    };
  });
}

export const worker: Subject = {
  name: "worker",
  about: "handled tasks per second of a worker, prefetch 300 and 1, beside other clients",
  peers: true,
  measure,
};
