/** A line on stderr that says what is waited for. */
import type { Output } from "../../script.ts";
import type { Waiting } from "./local_node.ts";

/** Says on stderr what is waited for: once, and in a terminal for how long already. */
export class WaitingLine implements Waiting, Disposable {
  readonly signal: AbortSignal;
  readonly #out: Output;
  readonly #live: boolean;
  #what = "";
  #since = 0;

  constructor(out: Output, signal: AbortSignal) {
    this.signal = signal;
    this.#out = out;
    this.#live = Deno.stderr.isTerminal() && !out.quiet;
  }

  readonly report = (what: string): void => {
    if (what !== this.#what) {
      this.clear();
      this.#what = what;
      this.#since = Date.now();
      if (!this.#live) this.#out.note(`${what} …`);
    }
    const seconds = Math.round((Date.now() - this.#since) / 1000);
    // The cursor stays at the line's start, so that whatever is printed next replaces it.
    if (this.#live) write(`${what} … ${seconds} s\r`);
  };

  /** Makes room for what is printed next. */
  clear(): void {
    if (this.#live && this.#what !== "") write("\x1b[K");
    this.#what = "";
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}

const write = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text));
