/**
 * Replays the temperatures of a cook from a CSV into the smart smoker's three queues, a row every 30 seconds.
 *
 *     deno task smoker:produce
 *     deno task smoker:produce --speed 60
 *
 * A row makes up to three messages; an empty cell makes none. Needs the network for the broker, `data/` to
 * read, `logs/` to write with `--log`, the browser to run with `--admin`.
 */
import type { Channel } from "../shared/alerts.ts";
import { readingMessages, type Temperatures } from "../shared/messages.ts";
import { queueOption, READING_QUEUES } from "../shared/queue_names.ts";
import { replay, type Stream } from "../shared/replay.ts";
import { replayOptions } from "../shared/replay_options.ts";
import { run } from "../shared/script.ts";
import { TEMPERATURES } from "../shared/smoker.ts";
import { readingQueue, stateQueue } from "../shared/topology.ts";

const usage = {
  task: "smoker:produce",
  script: "smoker",
  summary:
    "Replays temperatures from a CSV into 01-smoker, 02-food-A and 02-food-B, a row every 30 s\n" +
    "unless told otherwise. Columns: Time (UTC) (or time), Channel1 (or smoker), Channel2 (or food-a),\n" +
    "Channel3 (or food-b); °F, an empty cell makes no message.",
  options: replayOptions("data/smoker-temps.csv", "30s", queueOption(READING_QUEUES)),
};

/** What becomes of a row of temperatures. */
export const COOK: Stream<Temperatures, Channel> = {
  ...usage,
  ...TEMPERATURES,
  key: "smoker.reading",
  queues: (names, type) => Object.values(names).map((queue) => readingQueue(queue, type)),
  states: (names) => Object.values(names).map((queue) => stateQueue(queue)),
  intervalMs: 30_000,
  messages: readingMessages,
  line: ({ time, readings }) =>
    `${time.replace("T", " ")}  ` +
    readings.map(({ channel, fahrenheit }) => `${channel} ${fahrenheit.toFixed(1)} °F`).join("  "),
};

if (import.meta.main) await run(usage, (script) => replay(script, COOK));
