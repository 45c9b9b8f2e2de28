/**
 * A panel of lines in a terminal, drawn again in place, with what happened last below it: as much of it as there is
 * room for, never more than the screen has lines, because what has scrolled away can't be drawn again.
 */

/** Draws at most so often, in milliseconds. */
const REDRAW_MS = 100;

/** Lines of news that are kept; as many are shown as there is room for. */
const MAX_NEWS = 100;

const BARS = "▁▂▃▄▅▆▇█";

export class Panel implements Disposable {
  readonly #rows = new Map<string, string>();
  readonly #news: string[] = [];
  readonly #encoder = new TextEncoder();
  #drawn = 0;
  #size = "";
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
    const { columns, rows } = screen();
    // The cursor stands on a line of its own below.
    const panel = [...this.#rows.values()].slice(0, rows - 1);
    const room = rows - 1 - panel.length - 1;
    const news = room > 0 && this.#news.length > 0 ? ["", ...this.#news.slice(-room)] : [];
    const lines = [...panel, ...news].map((line) => fit(line, columns));
    // A terminal that has changed its size has moved what was drawn: begin again on an empty screen.
    const resized = this.#drawn > 0 && this.#size !== `${columns}x${rows}`;
    const up = resized ? "\x1b[2J\x1b[H" : `\r${this.#drawn > 0 ? `\x1b[${this.#drawn}A` : ""}`;
    this.#size = `${columns}x${rows}`;
    const text = up + lines.map((line) => `\x1b[2K${line}\n`).join("") + "\x1b[0J";
    Deno.stdout.writeSync(this.#encoder.encode(text));
    this.#drawn = lines.length;
  }
}

/**
 * A small trace of values: a bar each, from the least to the greatest; the last `width` of them.
 *
 * @param least A range below this doesn't fill the height: what changes less than it takes for an alert looks flat.
 */
export function trace(values: readonly number[], width: number, least = 0): string {
  const shown = values.slice(-width);
  const min = Math.min(...shown);
  const range = Math.max(Math.max(...shown) - min, least);
  return shown.map((value) =>
    BARS[range === 0 ? 0 : Math.round((value - min) / range * (BARS.length - 1))]
  ).join("");
}

/** Size of the terminal; unknown to some, and 0 in others. */
function screen(): { columns: number; rows: number } {
  try {
    const { columns, rows } = Deno.consoleSize();
    return { columns: columns || 80, rows: rows || 24 };
  } catch {
    return { columns: 80, rows: 24 };
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
