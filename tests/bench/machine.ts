/** Where the bench runs: figures mean nothing without it. */
import { adminSite, hostList } from "../../shared/connection.ts";
import { FailedError } from "../../shared/script.ts";
import { askAdminSite, testBroker } from "../test_broker.ts";
import type { Peer } from "./peers.ts";

/** Date, broker, versions, cores and load average in one sentence, without its full stop. */
export async function machine(peers: readonly Peer[]): Promise<string> {
  const date = new Date().toISOString().slice(0, 16).replace("T", " ");
  const [load = 0] = Deno.loadavg();
  const versions = [`Deno ${Deno.version.deno}`, ...peers.map(({ version }) => version)];
  return `${date} UTC, ${await broker()}, ${[...new Set(versions)].join(", ")}; ` +
    `${navigator.hardwareConcurrency} cores${await processor()}, load average ${
      load.toFixed(1)
    } before`;
}

async function broker(): Promise<string> {
  const address = testBroker();
  try {
    const answer = await askAdminSite("GET", "/overview");
    const { rabbitmq_version: version, erlang_version: erlang } = await answer.json();
    return `RabbitMQ ${version} (Erlang ${erlang}) at ${hostList(address)}`;
  } catch (error) {
    if (error instanceof TypeError) return "no broker";
    throw new FailedError(`The admin site at ${adminSite(address)} can't be read`, {
      cause: error,
    });
  }
}

async function processor(): Promise<string> {
  const info = await Deno.readTextFile("/proc/cpuinfo").catch(() => "");
  const [, model] = /^model name\s*: (.*)$/m.exec(info) ?? [];
  return model ? ` (${model})` : "";
}
