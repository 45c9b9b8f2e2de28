/** The smart smoker end to end: a whole cook in a minute, watched by a monitor that raises its alerts. */
import { alertText, CHANNEL_NAMES, timeOfDay } from "../alert_text.ts";
import { type Alert, type Channel, CHANNELS, ruleFor } from "../alerts.ts";
import { brokerAddress } from "../broker_url.ts";
import { Connection } from "../connection.ts";
import { FailedError } from "../errors.ts";
import type { Event, Output } from "../output.ts";
import { READING_QUEUES } from "../topology.ts";
import { TaskProcess } from "./task_process.ts";

/** Ten hours in 52 seconds. */
const SPEED = "700";

/** How long the monitor waits for more at the end. */
const IDLE = "3s";

/** Recorded minutes between two lines where there is no terminal for a panel. */
const LINE_EVERY_MIN = 30;

/**
 * Plays it: in a terminal the monitor's own panel, elsewhere a line for every half hour and every alert.
 *
 * @param url The broker, as `--url` gave it.
 * @returns The exit code.
 */
export async function smokerDemo(
  url: string | undefined,
  out: Output,
  signal: AbortSignal,
): Promise<number> {
  await checkQueues(url, out, signal);
  const env: Record<string, string> = url === undefined ? {} : { AMQP_URL: url };
  out.line("A cook of ten hours in a minute: lids are opened, food stalls");
  const args = ["--run", `demo-${crypto.randomUUID().slice(0, 8)}`, "--speed", SPEED];
  const producer = new TaskProcess("smoker:produce", args, { env });
  const alerts = out.terminal ? await panelMonitor(env) : await plainMonitor(env, out);
  const { code, stderr } = await producer.ended;
  if (code !== 0) throw new FailedError(`The producer failed: ${stderr.trim()}`);
  const confirmed = producer.events.at(-1)?.confirmed;
  out.summary(
    { event: "summary", published: confirmed, ...(alerts === undefined ? {} : { alerts }) },
    () =>
      `${confirmed} readings. The alerts are in alert_queue: deno task alerts:notify sends them`,
  );
  return 0;
}

/** A cook that is watched already would be watched there. */
async function checkQueues(url: string | undefined, out: Output, signal: AbortSignal) {
  const options = { out, signal, name: "demo" };
  await using connection = await Connection.open(brokerAddress(url), "publish", options);
  for (const queue of Object.values(READING_QUEUES)) {
    if (((await connection.inspect(queue))?.consumers ?? 0) > 0) {
      throw new FailedError(`${queue} has a monitor already: stop it for the demo`);
    }
  }
}

/** The monitor as a person runs it, with this terminal. */
async function panelMonitor(env: Record<string, string>): Promise<undefined> {
  const { code } = await new Deno.Command("deno", {
    args: ["task", "--quiet", "smoker:monitor", "--exit-when-idle", IDLE],
    env,
    stdin: "null",
  }).spawn().status;
  if (code !== 0) throw new FailedError("The monitor failed");
}

/** The monitor as a program runs it. Returns how many alerts it raised. */
async function plainMonitor(env: Record<string, string>, out: Output): Promise<number> {
  const latest = new Map<Channel, number>();
  let alerts = 0;
  let shown = "";
  const onEvent = (event: Event) => {
    if (event.event === "alert") {
      alerts++;
      const alert = event as unknown as Alert;
      out.event(event, () => {
        const text = alertText(alert, ruleFor(alert.channel).span);
        return `${timeOfDay(alert.at)}  ${text}`;
      });
    } else if (event.event === "reading") {
      const time = String(event.time);
      latest.set(event.channel as Channel, Number(event.fahrenheit));
      const slot = time.slice(0, 14) + Math.floor(Number(time.slice(14, 16)) / LINE_EVERY_MIN);
      if (slot <= shown) return;
      shown = slot;
      const values = CHANNELS.filter((channel) => latest.has(channel)).map((channel) =>
        `${CHANNEL_NAMES[channel]} ${latest.get(channel)?.toFixed(1)} °F`
      );
      out.line(`${timeOfDay(time)}  ${values.join("  ")}`);
    }
  };
  const monitor = new TaskProcess("smoker:monitor", ["--exit-when-idle", IDLE], { env, onEvent });
  const { code, stderr } = await monitor.ended;
  if (code !== 0) throw new FailedError(`The monitor failed: ${stderr.trim()}`);
  return alerts;
}
