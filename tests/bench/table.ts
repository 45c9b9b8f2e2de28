/** The table that the bench prints: a line for each comparison, ratio first. */

/** One line. */
export interface Result {
  readonly what: string;
  /** Ours to theirs; left out where there is nothing beside. */
  readonly ratio?: number;
  /** Our figure with its unit. */
  readonly ours: string;
  /** What stands beside it, with its unit. */
  readonly other?: string;
  /** Seconds of CPU per 100,000, ours and theirs. */
  readonly cpu?: string;
  /** What we aim at, and whether it is so. */
  readonly target?: { readonly text: string; readonly met: boolean };
}

const HEAD = ["measured", "ratio", "ours", "beside", "CPU s per 100,000", "target"];

/** The lines as a Markdown table, its columns aligned as `deno fmt` does. */
export function table(results: readonly Result[]): string {
  const rows = results.map(({ what, ratio, ours, other = "", cpu = "", target }) => [
    what,
    ratio === undefined ? "" : ratio.toFixed(ratio < 10 ? 2 : ratio < 100 ? 1 : 0),
    ours,
    other,
    cpu,
    target ? `${target.text} ${target.met ? "✓" : "✗"}` : "",
  ]);
  const widths = HEAD.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0))
  );
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [HEAD, widths.map((width) => "-".repeat(width)), ...rows].map(line).join("\n");
}

/** A ratio that should be at least so much. */
export function atLeast(target: number, ratio: number): NonNullable<Result["target"]> {
  return { text: `≥ ${target}`, met: ratio >= target };
}
