/**
 * Judges readings with a window that is full, as a monitor does, and prints the nanoseconds that each cost.
 *
 *     deno run judge_readings.ts SIZE READINGS
 */
import { ruleFor } from "../../shared/alerts.ts";
import { ChannelJudge } from "../../shared/episodes.ts";
import { formatLocalTime, parseLocalTime } from "../../shared/local_time.ts";

/** Readings judged beforehand, so that all code is compiled. */
const WARM_UP = 300_000;

const EVERY_MS = 1000;
const START = parseLocalTime("2021-05-22T12:00:00");

const [size = 0, readings = 0] = Deno.args.map(Number);
const judge = new ChannelJudge(ruleFor("food-a", {
  foodWindow: size * EVERY_MS,
  readingsEvery: EVERY_MS,
}));

/** Readings made beforehand, again and again: their making isn't measured. */
const made = Array.from({ length: 10_000 }, (_, index) => ({
  time: formatLocalTime(START + index * EVERY_MS),
  fahrenheit: 160 + 30 * Math.sin(index / 400) + index % 7 / 10,
}));

let row = 0;
function judgeSome(count: number): void {
  for (const end = row + count; row < end;) {
    const reading = made[row % made.length];
    if (reading) judge.judge({ ...reading, run: "bench", row: ++row });
  }
}

judgeSome(Math.max(WARM_UP, size));
const began = performance.now();
judgeSome(readings);
console.log((performance.now() - began) * 1e6 / readings);
