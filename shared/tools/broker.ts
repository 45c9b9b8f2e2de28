/**
 * Makes sure that a local RabbitMQ runs: says what answers already, else starts a private one in the background.
 *
 *     deno task broker
 *
 * May reach this machine (and $AMQP_HOST, to see whether it answers), write to its folder `.rabbitmq`, and run
 * rabbitmq-server, ps and kill; for `--install` also apt-get, through sudo.
 */
import { delay } from "../abort.ts";
import { adminSite } from "../admin_site.ts";
import {
  type BrokerAddress,
  brokerAddress,
  hostList,
  requireNetPermission,
  URL_OPTION,
} from "../broker_url.ts";
import { FailedError, UsageError } from "../errors.ts";
import { flag, integer, optional, text } from "../options.ts";
import type { Output } from "../output.ts";
import { OUTPUT_OPTIONS, run, type Script } from "../script.ts";
import { type Greeting, greeting } from "./greeting.ts";
import { exists, howToInstall, installWithApt } from "./install.ts";
import * as local from "./local_node.ts";
import { WaitingLine } from "./waiting_line.ts";

const FOLDER = ".rabbitmq";
const DEFAULT_PORT = 5672;
/** Every task may reach these without being told. */
const ALLOWED_PORTS = [5672, 5673, 5674];
/** How long the service that Debian's package brings may take to answer, in milliseconds. */
const SERVICE_MS = 30_000;

const options = {
  ...URL_OPTION,
  port: optional(
    "N",
    integer(local.MIN_PORT, local.MAX_PORT),
    `a broker on this machine; admin site on N+10000, Erlang on N+20000 (default: the URL's, ${DEFAULT_PORT})`,
  ),
  data: optional("DIR", text, `its folder: data, log, configuration (default ${FOLDER}/<port>)`),
  install: flag("if none answers and none is installed: install RabbitMQ with apt-get first"),
  stop: flag("end the broker that was started here (--port, --data); its data stay"),
  status: flag("list the brokers that were started here, and what answers at the URL"),
  ...OUTPUT_OPTIONS,
};
const usage = {
  task: "broker",
  script: "broker",
  summary:
    "Makes sure that a local RabbitMQ runs: says what answers at the URL, else starts a private one in the\n" +
    "background from the installed rabbitmq-server, for this machine only. A system service is left alone.",
  options,
};

async function main({ values, out, signal }: Script<typeof options>): Promise<void> {
  if ([values.install, values.stop, values.status].filter(Boolean).length > 1) {
    throw new UsageError("--install, --stop and --status exclude each other");
  }
  const { address, node } = await target(values);
  using waiting = new WaitingLine(out, signal);
  if (values.stop) return await stop(node ?? nodeOn(DEFAULT_PORT), waiting, out);
  await requireNetPermission(address);
  if (values.status) {
    const one = node !== undefined && (values.port ?? values.data) !== undefined;
    return await status(address, one ? [node] : await local.listNodes(FOLDER), out);
  }
  const there = await answering(address);
  const seconds = there ? undefined : await start(address, node, values.install, waiting);
  const found = there ?? await answering(address);
  if (!found) throw new FailedError("RabbitMQ ended as soon as it had started");
  waiting.clear();
  await sayRunning(found, { node, seconds }, out);
}

/** @returns The seconds it took; `undefined` if another start, or the service of a new package, was faster. */
async function start(
  address: BrokerAddress,
  node: local.NodeOptions | undefined,
  install: boolean,
  waiting: local.Waiting,
): Promise<number | undefined> {
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
    if (await serviceAnswers(address, waiting)) return undefined;
    server = await local.installedServer();
    if (server === undefined) throw new FailedError("apt-get brought no rabbitmq-server");
  }
  const since = performance.now();
  const started = await local.startNode(server, node, waiting);
  return started ? (performance.now() - since) / 1000 : undefined;
}

/** The address that the command line means, and the node that is or could be started for it. */
async function target(
  { url, port, data, ...files }: Script<typeof options>["values"],
): Promise<{ address: BrokerAddress; node: local.NodeOptions | undefined }> {
  if (url !== undefined && (port ?? data) !== undefined) {
    throw new UsageError("--url says which broker: it excludes --port and --data");
  }
  if (data !== undefined) await requireFolder(data);
  const said = port ?? (data && (await local.configuredPort(data) ?? DEFAULT_PORT));
  const address = brokerAddress(said === undefined ? url : `amqp://localhost:${said}`, files);
  const here = address.hosts.find(({ hostname, port }) =>
    isLocal(hostname) && port >= local.MIN_PORT && port <= local.MAX_PORT
  );
  if (!here || address.tls) return { address, node: undefined };
  const node = nodeOn(here.port, data);
  const used = await local.configuredPort(node.data);
  if (used !== undefined && used !== node.port) {
    throw new UsageError(
      `${node.data} is the folder of the broker on port ${used}, not ${node.port}`,
    );
  }
  return { address, node };
}

const nodeOn = (port: number, data = `${FOLDER}/${port}`) => ({ port, data });
const isLocal = (hostname: string) => ["localhost", "127.0.0.1", "::1"].includes(hostname);

/** In a terminal Deno asks for the permission when the folder is used. */
async function requireFolder(path: string): Promise<void> {
  const { state } = await Deno.permissions.query({ name: "write", path });
  if (state === "denied" || (state === "prompt" && !Deno.stdin.isTerminal())) {
    throw new UsageError(
      `--data must be below ${FOLDER}/, where this task may write, got "${path}"`,
    );
  }
}

interface Found extends Greeting {
  readonly hostname: string;
  readonly port: number;
  readonly tls: boolean;
}

/** The first of the address's hosts that answers AMQP. */
async function answering(
  { hosts, tls, certificates }: BrokerAddress,
): Promise<Found | undefined> {
  for (const host of hosts) {
    const answer = await greeting({ ...host, tls, certificates });
    if (answer) return { ...host, ...answer, tls };
  }
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

/** What people and programs are told about a broker that was started here. */
function described({ port, data }: local.NodeOptions) {
  const url = `amqp://guest:guest@localhost:${port}`;
  return { port, url, data, log: local.logFile(data), admin: adminSite(brokerAddress(url)) };
}

async function sayRunning(
  { hostname, port, tls, product, version }: Found,
  { node, seconds }: { node: local.NodeOptions | undefined; seconds: number | undefined },
  out: Output,
): Promise<void> {
  const ours = isLocal(hostname) && port === node?.port ? node : undefined;
  const pid = ours && await local.runningPid(ours.data);
  const answer = { event: "broker", state: seconds === undefined ? "running" : "started", product };
  if (!ours || pid === undefined) {
    const url = `${tls ? "amqps" : "amqp"}://${hostname}:${port}`;
    out.event(
      { ...answer, version, port, url, pid: null, data: null, log: null, admin: null },
      () => `${product} ${version} answers at ${url}; it wasn't started here and is left as it is`,
    );
    return;
  }
  const { url, data, log, admin } = described(ours);
  const flag = data !== nodeOn(port).data
    ? ` --data ${data}`
    : port === DEFAULT_PORT
    ? ""
    : ` --port ${port}`;
  const host = ALLOWED_PORTS.includes(port) ? "" : `AMQP_HOST=localhost:${port} `;
  const did = seconds === undefined ? "runs" : `started in ${seconds.toFixed(1)} s`;
  out.event({ ...answer, version, port, url, pid, data, log, admin }, () =>
    [
      `${product} ${version} ${did} on ${hostname}:${port} (pid ${pid})`,
      `  admin site  ${admin} (guest / guest)`,
      `  data, log   ${data}, ${log}`,
      `  to end it   deno task broker --stop${flag}`,
      ...port === DEFAULT_PORT ? [] : [`  to use it   ${host}AMQP_URL=${url} deno task …`],
    ].join("\n"));
}

async function stop(node: local.NodeOptions, waiting: WaitingLine, out: Output): Promise<void> {
  const known = await local.configuredPort(node.data) !== undefined;
  const pid = await local.stopNode(node.data, waiting);
  waiting.clear();
  const told = described(node);
  if (pid !== undefined) {
    out.event(
      { event: "broker", state: "stopped", version: null, pid, ...told },
      () => `RabbitMQ on port ${told.port} (pid ${pid}) is stopped; its data stay in ${told.data}`,
    );
    return;
  }
  const other = await answering(brokerAddress(told.url));
  out.event(
    { event: "broker", state: "not running", version: null, pid: null, ...told },
    () =>
      (known ? `The broker of ${told.data} wasn't running` : `None was started in ${told.data}`) +
      (other
        ? `; ${other.product} ${other.version} on port ${told.port} isn't ours: it stays`
        : ""),
  );
}

async function status(
  address: BrokerAddress,
  nodes: local.NodeOptions[],
  out: Output,
): Promise<void> {
  if (nodes.length === 0) out.line("No broker was started here");
  for (const node of nodes) {
    const told = described(node);
    const pid = await local.runningPid(node.data) ?? null;
    const version = pid && (await answering(brokerAddress(told.url)))?.version || null;
    const state = pid === null ? "not running" : version ? "running" : "not answering";
    out.event({ event: "broker", state, version, pid, ...told }, () =>
      [
        `${told.port}  ${
          [version && `RabbitMQ ${version}`, state, pid && `pid ${pid}`].filter(Boolean).join(", ")
        }`,
        `      admin site ${told.admin}, data ${told.data}, log ${told.log}`,
      ].join("\n"));
  }
  const found = await answering(address);
  const { product = null, version = null } = found ?? {};
  const url = `amqp://${found ? `${found.hostname}:${found.port}` : hostList(address)}`;
  out.event(
    { event: "answer", url, product, version },
    () => found ? `${product} ${version} answers at ${url}` : `No AMQP broker answers at ${url}`,
  );
}

if (import.meta.main) await run(usage, main);
