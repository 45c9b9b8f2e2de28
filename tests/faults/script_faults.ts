/** What can happen to workers and monitors: killed, too slow to acknowledge, nowhere to write their log. */
import assert from "node:assert/strict";
import type { Result } from "./ledger.ts";
import type { Fault, Stage } from "./stage.ts";
import { pause, type StreamName, Traffic, underTraffic } from "./traffic.ts";

/** A killing every so often, milliseconds. */
const KILL_EVERY_MS = 1000;
/** RabbitMQ looks for overdue acknowledgements every so often, and closes the channel after so long, milliseconds. */
const TICK_MS = 500;
const ACK_TIMEOUT_MS = 1500;

export const SCRIPT_FAULTS: Fault[] = [
  {
    name: "worker-killed",
    what: "a worker killed -9 every second, and replaced",
    on: "broker",
    times: { short: 10, long: 60 },
    run: (stage) => killOneAfterTheOther(stage, "helpdesk"),
  },
  {
    name: "monitor-killed",
    what: "the monitor and its standby killed -9 every second in turn, and replaced",
    on: "broker",
    times: { short: 10, long: 60 },
    run: (stage) => killOneAfterTheOther(stage, "smoker"),
  },
  {
    name: "ack-timeout",
    what: "a worker that holds a ticket until the broker closes its channel (consumer_timeout)",
    on: "broker",
    times: { short: 1, long: 10 },
    async run({ cluster, times, say }) {
      const setTimeouts = (tick: number, timeout: number) =>
        cluster.control(
          "eval",
          `application:set_env(rabbit, channel_tick_interval, ${tick}), ` +
            `application:set_env(rabbit, consumer_timeout, ${timeout}).`,
        );
      await setTimeouts(TICK_MS, ACK_TIMEOUT_MS);
      try {
        const workerFlags = ["--prefetch", "20"];
        await using traffic = await Traffic.start(cluster, { streams: ["helpdesk"], workerFlags });
        for (let time = 1; time <= times; time++) {
          const [worker] = traffic.consumers("helpdesk");
          assert.ok(worker);
          say(`timeout ${time}: ${worker.name}`);
          await worker.process.kill("STOP");
          await pause(ACK_TIMEOUT_MS + 4 * TICK_MS);
          await worker.process.kill("CONT");
          const handled = () => worker.process.events.filter(({ event }) => event === "ticket");
          const enough = handled().length + 20;
          await worker.process.until(() => handled().length >= enough);
          await traffic.flows();
        }
        const result = await traffic.finish();
        const closed = /delivery acknowledgement on channel \d+ timed out/;
        const log = await Deno.readTextFile(`.rabbitmq/${cluster.ports[0]}/log/rabbitmq.log`);
        if (!closed.test(log)) traffic.problems.push("the broker closed no channel");
        return result;
      } finally {
        await setTimeouts(60_000, 1_800_000);
      }
    },
  },
  {
    name: "log-unwritable",
    what: "a worker whose log can't be written: it ends before it takes anything, the others go on",
    on: "broker",
    times: { short: 1, long: 1 },
    async run({ cluster, say }) {
      const name = "nolog";
      const path = `logs/helpdesk_worker-${name}.jsonl`;
      // Root may write anywhere, so a missing right proves nothing: a folder in its place does.
      await Deno.mkdir(path, { recursive: true });
      try {
        await using traffic = await Traffic.start(cluster, {
          streams: ["helpdesk"],
          workerFlags: ["--log"],
        });
        say("no log can be opened");
        const { code, stderr } = await traffic.hire("helpdesk", name).ended;
        assert.equal(code, 1, stderr);
        assert.match(stderr, /^--log cannot write logs\/\S+: /);
        traffic.dismiss("helpdesk", name);
        await traffic.flows();
        return await traffic.finish();
      } finally {
        for (const log of [name, "c1", "c2"]) {
          await Deno.remove(`logs/helpdesk_worker-${log}.jsonl`).catch(() => {});
        }
      }
    },
  },
];

function killOneAfterTheOther(stage: Stage, stream: StreamName): Promise<Result> {
  return underTraffic(stage, { streams: [stream] }, async (traffic, time) => {
    const due = pause(KILL_EVERY_MS);
    const consumers = traffic.consumers(stream);
    const { name, process } = consumers[time % consumers.length] ?? {};
    assert.ok(name && process);
    await process.ready();
    stage.say(`kill ${time}: ${name}`);
    await process.end();
    traffic.hire(stream, name);
    await due;
  });
}
