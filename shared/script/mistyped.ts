/** A command line that `parseArgs` doesn't take: what is wrong with it, and what was probably meant. */
import { distance } from "fastest-levenshtein";
import { withoutPassword } from "./errors.ts";

/** In a flag that is nearly another one, at most this many letters are wrong, missing or too many. */
const MAX_TYPOS = 2;

/** What `parseArgs` has against a command line, and what to type instead. */
export function explainMistyped(reason: string, flags: string[]): string {
  const ambiguous = /^Option '(--[^ ']+).*ambiguous/.exec(reason)?.[1];
  if (ambiguous) {
    return `${ambiguous} needs a value; one that begins with a dash is typed ${ambiguous}=-…`;
  }
  const what = withoutPassword(reason.split(/\. |\n/)[0]?.replace(/\.$/, "") ?? "");
  const unknown = /^Unknown option '--([^']+)'/.exec(reason)?.[1];
  const near = unknown === undefined ? [] : nearest(unknown, flags);
  const meant = near.length === 0
    ? ""
    : `Did you mean ${near.map((flag) => `--${flag}`).join(" or ")}? `;
  return `${what}. ${meant}Accepted: ${flags.map((flag) => `--${flag}`).join(" ")}`;
}

/** The words that were probably meant: those that begin like this, or else have the fewest other letters. */
export function nearest(typed: string, flags: string[]): string[] {
  const longer = flags.filter((flag) => typed.length > 1 && flag.startsWith(typed));
  if (longer.length > 0) return longer;
  const typos = flags.map((flag) => distance(typed, flag));
  const fewest = Math.min(...typos);
  if (fewest > MAX_TYPOS || fewest >= typed.length - 1) return [];
  return flags.filter((_, index) => typos[index] === fewest);
}
