/** The rabbitmq.conf of a node that is started here: written at each start, and read to know what a folder is. */

/** How far above a node's AMQP port its admin site and Erlang's distribution listen. */
export const ADMIN_OFFSET = 10_000;
export const DISTRIBUTION_OFFSET = 20_000;

/** A node: its port, its folder and the cluster it belongs to. */
export interface NodeOptions {
  /** Of AMQP, `MIN_PORT` to `MAX_PORT` of local_node.ts. */
  readonly port: number;
  /** Folder of everything it writes: data, log, configuration, cookie, pid file. */
  readonly data: string;
  /** Ports of all nodes of its cluster, this one included. @default none: a broker for itself */
  readonly cluster?: readonly number[];
  /** More lines for its rabbitmq.conf. @default none */
  readonly conf?: readonly string[];
}

/** Its name among Erlang's nodes. */
export function nodeName(port: number): string {
  return `rabbit-${port}@localhost`;
}

/** The lines of a node's rabbitmq.conf. */
export function confLines({ port, cluster = [], conf = [] }: NodeOptions): string[] {
  return [
    `listeners.tcp.local = 127.0.0.1:${port}`,
    "management.tcp.ip = 127.0.0.1",
    `management.tcp.port = ${port + ADMIN_OFFSET}`,
    ...cluster.length === 0 ? [] : [
      "cluster_formation.peer_discovery_backend = classic_config",
      ...cluster.map((port, index) =>
        `cluster_formation.classic_config.nodes.${index + 1} = ${nodeName(port)}`
      ),
      // A node that was frozen for long comes back by itself instead of going on alone.
      "cluster_partition_handling = pause_minority",
    ],
    ...conf,
  ];
}

/** The node whose folder this is; `undefined` if none was ever started there. */
export async function configuredNode(data: string): Promise<NodeOptions | undefined> {
  const conf = await Deno.readTextFile(`${data}/rabbitmq.conf`).catch(() => "");
  const port = /^listeners\.tcp\.local = 127\.0\.0\.1:(\d+)$/m.exec(conf)?.[1];
  if (port === undefined) return undefined;
  const nodes = conf.matchAll(/^cluster_formation\.classic_config\.nodes\.\d+ = rabbit-(\d+)@/gm);
  return { port: Number(port), data, cluster: [...nodes].map(([, port]) => Number(port)) };
}

/** The nodes that were ever started below a folder, or below folders in it, by port. */
export async function listNodes(folder: string, depth = 2): Promise<NodeOptions[]> {
  const nodes: NodeOptions[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (!isDirectory) continue;
      const data = `${folder}/${name}`;
      const node = await configuredNode(data);
      if (node) nodes.push(node);
      else if (depth > 1) nodes.push(...await listNodes(data, depth - 1));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return nodes.sort((a, b) => a.port - b.port);
}
