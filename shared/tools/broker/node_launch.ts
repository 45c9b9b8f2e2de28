/** Launching a RabbitMQ node: its ports, its configuration, its process, and why it ended at once. */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { FailedError, reasonOf } from "../../script.ts";
import {
  ADMIN_OFFSET,
  confLines,
  DISTRIBUTION_OFFSET,
  nodeName,
  type NodeOptions,
} from "./node_conf.ts";

/** The argument of a node's process that names its folder. */
export const MARK = "-local_node";

const MORE_PATH = "/opt/homebrew/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * RabbitMQ 4.3 lets consumers that were connected to a lost node keep their messages, and their turn at a queue with a
 * single active consumer, for 60 s. Earlier versions, which ignore this setting, take both back at once
 * (`test:faults --only leader-killed`). In milliseconds.
 */
const CONSUMER_OF_LOST_NODE_MS = 1000;

/** The file in which a node says what it does. */
export function logFile(data: string): string {
  return `${data}/log/rabbitmq.log`;
}

/** @throws {FailedError} If a port isn't free. */
export function requirePorts(port: number): void {
  const uses = { AMQP: 0, "the admin site": ADMIN_OFFSET, Erlang: DISTRIBUTION_OFFSET };
  for (const [use, offset] of Object.entries(uses)) {
    try {
      Deno.listen({ hostname: "127.0.0.1", port: port + offset }).close();
    } catch (error) {
      const why = error instanceof Deno.errors.AddrInUse
        ? "is taken by another program: end that, or take another --port"
        : `can't be used: ${reasonOf(error)}`;
      throw new FailedError(`Port ${port + offset} (${use}) ${why}`);
    }
  }
}

/** Writes a node's configuration and starts its process, in a session of its own. */
export async function launch(server: string, node: NodeOptions): Promise<void> {
  const { port } = node;
  const folder = await Deno.realPath(node.data);
  const files = {
    "rabbitmq.conf": confLines(node),
    // Not in rabbitmq.conf, where versions before 4.3 end over a name that they don't know.
    "advanced.config": [
      `[{rabbit, [{consumer_disconnected_timeout, ${CONSUMER_OF_LOST_NODE_MS}}]}].`,
    ],
    "enabled_plugins": ["[rabbitmq_management]."],
    "env.conf": [],
  };
  for (const [name, lines] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/${name}`, lines.map((line) => `${line}\n`).join(""));
  }
  const env = {
    PATH: `${Deno.env.get("PATH")}:${MORE_PATH}`,
    LANG: Deno.build.os === "darwin" ? "en_US.UTF-8" : "C.UTF-8",
    HOME: `${folder}/home`,
    // The start script becomes the node instead of waiting for it: one process, one pid.
    RUNNING_UNDER_SYSTEMD: "true",
    ERL_EPMD_ADDRESS: "127.0.0.1",
    ERL_CRASH_DUMP: `${folder}/log/erl_crash.dump`,
    // Nothing of the system's own configuration is read.
    RABBITMQ_CONF_ENV_FILE: `${folder}/env.conf`,
    RABBITMQ_CONFIG_FILE: `${folder}/rabbitmq.conf`,
    RABBITMQ_CONFIG_FILES: `${folder}/conf.d`,
    RABBITMQ_ADVANCED_CONFIG_FILE: `${folder}/advanced.config`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${folder}/enabled_plugins`,
    RABBITMQ_NODENAME: nodeName(port),
    RABBITMQ_DIST_PORT: String(port + DISTRIBUTION_OFFSET),
    RABBITMQ_MNESIA_BASE: `${folder}/data`,
    RABBITMQ_LOG_BASE: `${folder}/log`,
    RABBITMQ_LOGS: logFile(folder),
    RABBITMQ_PID_FILE: `${folder}/rabbitmq.pid`,
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
  };
  // Not Deno.Command: it can't write a child's output into a file.
  const output = openSync(startupLog(folder), "w");
  try {
    const child = spawn(server, [MARK, encodeURI(folder)], {
      cwd: folder,
      detached: true,
      env,
      stdio: ["ignore", output, output],
    });
    const failed = new Promise<Error>((resolve) => child.once("error", resolve));
    if (child.pid === undefined) {
      throw new FailedError(`Cannot start ${server}: ${reasonOf(await failed)}`);
    }
    child.unref();
  } finally {
    closeSync(output);
  }
}

const startupLog = (data: string) => `${data}/log/startup.log`;

/** One line about a node that ended by itself: its log, and what stands there about it. */
export async function whyItEnded(data: string): Promise<string> {
  const text = (await Deno.readTextFile(startupLog(data)).catch(() => "")).trim();
  if (/required feature flag not enabled/.test(text)) {
    return `RabbitMQ didn't start: the data in ${data} are of an older version, which this one can't take over. ` +
      `Give it another folder (--data ${data}-new), or remove that one with its messages: rm -r ${data}`;
  }
  const telling = /^ERROR: .+/m.exec(text)?.[0] ??
    /\[error\] <[\d.]+> +(?!BOOT FAILED|=)(\S.+)/.exec(text)?.[1] ??
    /Error during startup: [^]+/.exec(text)?.[0] ?? text.split("\n").at(-1);
  const line = telling?.replace(/\s+/g, " ").slice(0, 300) || "nothing is written there";
  return `RabbitMQ didn't start, see ${startupLog(data)}: ${line}`;
}
