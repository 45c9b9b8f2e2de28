/** The smart smoker end to end: a whole cook in a minute, watched by a monitor that raises its alerts. */
import {
  counted,
  type Event,
  FailedError,
  ofProject,
  type Output,
  unlessAborted,
} from "../../script.ts";
import { alertText, CHANNELS, SMOKER, timeOfDay, wordsOf } from "../../streams.ts";
import type { DemoTasks } from "./demo_tasks.ts";

/** Ten hours in 52 seconds. */
const SPEED = "700";

/** How long the monitor waits for more at the end. */
const IDLE = "3s";

const words = wordsOf(SMOKER.name);

/** Recorded minutes between two lines where there is no terminal for a panel. */
const LINE_EVERY_MIN = 30;

/**
 * Plays it: in a terminal the monitor's own panel, elsewhere a line for every half hour and every alert.
 *
 * @returns The exit code.
 */
export async function smokerDemo(
  cast: DemoTasks,
  out: Output,
  signal: AbortSignal,
): Promise<number> {
  out.line("A cook of ten hours in a minute: lids are opened, food stalls");
  const args = ["--speed", SPEED, ...cast.queues(...CHANNELS)];
  const watch = ["--exit-when-idle", IDLE, ...cast.queues(...CHANNELS, "alerts")];
  let published = 0;
  const producer = cast.ended(cast.start("smoker:produce", args, ({ event }) => {
    if (event === "published") published++;
  }));
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const watched = out.terminal
    ? panelMonitor(cast, watch, { out, signal: either })
    : plainMonitor(cast, watch, out);
  try {
    await unlessAborted(Promise.all([watched, producer]), signal);
  } finally {
    over.abort();
    await cast.stop();
    // The queue of its alerts is deleted after that.
    await watched.catch(() => {});
  }
  out.summary(
    { event: "summary", published },
    () =>
      `${
        counted(published, "reading")
      }. deno task alerts:notify mails the alerts of a cook of your own`,
  );
  return 0;
}

/** The monitor as a person runs it, with this terminal, whose Ctrl-C it hears, too. */
async function panelMonitor(
  cast: DemoTasks,
  args: string[],
  { out, signal }: { out: Output; signal: AbortSignal },
): Promise<void> {
  // A line of ours would shift the panel that it draws; what there is to say it says, too.
  out.diverted = () => {};
  const child = new Deno.Command("deno", {
    args: ["task", "--quiet", "smoker:monitor", ...args, ...cast.args],
    cwd: ofProject("."),
    env: cast.env,
    stdin: "null",
  }).spawn();
  const stop = () => child.kill("SIGTERM");
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  const { code } = await child.status;
  signal.removeEventListener("abort", stop);
  out.diverted = undefined;
  if (code !== 0) throw new FailedError("The monitor failed");
}

/** The monitor as a program runs it. */
async function plainMonitor(cast: DemoTasks, args: string[], out: Output): Promise<void> {
  const latest = new Map<string, number>();
  let shown = "";
  const onEvent = (event: Event) => {
    if (event.event === "alert") {
      const { event: _, ...body } = event;
      const alert = words.body.parse(body);
      const spanMs = words.spanMs(alert.key);
      out.event(event, () => `${timeOfDay(alert.at)}  ${alertText(alert, words, { spanMs })}`);
    } else if (event.event === "reading") {
      const time = String(event.time);
      latest.set(String(event.channel), Number(event.fahrenheit));
      const slot = time.slice(0, 14) + Math.floor(Number(time.slice(14, 16)) / LINE_EVERY_MIN);
      if (slot <= shown) return;
      shown = slot;
      const values = CHANNELS.filter((channel) => latest.has(channel)).map((channel) =>
        `${words.keyName(channel)} ${latest.get(channel)?.toFixed(1)} °F`
      );
      out.line(`${timeOfDay(time)}  ${values.join("  ")}`);
    }
  };
  await cast.ended(cast.start("smoker:monitor", args, onEvent));
}
