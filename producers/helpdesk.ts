/**
 * Replays help-desk tickets from a CSV into `help_queue`, one every 5 seconds, each confirmed by the broker.
 *
 *     deno task helpdesk:produce
 *     deno task helpdesk:produce --speed 60
 *     cat my-tickets.csv | deno task helpdesk:produce --file - --interval 250ms
 *
 * Needs the network for the broker, `data/` to read, `logs/` to write with `--log`, the browser to run with `--admin`.
 */
import { replay, replayOptions } from "../shared/replay.ts";
import { run } from "../shared/script.ts";
import { HELPDESK } from "../shared/streams.ts";

const usage = {
  task: "helpdesk:produce",
  script: "helpdesk",
  summary:
    "Replays help-desk tickets from a CSV into help_queue, one every 5 s unless told otherwise.\n" +
    "Columns: Date_Time (or submitted), First_Name (or name), Help_Request (or category, A to E).",
  options: replayOptions(HELPDESK, "tickets"),
};

if (import.meta.main) await run(usage, (script) => replay(script, HELPDESK));
