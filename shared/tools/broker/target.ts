/** Which broker the flags of `deno task broker` mean: an address, and the nodes on this machine behind it. */
import { type BrokerAddress, brokerAddress } from "../../connection.ts";
import { ofProject, UsageError } from "../../script.ts";
import { clusterNodes, fellowsOf, portRange } from "./cluster.ts";
import { type Greeting, greeting } from "./greeting.ts";
import { MAX_PORT, MIN_PORT } from "./local_node.ts";
import { configuredNode, listNodes, type NodeOptions } from "./node_conf.ts";

export const FOLDER = ofProject(".rabbitmq");
export const DEFAULT_PORT = 5672;

/** What the flags say. */
export interface TargetFlags {
  readonly url: string | undefined;
  readonly port: number | undefined;
  readonly data: string | undefined;
  readonly nodes: number | undefined;
  /** Files for TLS, as {@link brokerAddress} takes them. */
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export interface Target {
  readonly address: BrokerAddress;
  /** The nodes that are or could be started for it, several in a cluster; none if it is elsewhere. */
  readonly nodes: readonly NodeOptions[];
}

export const nodeOn = (port: number, data = `${FOLDER}/${port}`): NodeOptions => ({ port, data });
export const isLocal = (host: string) => ["localhost", "127.0.0.1", "::1"].includes(host);

/** `amqp://…` of each of some ports here, with commas. */
export function localUrl(ports: readonly number[]): string {
  return ports.map((port) => `amqp://guest:guest@localhost:${port}`).join();
}

/**
 * Finds out what is meant: `--nodes` a cluster from a port on, `--port` one node, neither all nodes of what is at the
 * URL or the default port.
 *
 * @throws {UsageError} If flags exclude each other, or name a folder that can't be written or is another broker's.
 */
export async function target(
  { url, port, data, nodes, ...files }: TargetFlags,
): Promise<Target> {
  if (url !== undefined && (port ?? data ?? nodes) !== undefined) {
    throw new UsageError("--url says which broker: it excludes --port, --data and --nodes");
  }
  if (data !== undefined) await requireFolder(data);
  if (nodes !== undefined && nodes > 1) return clusterTarget(nodes, { port, data });
  const found = data === undefined ? undefined : await nodeIn(data, port);
  const said = port ?? (data === undefined ? undefined : found?.port ?? DEFAULT_PORT);
  const address = brokerAddress(said === undefined ? url : localUrl([said]), files);
  const here = localPort(address);
  if (here === undefined || address.tls) return { address, nodes: [] };
  const place = nodeOn(here, found?.data ?? data);
  const node = await configuredNode(place.data) ?? place;
  if (node.port !== here) {
    throw new UsageError(
      `${node.data} is the folder of the broker on port ${node.port}, not ${here}`,
    );
  }
  if (!node.cluster?.length) return { address, nodes: [node] };
  if (nodes === 1) {
    throw new UsageError(
      `${node.data} belongs to the cluster on ports ${
        portRange(node.cluster)
      }: take another --port`,
    );
  }
  if (port !== undefined) return { address, nodes: [node] };
  return {
    address: brokerAddress(url ?? localUrl(node.cluster)),
    nodes: fellowsOf(node),
  };
}

function clusterTarget(
  count: number,
  { port, data = FOLDER }: { port: number | undefined; data: string | undefined },
): Target {
  const first = port ?? localPort(brokerAddress(undefined)) ?? DEFAULT_PORT;
  if (first + count - 1 > MAX_PORT) {
    throw new UsageError(`--port must be at most ${MAX_PORT - count + 1} for ${count} nodes`);
  }
  const ports = Array.from({ length: count }, (_, index) => first + index);
  return { address: brokerAddress(localUrl(ports)), nodes: clusterNodes(ports, data) };
}

/** The node whose folder this is, else the first in it, on a port if one is given. */
async function nodeIn(data: string, port: number | undefined): Promise<NodeOptions | undefined> {
  return await configuredNode(data) ??
    (await listNodes(data, 1)).find((node) => port === undefined || node.port === port);
}

/** The first port of the address on this machine at which a node can be started. */
function localPort({ hosts }: BrokerAddress): number | undefined {
  return hosts.find(({ hostname, port }) =>
    isLocal(hostname) && port >= MIN_PORT && port <= MAX_PORT
  )?.port;
}

/** In a terminal Deno asks for the permission when the folder is used. */
async function requireFolder(path: string): Promise<void> {
  const { state } = await Deno.permissions.query({ name: "write", path });
  if (state === "denied" || (state === "prompt" && !Deno.stdin.isTerminal())) {
    throw new UsageError(
      `--data must be below ${FOLDER}/, where this task may write, got "${path}"`,
    );
  }
}

export interface Found extends Greeting {
  readonly hostname: string;
  readonly port: number;
  readonly tls: boolean;
}

/** The first of the address's hosts that answers AMQP. */
export async function answering(
  { hosts, tls, certificates }: BrokerAddress,
): Promise<Found | undefined> {
  for (const host of hosts) {
    const answer = await greeting({ ...host, tls, certificates });
    if (answer) return { ...host, ...answer, tls };
  }
}
