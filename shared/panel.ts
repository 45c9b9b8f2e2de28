/** A panel of lines in a terminal, drawn again in place, with what happened last below it. */

/** Draws at most so often, in milliseconds. */
const REDRAW_MS = 100;

/** Lines of news below the panel. */
const MAX_NEWS = 10;

const BARS = "▁▂▃▄▅▆▇█";

export class Panel implements Disposable {
  readonly #rows = new Map<string, string>();
  readonly #news: string[] = [];
  readonly #encoder = new TextEncoder();
  #drawn = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Sets one line of the panel, by its key; lines stay in the order of their first appearance. */
  set(key: string, line: string): void {
    this.#rows.set(key, line);
    this.#drawSoon();
  }

  /** Adds a line of news. */
  tell(line: string): void {
    this.#news.push(line);
    if (this.#news.length > MAX_NEWS) this.#news.shift();
    this.#drawSoon();
  }

  /** Draws for the last time and leaves it on the screen. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#draw();
  }

  #drawSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#draw();
    }, REDRAW_MS);
  }

  #draw(): void {
    const news = this.#news.length > 0 ? ["", ...this.#news] : [];
    const lines = [...this.#rows.values(), ...news].map((line) => fit(line, columns()));
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : "";
    const text = up + lines.map((line) => `\x1b[2K${line}\n`).join("") + "\x1b[0J";
    Deno.stdout.writeSync(this.#encoder.encode(text));
    this.#drawn = lines.length;
  }
}

/** A small trace of values: a bar each, from the least to the greatest; the last `width` of them. */
export function trace(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const min = Math.min(...shown);
  const range = Math.max(...shown) - min;
  return shown.map((value) =>
    BARS[range === 0 ? 0 : Math.round((value - min) / range * (BARS.length - 1))]
  ).join("");
}

/** Width of the terminal; unknown to some, and 0 in others. */
function columns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

/** Cuts a line to a width; colours take no room. */
function fit(line: string, width: number): string {
  let room = width;
  return line.replace(
    // deno-lint-ignore no-control-regex -- finds our own colours
    /\x1b\[[\d;]*m|./gu,
    (part) => part.length > 1 && part[0] === "\x1b" ? part : room-- > 0 ? part : "",
  );
}
