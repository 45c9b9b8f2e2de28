/** What can happen to a broker and its nodes: killed, frozen, cut off, out of memory, without a queue. */
import { BrokerProxy } from "../proxy.ts";
import { type OwnCluster, portOf } from "../own_cluster.ts";
import type { Fault } from "./stage.ts";
import { pause, Traffic, type TrafficOptions, underTraffic } from "./traffic.ts";

/** Longer than two heartbeats: everybody has noticed. */
const FROZEN_MS = 20_000;
const CUT_MS = 3000;
const ALARM_MS = 3000;

export const BROKER_FAULTS: Fault[] = [
  {
    name: "broker-killed",
    what: "the broker killed -9 and started again",
    on: "broker",
    times: { short: 1, long: 5 },
    run: (stage) =>
      underTraffic(stage, {}, async (traffic, time) => {
        const { cluster, say } = stage;
        say(`kill ${time}`);
        await cluster.kill();
        await cluster.start();
        say(`kill ${time}: it runs again`);
        await traffic.flows();
      }),
  },
  {
    name: "broker-frozen",
    what: "the broker stopped for 20 s (SIGSTOP) and let go",
    on: "broker",
    times: { short: 1, long: 3 },
    run: (stage) =>
      underTraffic(stage, {}, async (traffic, time) => {
        const { cluster, say } = stage;
        const [port = 0] = cluster.ports;
        say(`frozen ${time}`);
        await cluster.signal(port, "STOP");
        await pause(FROZEN_MS);
        await cluster.signal(port, "CONT");
        await traffic.flows();
      }),
  },
  {
    name: "leader-killed",
    what: "the node that leads the queue killed -9, in the cluster",
    on: "cluster",
    times: { short: 1, long: 10 },
    run: (stage) =>
      underTraffic(stage, {}, async (traffic, time) => {
        const { cluster, say } = stage;
        const leader = portOf((await cluster.queue("help_queue", traffic.vhost)).leader);
        say(`kill ${time}: ${leader}`);
        await killedWhileItFlows(cluster, leader, traffic);
      }),
  },
  {
    name: "nodes-killed",
    what: "each node of the cluster killed -9 in turn",
    on: "cluster",
    times: { short: 1, long: 5 },
    run: (stage) =>
      underTraffic(stage, {}, async (traffic, time) => {
        const { cluster, say } = stage;
        for (const port of cluster.ports) {
          say(`round ${time}: ${port}`);
          await killedWhileItFlows(cluster, port, traffic);
        }
      }),
  },
  {
    name: "network-cut",
    what: "the network to one node cut for 3 s, where most are connected",
    on: "cluster",
    times: { short: 3, long: 30 },
    async run(stage) {
      const { cluster, say } = stage;
      using proxies = new DisposableStack();
      const nodes = cluster.ports.map((port) => proxies.use(new BrokerProxy({ port })));
      const hosts = nodes.map(({ port }) => `127.0.0.1:${port}`);
      const env = {
        AMQP_HOST: hosts.join(),
        AMQP_URL: hosts.map((host) => `amqp://guest:guest@${host}`).join(),
      };
      return await underTraffic(stage, { env }, async (traffic, time) => {
        const [node] = nodes.toSorted((a, b) => b.connections - a.connections);
        say(`cut ${time}: ${node?.connections} connections`);
        node?.down();
        await pause(CUT_MS);
        await traffic.flows();
        node?.restore();
      });
    },
  },
  {
    name: "memory-alarm",
    what: "the broker out of memory: publishers wait until the alarm is lifted",
    on: "broker",
    times: { short: 1, long: 10 },
    async run({ cluster, times, say }) {
      await using traffic = await Traffic.start(cluster);
      for (let time = 1; time <= times; time++) {
        say(`alarm ${time}`);
        await cluster.control("set_vm_memory_high_watermark", "0.00001");
        try {
          let before: number;
          do {
            before = traffic.published;
            await pause(ALARM_MS);
          } while (traffic.published > before);
        } finally {
          await cluster.control("set_vm_memory_high_watermark", "0.4");
        }
        await traffic.flows();
      }
      const result = await traffic.finish();
      for (const task of ["helpdesk:produce", "smoker:produce"]) {
        if (!/has an alarm.*nothing is lost/.test(await traffic.said(task))) {
          traffic.problems.push(`${task} didn't say that there was an alarm`);
        }
      }
      return result;
    },
  },
  {
    name: "queue-deleted",
    what: "help_queue deleted under its workers; what lay in it is lost by that act",
    on: "broker",
    times: { short: 3, long: 30 },
    run(stage) {
      const { cluster, say } = stage;
      // A little slower than the producer, so that something lies in the queue.
      const workerFlags = ["--handle", "60ms"];
      const options: TrafficOptions = { streams: ["helpdesk"], workerFlags };
      return underTraffic(stage, options, async (traffic, time) => {
        say(`deletion ${time}`);
        await cluster.admin("DELETE", `queues/${traffic.vhost}/help_queue`);
        // Until a worker has declared it again, what is told of as confirmed lay in the one that was deleted.
        await cluster.queue("help_queue", traffic.vhost);
        traffic.forgive("helpdesk");
        await traffic.flows();
      });
    },
  },
];

/** Kills a node, and starts it again when messages flow without it. */
async function killedWhileItFlows(cluster: OwnCluster, port: number, traffic: Traffic) {
  await cluster.signal(port, "KILL");
  await traffic.flows();
  await cluster.start();
}
