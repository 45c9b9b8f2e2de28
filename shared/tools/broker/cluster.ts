/**
 * A cluster of RabbitMQ nodes on this machine: nodes of local_node.ts on ports that follow each other, with one
 * Erlang cookie and the names of all in each one's configuration. Nothing here prints.
 */
import { delay, FailedError, reasonOf, UsageError } from "../../script.ts";
import { greeting } from "./greeting.ts";
import { lockFolder, runningPid, startNode, stopNode, type Waiting } from "./local_node.ts";
import { ADMIN_OFFSET, configuredNode, nodeName, type NodeOptions } from "./node_conf.ts";
import { requirePorts } from "./node_launch.ts";

/** A majority decides, so an even number would only add a node that can fail. */
export const CLUSTER_SIZES = [1, 3, 5, 7] as const;

/** How long nodes that answer may take to know each other, in milliseconds. */
const JOIN_MS = 20_000;
const POLL_MS = 250;

/** The nodes of a cluster: node N has the folder `<folder>/<N>`. */
export function clusterNodes(ports: readonly number[], folder: string): NodeOptions[] {
  return ports.map((port) => ({ port, data: `${folder}/${port}`, cluster: ports }));
}

/** The nodes of the cluster that a node belongs to; itself when it is a broker for itself. */
export function fellowsOf(node: NodeOptions): NodeOptions[] {
  if (!node.cluster?.length) return [node];
  return clusterNodes(node.cluster, node.data.replace(/\/?[^/]+\/*$/, "") || ".");
}

/** `5672 to 5674` */
export function portRange(ports: readonly number[]): string {
  return ports.length < 2 ? `${ports[0]}` : `${ports[0]} to ${ports.at(-1)}`;
}

/**
 * Starts those nodes of a cluster that don't run, all at once, and waits until they answer and know each other.
 *
 * @returns The ports that had to be started.
 * @throws {UsageError} If a folder or a port is another broker's.
 * @throws {FailedError} If a node can't start; those that could run on.
 */
export async function startCluster(
  server: string,
  nodes: readonly NodeOptions[],
  { signal, report }: Waiting,
): Promise<number[]> {
  const ports = nodes.map(({ port }) => port);
  const waiting = {
    signal,
    report: () => report(`Starting a cluster of ${nodes.length} on ports ${portRange(ports)}`),
  };
  await requireFit(nodes);
  await shareCookie(nodes, waiting);
  const starts = await Promise.allSettled(nodes.map((node) => startNode(server, node, waiting)));
  const failed = starts.find((start) => start.status === "rejected");
  if (failed) throw failed.reason;
  const started = ports.filter((_, index) => {
    const start = starts[index];
    return start?.status === "fulfilled" && start.value;
  });
  if (started.length > 0) await requireTogether(ports, waiting);
  return started;
}

/** Ends the nodes, all at once; the pid each one had, `undefined` where none ran. */
export async function stopNodes(
  nodes: readonly NodeOptions[],
  { signal, report }: Waiting,
): Promise<(number | undefined)[]> {
  const one = nodes.length === 1;
  const ports = portRange(nodes.map(({ port }) => port));
  const waiting = {
    signal,
    report: (what: string) => report(one ? what : `Stopping the cluster on ports ${ports}`),
  };
  return await Promise.all(nodes.map(({ data }) => stopNode(data, waiting)));
}

/** @throws {UsageError} If a folder is another broker's, or a port is in use. */
export async function requireFit(nodes: readonly NodeOptions[]): Promise<void> {
  for (const { port, data, cluster = [] } of nodes) {
    const found = await configuredNode(data);
    if (found?.cluster && found.cluster.join() !== cluster.join()) {
      throw new UsageError(
        found.cluster.length > 0
          ? `${data} belongs to the cluster on ports ${portRange(found.cluster)}: ` +
            `give --nodes ${found.cluster.length} --port ${found.cluster[0]}`
          : `${data} holds the data of a single broker, whose queues would stay on one node: take another ` +
            "--port, or end it (--stop) and give the cluster a folder (--data .rabbitmq/cluster)",
      );
    }
    const other = await greeting({ hostname: "127.0.0.1", port });
    if (await runningPid(data) !== undefined) continue;
    if (other) {
      throw new UsageError(
        `${other.product} ${other.version} on port ${port} isn't of this cluster: ` +
          "end it (--stop), or take another --port",
      );
    }
    requirePorts(port);
  }
}

/** Gives all folders the same Erlang cookie, before their first start: nodes trust each other by it. */
async function shareCookie(nodes: readonly NodeOptions[], waiting: Waiting): Promise<void> {
  const [first] = nodes;
  if (!first) return;
  const file = ({ data }: NodeOptions) => `${data}/home/.erlang.cookie`;
  using _lock = await lockFolder(first.data, waiting);
  try {
    let cookie: string | undefined;
    for (const node of nodes) {
      cookie ??= await Deno.readTextFile(file(node)).catch(() => undefined);
    }
    cookie ??= crypto.randomUUID().replaceAll("-", "").toUpperCase();
    for (const node of nodes) {
      const has = await Deno.readTextFile(file(node)).catch(() => undefined);
      if (has === cookie) continue;
      await Deno.mkdir(`${node.data}/home`, { recursive: true, mode: 0o700 });
      await Deno.remove(file(node)).catch(() => {});
      // Erlang refuses a cookie that others may read.
      await Deno.writeTextFile(file(node), cookie, { mode: 0o400 });
    }
  } catch (error) {
    throw new FailedError(`The cluster's cookie can't be written: ${reasonOf(error)}`);
  }
}

/** @throws {FailedError} If the nodes, which all answer, don't form one cluster. */
async function requireTogether(
  ports: readonly number[],
  { signal, report }: { signal: AbortSignal; report: () => void },
): Promise<void> {
  const deadline = Date.now() + JOIN_MS;
  for (let missing = ports; missing.length > 0;) {
    if (signal.aborted) throw new FailedError("Interrupted: the cluster runs, --stop ends it");
    const views = await Promise.all(ports.map(runningNodes));
    // Who has changed the password looks for himself.
    if (views.includes("refused")) return;
    missing = ports.filter((port) => !views.every((view) => view.includes(nodeName(port))));
    if (missing.length > 0 && Date.now() > deadline) {
      throw new FailedError(
        `The nodes on ports ${portRange(ports)} run, but not as one cluster (${
          missing.join(", ")
        } is missing): --stop them, and start again with another --data`,
      );
    }
    report();
    if (missing.length > 0) await delay(POLL_MS, signal);
  }
}

/** The nodes that run in the cluster, as one of them sees it. */
async function runningNodes(port: number): Promise<string[] | "refused"> {
  try {
    const answer = await fetch(
      `http://localhost:${port + ADMIN_OFFSET}/api/nodes?columns=name,running`,
      {
        headers: { authorization: `Basic ${btoa("guest:guest")}` },
        signal: AbortSignal.timeout(5000),
      },
    );
    const nodes: { name: string; running: boolean }[] = await answer.json();
    if (answer.status === 401) return "refused";
    return nodes.filter(({ running }) => running).map(({ name }) => name);
  } catch {
    return [];
  }
}
