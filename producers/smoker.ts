/**
 * Replays the temperatures of a cook from a CSV into the smart smoker's three queues, a row every 30 seconds.
 *
 *     deno task smoker:produce
 *     deno task smoker:produce --speed 60
 *
 * A row makes up to three messages; an empty cell makes none. Needs the network for the broker, `data/` to
 * read, `logs/` to write with `--log`, the browser to run with `--admin`.
 */
import { replay, replayOptions } from "../shared/replay.ts";
import { run } from "../shared/script.ts";
import { SMOKER } from "../shared/streams.ts";

const usage = {
  task: "smoker:produce",
  script: "smoker",
  summary:
    "Replays temperatures from a CSV into 01-smoker, 02-food-A and 02-food-B, a row every 30 s\n" +
    "unless told otherwise. Columns: Time (UTC) (or time), Channel1 (or smoker), Channel2 (or food-a),\n" +
    "Channel3 (or food-b); °F, an empty cell makes no message.",
  options: replayOptions(SMOKER),
};

if (import.meta.main) await run(usage, (script) => replay(script, SMOKER));
