/** The smart smoker's CSV: what its columns are and what a row of it makes. */
import { CHANNELS } from "./alerts.ts";
import type { Source } from "./csv_replay.ts";
import { formatLocalTime, parseLocalTime } from "./local_time.ts";
import { readFahrenheit, type Temperatures } from "./messages.ts";

export const TEMPERATURES: Source<Temperatures> = {
  columns: {
    "time": ["Time (UTC)"],
    "smoker": ["Channel1"],
    "food-a": ["Channel2"],
    "food-b": ["Channel3"],
  },
  timeColumn: "time",
  parse([recorded = "", ...cells]) {
    const time = formatLocalTime(parseLocalTime(recorded));
    const readings = CHANNELS.flatMap((channel, index) => {
      const cell = cells[index]?.trim() ?? "";
      return cell === "" ? [] : [{ time, channel, fahrenheit: readFahrenheit(cell) }];
    });
    return { time, readings };
  },
};
