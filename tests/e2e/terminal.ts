/** A pseudo-terminal in which a task runs as a person runs it: with a screen of some size, a keyboard and Ctrl-C. */

/** Longest wait for anything on the screen, in milliseconds. */
const PATIENCE_MS = 30_000;

export const CTRL_C = "\x03";

export interface TerminalOptions {
  readonly rows?: number;
  readonly columns?: number;
  /** The folder in which the command is typed. */
  readonly cwd?: string;
  readonly env?: Record<string, string>;
}

export class Terminal implements AsyncDisposable {
  /** All that was written to it, escape sequences included. */
  written = "";
  readonly #child: Deno.ChildProcess;
  readonly #keyboard: WritableStreamDefaultWriter<Uint8Array>;
  readonly #over: Promise<void>;
  #wake: () => void = () => {};
  #ended = false;

  /** Starts a command of the shell. */
  constructor(command: string, { rows = 24, columns = 80, cwd, env = {} }: TerminalOptions = {}) {
    this.#child = new Deno.Command("script", {
      // The task that runs these tests hands INIT_CWD on; here it is typed anew.
      args: [
        "-qefc",
        `stty rows ${rows} cols ${columns}; exec env -u INIT_CWD ${command}`,
        "/dev/null",
      ],
      env: { NO_COLOR: "1", TERM: "xterm", ...env },
      stdin: "piped",
      stdout: "piped",
      ...(cwd === undefined ? {} : { cwd }),
    }).spawn();
    this.#keyboard = this.#child.stdin.getWriter();
    this.#over = this.#read();
  }

  /** Waits until the screen shows something; fails when it ends before. */
  async until(pattern: RegExp): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!pattern.test(this.written)) {
      const left = deadline - performance.now();
      if (this.#ended || left <= 0) {
        throw new Error(`Waited in vain for ${pattern}: ${JSON.stringify(this.written)}`);
      }
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
  }

  async type(text: string): Promise<void> {
    await this.#keyboard.write(new TextEncoder().encode(text));
  }

  /** Waits for the end of the command; its exit code. */
  async end(): Promise<number> {
    await this.#over;
    return (await this.#child.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Without its terminal the command gets a SIGHUP.
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.#over;
    await this.#keyboard.close().catch(() => {});
    await this.#child.status;
  }

  async #read(): Promise<void> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      // What `deno task` and `deno run` clear before the script begins is no part of it.
      this.written = (this.written + text).replaceAll("\x1b[0G\x1b[2K\x1b[J", "");
      this.#wake();
    }
    this.#ended = true;
    this.#wake();
  }
}
