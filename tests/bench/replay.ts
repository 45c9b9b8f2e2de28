/** A replay as fast as the broker confirms, beside others that publish the same rows. */
import assert from "node:assert/strict";
import { queueOf } from "../../shared/connection.ts";
import { HELPDESK, SMOKER, TASKS } from "../../shared/streams.ts";
import { Vhost } from "../e2e/harness.ts";
import { alternate, type Bench, CpuTimes, short, type Subject } from "./measure.ts";
import { type Role, runPeer } from "./peers.ts";
import { readingRows, taskRows, ticketRows } from "./rows.ts";
import { atLeast, type Result } from "./table.ts";

/** How others publish, in words, with our target beside each, and what share of the rows they can do in the time. */
const ROLES: { role: Role; words: string; share: number; targets: Record<string, number> }[] = [
  {
    role: "publish with confirms",
    words: "with confirms",
    share: 1,
    targets: { "librabbitmq (C)": 0.75, "amqplib (Deno)": 1, "pika (Python)": 10 },
  },
  { role: "publish", words: "without confirms", share: 1, targets: { "pika (Python)": 1.2 } },
  {
    role: "connect for each",
    words: "a connection per message",
    share: 1 / 200,
    targets: { "pika (Python)": 150 },
  },
];

const QUEUES = [HELPDESK.queues.tickets, TASKS.queues.tasks, SMOKER.queues.smoker]
  .map(({ name, kind }) => queueOf(name, kind));

/** Seconds of CPU that each producer may use for 100,000 rows, its start included. */
const CPU_TARGETS = { "tasks:produce": 2.2, "helpdesk:produce": 2.6, "smoker:produce": 2.8 };

/** pika waits for each confirm: it gets fewer rows to be done in the same time. */
const SLOW_SHARE = 1 / 20;

async function measure(bench: Bench): Promise<Result[]> {
  const count = bench.quick ? 20_000 : 100_000;
  await using vhost = await Vhost.create();
  await using broker = await vhost.connect();
  await broker.once("publish", async (channel) => {
    for (const queue of QUEUES) await channel.queueDeclare(queue);
  });
  const empty = async () => {
    for (const { queue } of QUEUES) await broker.purge(queue);
  };
  const cpu = new CpuTimes();
  const ours = (task: string, input: string) => async () => {
    await empty();
    const flags = ["--file", "-", "--interval", "0", "--quiet"];
    const { code, stderr, summary } = await cpu.of(task, () => vhost.run(task, flags, { input }));
    assert.equal(code, 0, stderr);
    assert.equal(summary.confirmed, count);
    return Number(summary.rowsPerSecond);
  };
  const contenders = new Map([["tasks:produce", ours("tasks:produce", taskRows(count))]]);
  const beside: { what: string; rows: number; target: number | undefined }[] = [];
  for (const { role, words, share, targets } of ROLES) {
    for (const { name, commands } of bench.peers) {
      const command = commands[role]?.(vhost.url);
      if (!command) continue;
      const slow = role === "publish with confirms" && name === "pika (Python)";
      const rows = Math.round(count * (slow ? SLOW_SHARE : share));
      const input = taskRows(rows);
      const what = `${name} ${words}`;
      beside.push({ what, rows, target: targets[name] });
      contenders.set(what, async () => {
        await empty();
        return (await cpu.of(what, () => runPeer(command, { input, rows }))).rowsPerSecond;
      });
    }
  }
  contenders.set("helpdesk:produce", ours("helpdesk:produce", ticketRows(count)));
  contenders.set("smoker:produce", ours("smoker:produce", readingRows(count)));

  const medians = await alternate(bench, contenders, { unit: "rows/s" });
  const own = medians.get("tasks:produce") ?? NaN;
  const ownCpu = cpu.per100000("tasks:produce", count);
  return [
    ...beside.map(({ what, rows, target }) => {
      const theirs = medians.get(what) ?? NaN;
      const ratio = own / theirs;
      return {
        what: `fast replay, confirmed: ${what}`,
        ratio,
        ours: `${short(own)} rows/s`,
        other: `${short(theirs)} rows/s`,
        cpu: `${ownCpu}, ${cpu.per100000(what, rows)}`,
        ...(target === undefined ? {} : { target: atLeast(target, ratio) }),
      };
    }),
    ...Object.entries(CPU_TARGETS).map(([task, target]) => ({
      what: `fast replay, CPU: ${task}`,
      ours: `${short(medians.get(task) ?? NaN)} rows/s`,
      cpu: cpu.per100000(task, count),
      // The start counts too much with fewer rows.
      ...bench.quick
        ? {}
        : { target: { text: `≤ ${target} s`, met: Number(cpu.per100000(task, count)) <= target } },
    })),
  ];
}

export const replay: Subject = {
  name: "replay",
  about: "confirmed rows per second of a fast replay, beside other clients",
  peers: true,
  measure,
};
