/**
 * What a script says: results on stdout, diagnostics on stderr, and with `--json` or `--log` the same
 * as one JSON object a line.
 */
import { styleText } from "node:util";
import { reasonOf } from "./errors.ts";
import { LogFile, writeAll } from "./log_file.ts";

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
  /** Whether each line for people begins with the time of day. */
  times?: unknown;
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
  #log: LogFile | undefined;

  /** @throws {FailedError} If the log can't be opened. */
  constructor(options: OutputOptions) {
    this.#options = options;
    this.json = options.json === true;
    this.quiet = options.quiet === true;
    this.terminal = Deno.stdout.isTerminal() && !this.json;
    if (options.log === true) this.#log = new LogFile(options);
  }

  /** Whether an event without a line for people reaches anybody. */
  get hearsEvents(): boolean {
    return (this.json && !this.quiet) || this.#log !== undefined;
  }

  /**
   * A result.
   *
   * @param line For people; without it only `--json` and the log show the event.
   * @param logged What only the log says of it besides, for whoever reads it afterwards.
   */
  event(event: Event, line?: () => string, logged?: () => Record<string, unknown>): void {
    this.#write(event, this.quiet ? undefined : line, !this.quiet, logged);
  }

  /** A result that went wrong: shown at once, even with `--quiet`, on stderr unless `--json`. */
  problem(event: Event, line: () => string): void {
    this.#write(event, undefined, true);
    if (this.json) this.flush();
    else this.#diagnose(line());
  }

  /** The last result. */
  summary(event: Event, lines: () => string): void {
    this.#write(event, lines, true);
  }

  /** One line of plain text on stdout, for people only; a function is called only if it is printed. */
  line(text: string | (() => string)): void {
    if (this.json || this.quiet) return;
    this.#print(this.timed(typeof text === "string" ? text : text()));
  }

  /** How the work goes on: stderr and the log. */
  note(text: string): void {
    this.#append({ event: "note", text });
    if (!this.quiet) this.#diagnose(text);
  }

  /** The same for whoever waits in front of it: with `--json` it goes to the log only. */
  aside(text: string): void {
    this.#append({ event: "note", text });
    if (!this.quiet && !this.json) this.#diagnose(text);
  }

  /** What went wrong: stderr and the log. */
  error(text: string): void {
    this.#append({ event: "error", text });
    this.#diagnose(text);
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
      if (!isClosed(error)) throw error;
      this.#closed = true;
      this.#options.onClosed();
    }
  }

  close(): void {
    this.flush();
    this.#log?.close();
    this.#log = undefined;
  }

  #write(
    event: Event,
    line: (() => string) | undefined,
    printJson: boolean,
    logged?: () => Record<string, unknown>,
  ): void {
    if (this.json && printJson) this.#print(JSON.stringify(event));
    if (!this.json && line) {
      const lines = line().split("\n").map((text) => plain(text, this.#coloured));
      this.#print(this.timed(lines.join("\n")));
    }
    if (this.#log) this.#append({ ...event, ...logged?.() });
  }

  #diagnose(text: string): void {
    this.flush();
    const safe = this.timed(text.split("\n").map((line) => plain(line, false)).join("\n"));
    if (this.diverted) return this.diverted(safe);
    try {
      console.error(safe);
    } catch (error) {
      if (!isClosed(error)) throw error;
    }
  }

  /** Puts the time of day before each line, if that is asked for. */
  timed(text: string): string {
    if (this.#options.times !== true || this.json) return text;
    const time = new Date().toTimeString().slice(0, 8);
    return text.replace(/^(?=.)/gm, `${time}  `);
  }

  #append(event: Event): void {
    if (!this.#log) return;
    try {
      this.#log.append(event);
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

/** Whether nobody reads any more: a pipe without its reader, a terminal whose window was closed (EIO). */
function isClosed(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || (error as { code?: string }).code === "EIO";
}

/** A number of things: `1 row`, `2 rows`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
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
