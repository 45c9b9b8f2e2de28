/** What can happen to workers and monitors: killed, too slow to acknowledge, nowhere to write their log. */
import assert from "node:assert/strict";
import type { Result } from "./ledger.ts";
import type { Fault, Stage } from "./stage.ts";
import { pause, type StreamName, Traffic, underTraffic } from "./traffic.ts";

/** A killing every so often, milliseconds. */
const KILL_EVERY_MS = 1000;
/** RabbitMQ looks for overdue acknowledgements every so often, and waits for one so long, milliseconds. */
const TICK_MS = 500;
const ACK_TIMEOUT_MS = 1500;
/** Messages of this time are what a worker that doesn't acknowledge is looked for by, milliseconds. */
const HELD_MS = 500;
const PREFETCH = 20;

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
    what:
      "a worker that acknowledges nothing: the broker takes its tickets back (consumer_timeout)",
    on: "broker",
    times: { short: 1, long: 10 },
    async run({ cluster, times, say }) {
      const setTimeouts = (tick: number, timeout: number) =>
        cluster.control(
          "eval",
          `application:set_env(rabbit, channel_tick_interval, ${tick}), ` +
            `application:set_env(rabbit, consumer_timeout, ${timeout}).`,
        );
      const channelsClosed = async () => {
        const log = await Deno.readTextFile(`.rabbitmq/${cluster.ports[0]}/log/rabbitmq.log`);
        return log.match(/delivery acknowledgement on channel \d+ timed out/g)?.length ?? 0;
      };
      await setTimeouts(TICK_MS, ACK_TIMEOUT_MS);
      try {
        const workerFlags = ["--prefetch", String(PREFETCH)];
        await using traffic = await Traffic.start(cluster, { streams: ["helpdesk"], workerFlags });
        for (let time = 1; time <= times; time++) {
          const [worker] = traffic.consumers("helpdesk");
          assert.ok(worker);
          const before = await channelsClosed();
          await worker.process.kill("STOP");
          say(`timeout ${time}: ${worker.name}`);
          // Confirmed when it had stopped for certain: every other one of these goes to it.
          const from = performance.now() + HELD_MS / 2;
          const held = () => traffic.unhandled("helpdesk", from, from + HELD_MS);
          await pause(2 * HELD_MS);
          if (held() === 0) traffic.problems.push(`${worker.name} held nothing`);
          // Up to RabbitMQ 4.2 its channel is closed, and the tickets come back as soon as the worker answers that.
          // 4.3 leaves the channel open, gives the tickets to others at once, and cancels the consumer.
          let closed = false;
          await traffic.until("the timeout", async () => {
            closed = await channelsClosed() > before;
            return closed || held() === 0;
          });
          say(`timeout ${time}: ${closed ? "channel closed" : "tickets given to others"}`);
          await worker.process.kill("CONT");
          await traffic.until("all tickets to be handled", () => held() === 0);
          const handled = () => worker.process.events.filter(({ event }) => event === "ticket");
          // More than it had got before: it consumes again.
          const enough = handled().length + 2 * PREFETCH;
          await worker.process.until(() => handled().length >= enough);
          await traffic.flows();
        }
        return await traffic.finish();
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
