/** The CSVs that the bench replays, made anew each time and always the same. */
import { formatLocalTime, parseLocalTime } from "../../shared/streams.ts";

/** Tasks, one a line: no dots, so no work. */
export function taskRows(count: number): string {
  return lines(count, (row) => `Compress the pictures of folder ${row} and tell their owner`);
}

/** Help-desk tickets. */
export function ticketRows(count: number): string {
  return "Date_Time,First_Name,Help_Request\n" +
    lines(count, (row) => `2/14/23 10:15,Requester${row},${"ABCDE"[row % 5]}`);
}

/** Temperatures of all three channels, 30 s apart: a fire that swings, two foods that warm and stall. */
export function temperatureRows(count: number): string {
  const start = parseLocalTime("2021-05-22T12:00:00");
  return "Time (UTC),Channel1,Channel2,Channel3\n" + lines(count, (row) => {
    const smoker = 230 + 40 * Math.sin(row / 9);
    const foods = [0, 700].map((shift) => 160 + 40 * Math.sin((row + shift) / 400));
    const cells = [smoker, ...foods].map((value) => value.toFixed(1));
    return `${formatLocalTime(start + row * 30_000)},${cells.join(",")}`;
  });
}

/** Temperatures of the smoker alone: a row makes one reading. */
export function readingRows(count: number): string {
  return temperatureRows(count).replaceAll(/,[\d.]+,[\d.]+$/gm, ",,");
}

function lines(count: number, line: (row: number) => string): string {
  return Array.from({ length: count }, (_, index) => line(index + 1)).join("\n") + "\n";
}
