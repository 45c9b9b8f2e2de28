/** What `deno task broker` prints about the brokers on this machine, for people and programs. */
import { adminSite, brokerAddress } from "../../connection.ts";
import type { Output } from "../../script.ts";
import {
  answering,
  DEFAULT_PORT,
  FOLDER,
  type Found,
  isLocal,
  localUrl,
  nodeOn,
} from "./target.ts";
import { portRange } from "./cluster.ts";
import { logFile, runningPid } from "./local_node.ts";
import type { NodeOptions } from "./node_conf.ts";

/** Every task may reach these without `AMQP_HOST`. */
const ALLOWED_PORTS = [5672, 5673, 5674];

/** The facts about a broker that was started here. */
function described({ port, data, cluster = [] }: NodeOptions) {
  const url = localUrl([port]);
  const admin = adminSite(brokerAddress(url));
  return { port, url, data, log: logFile(data), admin, cluster: cluster.length ? cluster : null };
}

/** The flags that mean these nodes. */
function flagsOf(nodes: readonly NodeOptions[]): string {
  const { port = DEFAULT_PORT, data = "" } = nodes[0] ?? {};
  const several = nodes.length > 1;
  const flags = [
    several ? `--nodes ${nodes.length}` : "",
    port === DEFAULT_PORT ? "" : `--port ${port}`,
    data === nodeOn(port).data ? "" : `--data ${several ? data.replace(/\/[^/]*$/, "") : data}`,
  ];
  return flags.filter(Boolean).map((flag) => ` ${flag}`).join("");
}

/** `AMQP_HOST=… AMQP_URL=…` before a task, as far as they are needed. */
function howToUse(ports: readonly number[]): string {
  const allowed = ports.every((port) => ALLOWED_PORTS.includes(port));
  const host = allowed ? "" : `AMQP_HOST=${ports.map((port) => `localhost:${port}`).join()} `;
  return `${host}AMQP_URL=${localUrl(ports)} deno task …`;
}

/**
 * Says that a broker, or a whole cluster, runs.
 *
 * @param nodes Those it consists of here; none if it is elsewhere.
 * @param started Ports that had to be started for it, which took `seconds`.
 */
export async function sayRunning(
  { hostname, port, tls, product, version }: Found,
  { nodes, started, seconds }: {
    nodes: readonly NodeOptions[];
    started: readonly number[];
    seconds: number;
  },
  out: Output,
): Promise<void> {
  const answer = { event: "broker", product, version };
  const pids = await Promise.all(nodes.map(({ data }) => runningPid(data)));
  const [first] = nodes;
  const ours = isLocal(hostname) && nodes.some((node) => node.port === port);
  if (!first || !ours || pids.includes(undefined)) {
    const state = "running";
    const url = `${tls ? "amqps" : "amqp"}://${hostname}:${port}`;
    const unknown = { pid: null, data: null, log: null, admin: null, cluster: null };
    out.event(
      { ...answer, state, port, url, ...unknown },
      () => `${product} ${version} answers at ${url}; it wasn't started here and is left as it is`,
    );
    return;
  }
  const stateOf = (port: number) => started.includes(port) ? "started" : "running";
  const did = started.length > 0 ? `started in ${seconds.toFixed(1)} s` : "runs";
  const { data, log, admin } = described(first);
  const toEnd = `  to end it   deno task broker --stop${flagsOf(nodes)}`;
  const ports = nodes.map(({ port }) => port);
  const toUse = `  to use it   ${howToUse(ports)}`;
  if (nodes.length === 1) {
    out.event(
      { ...answer, state: stateOf(port), ...described(first), pid: pids[0] ?? null },
      () =>
        [
          `${product} ${version} ${did} on ${hostname}:${port} (pid ${pids[0]})`,
          `  admin site  ${admin} (guest / guest)`,
          `  data, log   ${data}, ${log}`,
          toEnd,
          ...port === DEFAULT_PORT ? [] : [toUse],
        ].join("\n"),
    );
    return;
  }
  nodes.forEach((node, index) => {
    const pid = pids[index] ?? null;
    out.event({ ...answer, state: stateOf(node.port), ...described(node), pid });
  });
  const state = started.length > 0 ? "started" : "running";
  out.event({
    event: "cluster",
    state,
    product,
    version,
    nodes: nodes.length,
    url: localUrl(ports),
  }, () =>
    [
      `${product} ${version}, a cluster of ${nodes.length}, ${did} on ports ${portRange(ports)}` +
      (started.length > 0 && started.length < nodes.length
        ? ` (new: ${started.join(", ")}; the others ran)`
        : ""),
      `  admin site  ${admin} (guest / guest)`,
      `  data, logs  ${nodes.map(({ data }) => data).join(", ")}`,
      toEnd,
      `  one node    deno task broker --stop --port ${ports.at(-1)}, and back: deno task broker${
        flagsOf(nodes)
      }`,
      toUse,
    ].join("\n"));
}

/** Says of a node whether it was ended, and which pid it had. */
export async function sayStopped(
  node: NodeOptions,
  { pid, known }: { pid: number | undefined; known: boolean },
  out: Output,
): Promise<void> {
  const told = described(node);
  if (pid !== undefined) {
    out.event(
      { event: "broker", state: "stopped", version: null, ...told, pid },
      () => `RabbitMQ on port ${told.port} (pid ${pid}) is stopped; its data stay in ${told.data}`,
    );
    return;
  }
  const other = await answering(brokerAddress(told.url));
  out.event(
    { event: "broker", state: "not running", version: null, ...told, pid: null },
    () =>
      (known ? `The broker of ${told.data} wasn't running` : `None was started in ${told.data}`) +
      (other
        ? `; ${other.product} ${other.version} on port ${told.port} isn't ours: it stays`
        : ""),
  );
}

/** Says what has become of the brokers that were started here. */
export async function sayStatus(nodes: readonly NodeOptions[], out: Output): Promise<void> {
  if (nodes.length === 0) out.line(`No broker was started here (${FOLDER}/ has none)`);
  for (const node of nodes) {
    const told = described(node);
    const pid = await runningPid(node.data) ?? null;
    const version = pid && (await answering(brokerAddress(told.url)))?.version || null;
    const state = pid === null ? "not running" : version ? "running" : "not answering";
    const facts = [
      version && `RabbitMQ ${version}`,
      state,
      pid && `pid ${pid}`,
      told.cluster && `cluster on ${portRange(told.cluster)}`,
    ];
    out.event({ event: "broker", state, version, ...told, pid }, () =>
      [
        `${told.port}  ${facts.filter(Boolean).join(", ")}`,
        `      admin site ${told.admin}, data ${told.data}, log ${told.log}`,
      ].join("\n"));
  }
}
