/**
 * What a script says: results on stdout, diagnostics on stderr, and with `--json` or `--log` the same
 * as one JSON object a line.
 */
import { styleText } from "node:util";
import { FailedError, reasonOf } from "./errors.ts";

/** One line of `--json`. */
export interface Event {
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface OutputOptions {
  /** Names the log file. */
  script: string;
  name?: unknown;
  json?: unknown;
  log?: unknown;
  quiet?: unknown;
  /** Called once when nobody reads stdout any more (`… | head`). */
  onClosed: () => void;
}

/** Lines wait for the end of the turn, or until they are this many characters. */
const FLUSH_CHARS = 32_768;

export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** Whether a person looks at stdout: colours, panels and progress bars are for them only. */
  readonly terminal: boolean;
  /** Takes what would go to stderr, while something is drawn in place and must not be scrolled away. */
  diverted: ((text: string) => void) | undefined;
  readonly #options: OutputOptions;
  readonly #encoder = new TextEncoder();
  #pending = "";
  #closed = false;
  #log: Deno.FsFile | undefined;

  /** @throws {FailedError} If the log can't be opened. */
  constructor(options: OutputOptions) {
    this.#options = options;
    this.json = options.json === true;
    this.quiet = options.quiet === true;
    this.terminal = Deno.stdout.isTerminal() && !this.json;
    if (options.log === true) this.#log = openLog(options);
  }

  /** A result. `line` is for people; without it only `--json` and the log show the event. */
  event(event: Event, line?: () => string): void {
    this.#write(event, this.quiet ? undefined : line, !this.quiet);
  }

  /** A result that went wrong: shown at once, even with `--quiet`, on stderr unless `--json`. */
  problem(event: Event, line: () => string): void {
    this.#write(event, undefined, true);
    if (this.json) this.flush();
    else this.error(line());
  }

  /** The last result. */
  summary(event: Event, lines: () => string): void {
    this.#write(event, lines, true);
  }

  /** One line of plain text on stdout, for people only; a function is called only if it is printed. */
  line(text: string | (() => string)): void {
    if (this.json || this.quiet) return;
    this.#print(typeof text === "string" ? text : text());
  }

  /** How the work goes on: stderr. */
  note(text: string): void {
    if (!this.quiet) this.error(text);
  }

  /** What went wrong: stderr. */
  error(text: string): void {
    this.flush();
    const safe = text.split("\n").map((line) => plain(line, false)).join("\n");
    if (this.diverted) this.diverted(safe);
    else console.error(safe);
  }

  /** Colours a part of a line, in a terminal and unless NO_COLOR is set. */
  paint(style: "bold" | "dim" | "red" | "green" | "yellow" | "cyan", text: string): string {
    return this.#coloured ? styleText(style, text, { validateStream: false }) : text;
  }

  get #coloured(): boolean {
    return this.terminal && !Deno.noColor;
  }

  /** Writes out what waits. */
  flush(): void {
    const text = this.#pending;
    this.#pending = "";
    if (text === "" || this.#closed) return;
    try {
      writeAll(Deno.stdout, this.#encoder.encode(text));
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      this.#closed = true;
      this.#options.onClosed();
    }
  }

  close(): void {
    this.flush();
    this.#log?.close();
    this.#log = undefined;
  }

  #write(event: Event, line: (() => string) | undefined, printJson: boolean): void {
    const json = this.#log || (this.json && printJson) ? JSON.stringify(event) : "";
    if (this.json) {
      if (printJson) this.#print(json);
    } else if (line) {
      this.#print(line().split("\n").map((text) => plain(text, this.#coloured)).join("\n"));
    }
    if (this.#log) this.#append(json);
  }

  #append(json: string): void {
    try {
      writeAll(this.#log as Deno.FsFile, this.#encoder.encode(json + "\n"));
    } catch (error) {
      // A full disk must not cost messages: go on without the log, and say so once.
      this.#log = undefined;
      this.error(`The log can't be written any more, going on without it: ${reasonOf(error)}`);
    }
  }

  #print(line: string): void {
    if (this.#pending === "") queueMicrotask(() => this.flush());
    this.#pending += line + "\n";
    if (this.#pending.length > FLUSH_CHARS) this.flush();
  }
}

function openLog({ script, name }: OutputOptions): Deno.FsFile {
  const path = `logs/${script}${typeof name === "string" ? `-${name}` : ""}.jsonl`;
  try {
    Deno.mkdirSync("logs", { recursive: true });
    return Deno.openSync(path, { append: true, create: true });
  } catch (error) {
    throw new FailedError(`--log cannot write ${path}: ${reasonOf(error)}`);
  }
}

function writeAll(file: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
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

/** Text of a message for a line of its own: it can't colour it, end it or begin another. */
export function inert(text: string): string {
  return plain(text, false).replace(/\n/g, "\ufffd");
}

/** Text from a message can't move the cursor or ring the bell; colours, ours, are left where there are some. */
function plain(text: string, coloured: boolean): string {
  // deno-lint-ignore no-control-regex -- removing them is the point
  const escapes = coloured ? /\x1b(?!\[\d{1,2}m)/g : /\x1b/g;
  return text.replace(escapes, "\ufffd")
    // deno-lint-ignore no-control-regex -- removing them is the point
    .replace(/[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f]/g, "\ufffd");
}
