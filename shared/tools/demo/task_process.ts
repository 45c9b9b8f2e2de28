/**
 * A task of deno.json as a child process: the very command a user types, with `--json`, its lines as events.
 */
import { delay, type Event, PROJECT } from "../../script.ts";

/** Time until a script that has never been ready gets the next signal to end, in milliseconds. */
const AGAIN_MS = 2000;

export interface TaskProcessOptions {
  /** Added to the environment, such as `AMQP_URL`. */
  env?: Record<string, string>;
  /** Text for standard input; without it there is none. */
  input?: string;
  /** The project's folder. @default this project's */
  project?: string;
  /** Hears every event as it comes. */
  onEvent?: (event: Event) => void;
}

/** How a task ended. */
export interface TaskEnd {
  readonly code: number;
  readonly stderr: string;
}

/** A running task. */
export class TaskProcess {
  /** Every event so far. */
  readonly events: Event[] = [];
  /** Resolves when it has ended and all its events are read. */
  readonly ended: Promise<TaskEnd>;
  readonly task: string;
  readonly #onEvent: (event: Event) => void;
  readonly #child: Deno.ChildProcess;
  #waiting: (() => void)[] = [];
  #over = false;

  constructor(task: string, args: string[] = [], options: TaskProcessOptions = {}) {
    const { env = {}, input, project = PROJECT, onEvent } = options;
    this.task = task;
    this.#onEvent = onEvent ?? (() => {});
    const child = this.#child = new Deno.Command("deno", {
      args: ["task", "--quiet", task, "--json", ...args],
      cwd: project,
      env: { NO_COLOR: "1", DENO_NO_PROMPT: "1", INIT_CWD: project, ...env },
      stdin: input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    if (input !== undefined) {
      ReadableStream.from([input]).pipeThrough(new TextEncoderStream())
        .pipeTo(child.stdin).catch(() => {}); // A task that has seen enough closes its input.
    }
    this.ended = Promise.all([child.status, this.#read(child.stdout), textOf(child.stderr)])
      .then(([{ code }, , stderr]) => ({ code, stderr }));
    this.ended.finally(() => this.#wake(true));
  }

  /** The process id of the script itself, which `deno task` stands before; known once it is ready. */
  get pid(): number {
    return Number(this.events.find(({ event }) => event === "ready")?.pid);
  }

  /**
   * Waits until the events fulfil a condition.
   *
   * @throws {Error} If the task ends before, or it takes longer than `timeoutMs` (30 s).
   */
  async until(
    condition: (events: Event[]) => boolean,
    { timeoutMs = 30_000 }: { timeoutMs?: number } = {},
  ): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!condition(this.events)) {
      const left = deadline - performance.now();
      if (this.#over || left <= 0) {
        const why = this.#over ? `ended: ${(await this.ended).stderr.trim()}` : "took too long";
        throw new Error(
          `${this.task} ${why}; its events: ${JSON.stringify(this.events.slice(-5))}`,
        );
      }
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
  }

  /** Waits for `ready`. */
  async ready(): Promise<this> {
    await this.until((events) => events.some(({ event }) => event === "ready"));
    return this;
  }

  /** Sends the script a signal, through the `kill` program: Deno's own needs the right to run anything. */
  async kill(signal: "INT" | "TERM" | "KILL" | "STOP" | "CONT"): Promise<void> {
    await new Deno.Command("kill", { args: [`-${signal}`, String(this.pid)], stderr: "null" })
      .output();
  }

  /** Ends the script at once, whatever it does, and waits for that. */
  end(): Promise<void> {
    return this.#end("KILL");
  }

  /** Asks the script to finish what is in hand, and waits for that. */
  stop(): Promise<void> {
    return this.#end("TERM");
  }

  async #end(signal: "KILL" | "TERM"): Promise<void> {
    await Promise.race([this.ready(), this.ended]).catch(() => {});
    if (this.pid) await this.kill(signal);
    // `deno task` hands a TERM on; a second one, a moment later, ends what hangs.
    while (!this.pid && !this.#over) {
      this.#child.kill("SIGTERM");
      await Promise.race([this.ended, delay(AGAIN_MS)]);
    }
    await this.ended;
  }

  async #read(stdout: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    for await (const text of stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const event = JSON.parse(line);
        this.events.push(event);
        this.#onEvent(event);
      }
      this.#wake();
    }
  }

  #wake(over = false): void {
    this.#over ||= over;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(stream).text();
}
