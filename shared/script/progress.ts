/** The progress bar of a fast replay, on stderr. */
import process from "node:process";
import type { Output } from "./output.ts";
import { Format, SingleBar } from "cli-progress";

/** The bar goes back to where it was saved when it ends: below what was put above it. */
const SAVE_CURSOR = "\x1b7";

/** Redraws per second. */
const FPS = 8;

export class Progress implements Disposable {
  readonly #out: Output;
  readonly #bar: SingleBar;
  readonly #started = performance.now();
  readonly #total: number;

  /**
   * @param out Its messages are put above the bar.
   * @param bytes Size of the file; the bar is that of the bytes read. `undefined` shows counts only.
   */
  constructor(out: Output, bytes: number | undefined) {
    this.#out = out;
    out.diverted = (text) => process.stderr.write(`\r\x1b[2K${text}\n${SAVE_CURSOR}`);
    const counts = "{rows} rows  {rate} rows/s  {confirmed} confirmed";
    this.#bar = new SingleBar({
      format: bytes === undefined ? counts : `{bar} {percentage} %  ${counts}  {left} left`,
      stream: process.stderr as NodeJS.WritableStream,
      fps: FPS,
      hideCursor: true,
      clearOnComplete: true,
      gracefulExit: false,
      formatBar: Format.BarFormat,
    });
    this.#bar.start(bytes ?? 1, 0, { rows: 0, rate: 0, confirmed: 0, left: "?" });
    this.#total = bytes ?? 0;
  }

  update(rows: number, confirmed: number, bytesRead: number): void {
    const seconds = (performance.now() - this.#started) / 1000;
    // Bytes are read ahead of the rows: never full before the end.
    const done = Math.min(bytesRead, this.#total * 0.999);
    const left = bytesRead > 0 ? seconds * (this.#total - done) / done : NaN;
    this.#bar.update(done, {
      rows: rows.toLocaleString("en"),
      rate: Math.round(rows / Math.max(seconds, 0.001)).toLocaleString("en"),
      confirmed: confirmed.toLocaleString("en"),
      left: Number.isFinite(left) ? `${Math.ceil(left)} s` : "?",
    });
  }

  [Symbol.dispose](): void {
    this.#bar.stop();
    this.#out.diverted = undefined;
  }
}
