/**
 * Rules as people type them: `[name:] <aggregate> above|below <number> [for <time>]`, or `[name:] silent above <time>`.
 */
import { duration } from "../script.ts";
import { type Aggregate, AGGREGATES, type Rule, silentRule, windowRule } from "./rules.ts";

/** A rule as it is typed. */
export interface RuleText {
  readonly name: string;
  readonly aggregate: Aggregate | "silent";
  readonly direction: "above" | "below";
  /** What the aggregate is compared with; of `silent`, milliseconds. */
  readonly threshold: number;
  /** How long it must be true without a break, in milliseconds of recorded time. */
  readonly forMs: number;
}

/** Names become parts of ids. */
const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}._ -]{0,39}$/u;

/**
 * Reads a rule.
 *
 * @throws {RangeError} If it can't be read; the message says which word is wrong, and what is accepted there.
 */
export function parseRule(text: string): RuleText {
  const [, typedName, rest = ""] = /^(?:([^:]*):)?(.*)$/s.exec(text) ?? [];
  const words = rest.trim().split(/\s+/).filter((word) => word !== "");
  const [aggregate, direction, threshold, forWord, forTime, ...surplus] = words;
  const name = (typedName ?? aggregate ?? "").trim();
  if (typedName !== undefined && !NAME.test(name)) {
    throw wrong(
      1,
      typedName,
      "a name of letters, digits, spaces, '.', '_' or '-' before the colon",
    );
  }
  const known = [...AGGREGATES, "silent" as const].find((one) => one === aggregate);
  const at = typedName === undefined ? 1 : 2;
  if (!known) throw wrong(at, aggregate, `one of ${AGGREGATES.join(", ")} or silent`);
  if (direction !== "above" && direction !== "below") {
    throw wrong(at + 1, direction, "above or below");
  }
  if (known === "silent") {
    if (direction === "below") throw wrong(at + 1, direction, "above, after silent");
    const ms = lengthAt(at + 2, threshold);
    if (forWord !== undefined) throw wrong(at + 3, forWord, "nothing more, after silent");
    return { name, aggregate: known, direction, threshold: ms, forMs: 0 };
  }
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(threshold ?? "")) {
    throw wrong(at + 2, threshold, "a number");
  }
  const number = Number(threshold);
  if (!Number.isFinite(number)) throw wrong(at + 2, threshold, "a number that can be held");
  const rule = { name, aggregate: known, direction, threshold: number } as const;
  if (forWord === undefined) return { ...rule, forMs: 0 };
  if (forWord !== "for") throw wrong(at + 3, forWord, "for, or nothing more");
  const forMs = lengthAt(at + 4, forTime);
  if (surplus.length > 0) throw wrong(at + 5, surplus[0], "nothing more");
  return { ...rule, forMs };
}

/** @throws {RangeError} If two rules have one name. */
export function requireDifferentNames(rules: readonly RuleText[]): void {
  const names = rules.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new RangeError(
      `Two rules are called ${twice}: give them names, as in "high: last above 90"`,
    );
  }
}

/**
 * The rule for a monitor.
 *
 * @param window What it looks at: a length in milliseconds, or in readings.
 */
export function ruleOfText(
  { name, aggregate, direction, threshold, forMs }: RuleText,
  window: { readonly spanMs: number } | { readonly count: number },
): Rule {
  if (aggregate === "silent") return silentRule({ name, afterMs: threshold, ...window });
  return windowRule({ name, aggregate, direction, threshold, forMs, ...window });
}

function lengthAt(position: number, word: string | undefined): number {
  let ms = 0;
  try {
    ms = duration(word ?? "");
  } catch {
    // Said below.
  }
  if (ms <= 0) throw wrong(position, word, "a time above 0, like 30s or 5m");
  return ms;
}

function wrong(position: number, word: string | undefined, expected: string): RangeError {
  const found = word === undefined || word === "" ? "ends" : `has ${JSON.stringify(word)}`;
  return new RangeError(`${found} where it needs ${expected} (word ${position})`);
}
