/** What must not be shown: passwords, and web addresses that are as good as one. */

/** Shorter ones tell nothing, and would blot out every text. */
const MIN_LENGTH = 2;

export class Secrets {
  readonly #texts = new Set<string>();

  /** Adds secrets in the forms in which they may turn up. */
  add(...texts: readonly string[]): void {
    for (const text of texts) if (text.length >= MIN_LENGTH) this.#texts.add(text);
  }

  /** The text without them. */
  redact(text: string): string {
    // The longest first: one may be a part of another.
    const longestFirst = [...this.#texts].sort((a, b) => b.length - a.length);
    return longestFirst.reduce((rest, secret) => rest.replaceAll(secret, "…"), text);
  }
}
