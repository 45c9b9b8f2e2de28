/** The log of `--log`: JSON lines with their time, appended. */
import { FailedError, reasonOf } from "./errors.ts";
import { ofProject } from "./options.ts";

export class LogFile {
  readonly #file: Deno.FsFile;
  readonly #encoder = new TextEncoder();

  /**
   * @param names The script, and whoever of several it is: `logs/<script>[-name].jsonl`.
   * @throws {FailedError} If it can't be opened.
   */
  constructor({ script, name }: { script: string; name?: unknown }) {
    const folder = ofProject("logs");
    const path = `${folder}/${script}${typeof name === "string" ? `-${name}` : ""}.jsonl`;
    try {
      Deno.mkdirSync(folder, { recursive: true });
      this.#file = Deno.openSync(path, { append: true, create: true });
    } catch (error) {
      throw new FailedError(`--log cannot write ${path}: ${reasonOf(error)}`);
    }
  }

  /** @throws What the system says when it can't be written. */
  append(event: object): void {
    const json = JSON.stringify({ at: new Date().toISOString(), ...event });
    writeAll(this.#file, this.#encoder.encode(json + "\n"));
  }

  close(): void {
    this.#file.close();
  }
}

/** Writes all bytes, also to a reader that is slow. */
export function writeAll(file: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) {
    try {
      written += file.writeSync(bytes.subarray(written));
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      // A parent left the pipe non-blocking and it is full: wait for the reader.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
