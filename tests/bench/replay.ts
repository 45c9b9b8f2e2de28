/** A replay as fast as the broker confirms, beside others that publish the same rows. */
import assert from "node:assert/strict";
import { HELPDESK_QUEUES, TASK_QUEUES } from "../../shared/queue_names.ts";
import { sharedQueue } from "../../shared/topology.ts";
import { Vhost } from "../e2e/harness.ts";
import { alternate, type Bench, short, type Subject } from "./measure.ts";
import { type Role, runPeer } from "./peers.ts";
import { taskRows, ticketRows } from "./rows.ts";
import { atLeast, type Result } from "./table.ts";

/** How others publish, in words, with our target beside each, and what share of the rows they can do in the time. */
const ROLES: { role: Role; words: string; share: number; targets: Record<string, number> }[] = [
  {
    role: "publish with confirms",
    words: "with confirms",
    share: 1,
    targets: { "librabbitmq (C)": 0.85, "pika (Python)": 10 },
  },
  { role: "publish", words: "without confirms", share: 1, targets: { "pika (Python)": 1.2 } },
  {
    role: "connect for each",
    words: "a connection per message",
    share: 1 / 200,
    targets: { "pika (Python)": 150 },
  },
];

const QUEUES = [HELPDESK_QUEUES.tickets, TASK_QUEUES.tasks];

/** pika waits for each confirm: it gets fewer rows to be done in the same time. */
const SLOW_SHARE = 1 / 20;

async function measure(bench: Bench): Promise<Result[]> {
  const count = bench.quick ? 20_000 : 100_000;
  await using vhost = await Vhost.create();
  await using broker = await vhost.connect();
  await broker.once("publish", async (channel) => {
    for (const queue of QUEUES) await channel.queueDeclare(sharedQueue(queue, "quorum"));
  });
  const empty = async () => {
    for (const queue of QUEUES) await broker.purge(queue);
  };
  const ours = (task: string, input: string) => async () => {
    await empty();
    const { code, stderr, summary } = await vhost.run(
      task,
      ["--file", "-", "--interval", "0", "--quiet"],
      { input },
    );
    assert.equal(code, 0, stderr);
    assert.equal(summary.confirmed, count);
    return Number(summary.rowsPerSecond);
  };
  const contenders = new Map([["tasks:produce", ours("tasks:produce", taskRows(count))]]);
  const beside: { what: string; target: number | undefined }[] = [];
  for (const { role, words, share, targets } of ROLES) {
    for (const { name, commands } of bench.peers) {
      const command = commands[role]?.(vhost.url);
      if (!command) continue;
      const slow = role === "publish with confirms" && name === "pika (Python)";
      const rows = Math.round(count * (slow ? SLOW_SHARE : share));
      const input = taskRows(rows);
      const what = `${name} ${words}`;
      beside.push({ what, target: targets[name] });
      contenders.set(what, async () => {
        await empty();
        return (await runPeer(command, { input, rows })).rowsPerSecond;
      });
    }
  }
  contenders.set("helpdesk:produce", ours("helpdesk:produce", ticketRows(count)));

  const medians = await alternate(bench, contenders, { unit: "rows/s" });
  const [own = NaN, tickets = NaN] = ["tasks:produce", "helpdesk:produce"].map((name) =>
    medians.get(name)
  );
  return [
    ...beside.map(({ what, target }) => {
      const theirs = medians.get(what) ?? NaN;
      const ratio = own / theirs;
      return {
        what: `fast replay, confirmed: ${what}`,
        ratio,
        ours: `${short(own)} rows/s`,
        other: `${short(theirs)} rows/s`,
        ...(target === undefined ? {} : { target: atLeast(target, ratio) }),
      };
    }),
    { what: "fast replay of help-desk tickets", ours: `${short(tickets)} rows/s` },
  ];
}

export const replay: Subject = {
  name: "replay",
  about: "confirmed rows per second of a fast replay, beside other clients",
  peers: true,
  measure,
};
