/**
 * Makes sure that a local RabbitMQ runs: says what answers already, else starts a private one in the background.
 *
 *     deno task broker
 *
 * May reach this machine (and $AMQP_HOST, to see whether it answers), write to its folder `.rabbitmq`, and run
 * rabbitmq-server, ps and kill; for `--install` also apt-get, through sudo.
 */
import { type BrokerAddress, hostList, requireNetPermission, URL_OPTION } from "../connection.ts";
import {
  delay,
  FailedError,
  flag,
  integer,
  optional,
  type Output,
  OUTPUT_OPTIONS,
  path,
  run,
  type Script,
  UsageError,
} from "../script.ts";
import { sayRunning, sayStatus, sayStopped } from "./broker/report.ts";
import { answering, DEFAULT_PORT, FOLDER, nodeOn, target } from "./broker/target.ts";
import { CLUSTER_SIZES, fellowsOf, portRange, startCluster, stopNodes } from "./broker/cluster.ts";
import { exists, howToInstall, installWithApt } from "./broker/install.ts";
import * as local from "./broker/local_node.ts";
import { configuredNode, listNodes, type NodeOptions } from "./broker/node_conf.ts";
import { WaitingLine } from "./broker/waiting_line.ts";

/** How long the service that Debian's package brings may take to answer, in milliseconds. */
const SERVICE_MS = 30_000;

const options = {
  ...URL_OPTION,
  port: optional(
    "N",
    integer(local.MIN_PORT, local.MAX_PORT),
    `a broker on this machine; admin site on N+10000, Erlang on N+20000 (default: the URL's, ${DEFAULT_PORT})`,
  ),
  nodes: optional(
    "N",
    clusterSize,
    "a cluster of 3, 5 or 7 nodes on this machine, on ports from --port on; 1 is none (default: what is there, else 1)",
  ),
  data: path(
    "DIR",
    `its folder, below ${FOLDER}/: data, log, configuration (default ${FOLDER}/<port>); of a cluster's nodes DIR/<port>`,
  ),
  install: flag("if none answers and none is installed: install RabbitMQ with apt-get first"),
  stop: flag(
    "end the broker or cluster that was started here, with --port that one node; data stay",
  ),
  status: flag("list the brokers that were started here, and what answers at the URL"),
  ...OUTPUT_OPTIONS,
};
const usage = {
  task: "broker",
  script: "broker",
  summary:
    "Makes sure that a local RabbitMQ runs: says what answers at the URL, else starts a private one in the\n" +
    "background from the installed rabbitmq-server, for this machine only. A system service is left alone.\n" +
    "With --nodes 3 it is a cluster; nodes of it that were killed or stopped are started again.",
  options,
};

async function main({ values, out, signal }: Script<typeof options>): Promise<void> {
  if ([values.install, values.stop, values.status].filter(Boolean).length > 1) {
    throw new UsageError("--install, --stop and --status exclude each other");
  }
  const { address, nodes } = await target(values);
  using waiting = new WaitingLine(out, signal);
  if (values.stop) return await stop(nodes.length ? nodes : [nodeOn(DEFAULT_PORT)], waiting, out);
  await requireNetPermission(address);
  if (values.status) {
    const one = nodes.length > 0 && (values.port ?? values.data ?? values.nodes) !== undefined;
    await sayStatus(one ? nodes : await listNodes(FOLDER), out);
    return await sayAnswer(address, out);
  }
  const since = performance.now();
  const cluster = nodes.length > 1;
  const there = cluster ? undefined : await answering(address);
  const started = there ? [] : await start(address, nodes, values.install, waiting);
  const seconds = (performance.now() - since) / 1000;
  const found = there ?? await answering(address);
  if (!found) throw new FailedError("RabbitMQ ended as soon as it had started");
  waiting.clear();
  await sayRunning(found, { nodes, started, seconds }, out);
}

/** @returns The ports that were started; none if another start, or the service of a new package, was faster. */
async function start(
  address: BrokerAddress,
  nodes: readonly NodeOptions[],
  install: boolean,
  waiting: local.Waiting,
): Promise<number[]> {
  const [node] = nodes;
  if (node === undefined) {
    throw new FailedError(
      `No AMQP broker answers at ${
        hostList(address)
      }, and one can be started on this machine only, ` +
        `without TLS, on ports ${local.MIN_PORT} to ${local.MAX_PORT}: use --port, or no AMQP_URL`,
    );
  }
  let server = await local.installedServer();
  if (server === undefined) {
    if (!install) throw new FailedError(await howToInstall());
    await installWithApt(waiting);
    if (nodes.length === 1 && await serviceAnswers(address, waiting)) return [];
    server = await local.installedServer();
    if (server === undefined) throw new FailedError("apt-get brought no rabbitmq-server");
  }
  if (nodes.length > 1) return await startCluster(server, nodes, waiting);
  await requireFellow(node);
  return await local.startNode(server, node, waiting) ? [node.port] : [];
}

/** @throws {UsageError} If it is a node of a cluster that doesn't run: alone it would wait in vain. */
async function requireFellow(node: NodeOptions): Promise<void> {
  const others = fellowsOf(node).filter(({ port }) => port !== node.port);
  const pids = await Promise.all(others.map(({ data }) => local.runningPid(data)));
  if (others.length === 0 || pids.some((pid) => pid !== undefined)) return;
  const ports = node.cluster ?? [];
  throw new UsageError(
    `${node.data} belongs to the cluster on ports ${portRange(ports)}, which doesn't run: ` +
      `deno task broker --nodes ${ports.length} --port ${ports[0]}`,
  );
}

/** Whether the service that the package brought answers; it is started where there is systemd. */
async function serviceAnswers(
  address: BrokerAddress,
  { signal, report }: local.Waiting,
): Promise<boolean> {
  const systemd = await exists("/run/systemd/system");
  const deadline = Date.now() + (systemd ? SERVICE_MS : 0);
  while (!await answering(address)) {
    if (signal.aborted || Date.now() >= deadline) return false;
    report("Waiting for the service that was installed");
    await delay(500, signal);
  }
  return true;
}

async function stop(
  nodes: readonly NodeOptions[],
  waiting: WaitingLine,
  out: Output,
): Promise<void> {
  const known = await Promise.all(nodes.map(({ data }) => configuredNode(data)));
  const pids = await stopNodes(nodes, waiting);
  waiting.clear();
  for (const [index, node] of nodes.entries()) {
    await sayStopped(node, { pid: pids[index], known: known[index] !== undefined }, out);
  }
}

async function sayAnswer(address: BrokerAddress, out: Output): Promise<void> {
  const found = await answering(address);
  const { product = null, version = null } = found ?? {};
  const url = `amqp://${found ? `${found.hostname}:${found.port}` : hostList(address)}`;
  out.event(
    { event: "answer", url, product, version },
    () => found ? `${product} ${version} answers at ${url}` : `No AMQP broker answers at ${url}`,
  );
}

function clusterSize(value: string): number {
  const size = CLUSTER_SIZES.find((size) => String(size) === value);
  if (size === undefined) throw new RangeError(`must be 1, 3, 5 or 7`);
  return size;
}

if (import.meta.main) await run(usage, main);
