/**
 * Judges readings with a window that is full, as a monitor does, and prints the nanoseconds that each cost.
 *
 *     deno run judge_readings.ts SIZE READINGS
 */
import { KeyJudge } from "../../shared/monitor/judge.ts";
import { stallRule } from "../../shared/monitor/rules.ts";
import { parseLocalTime, SMOKER, wordsOf } from "../../shared/streams.ts";

/** Readings judged beforehand, so that all code is compiled. */
const WARM_UP = 300_000;

/** So many are made, and then judged: their making isn't measured. */
const BLOCK = 10_000;

const EVERY_MS = 1000;
const START = parseLocalTime("2021-05-22T12:00:00");

const [size = 0, readings = 0] = Deno.args.map(Number);
const { name: stream, panel: { quantities } } = SMOKER;
const about = { stream, key: "food-a", quantities, words: wordsOf(stream) };
// A window by time has both its ends.
const spanMs = (size - 1) * EVERY_MS;
const judge = new KeyJudge(about, [stallRule({ name: "stall", threshold: 1, spanMs })]);

let row = 0;

/** Judges readings, and returns the milliseconds that it took. */
function judgeSome(count: number): number {
  let took = 0;
  for (let left = count; left > 0; left -= BLOCK) {
    const made = Array.from({ length: Math.min(left, BLOCK) }, () => {
      row++;
      // Spread so that the rule is never true: an alert costs more than a window.
      const value = 160 + 30 * Math.sin(row / 400) + row % 7;
      return { time: START + row * EVERY_MS, values: [value], run: "bench", row };
    });
    const began = performance.now();
    for (const reading of made) judge.judge(reading);
    took += performance.now() - began;
  }
  return took;
}

judgeSome(Math.max(WARM_UP, size));
console.log(judgeSome(readings) * 1e6 / readings);
