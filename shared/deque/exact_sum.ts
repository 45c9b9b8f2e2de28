/**
 * A sum of numbers that come and go, without rounding on the way: what it says depends on the numbers alone, never on
 * the order in which they came or on those that have gone.
 *
 * It keeps the sum as a few numbers that don't overlap (Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997,
 * grow-expansion); Python's `math.fsum` rounds it in the same way.
 */
export class ExactSum {
  /** The smallest first. */
  #parts: number[] = [];

  /** Adds a finite number; its negative takes it away again. */
  add(number: number): void {
    const parts = this.#parts;
    let sum = number;
    let count = 0;
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as number;
      const isLarger = Math.abs(sum) >= Math.abs(part);
      const large = isLarger ? sum : part;
      const small = isLarger ? part : sum;
      sum = large + small;
      const rest = small - (sum - large);
      if (rest !== 0) parts[count++] = rest;
    }
    parts.length = count;
    if (sum !== 0) parts.push(sum);
  }

  /** The sum, correctly rounded. */
  get value(): number {
    const parts = this.#parts;
    let at = parts.length - 1;
    let sum = parts[at] ?? 0;
    let rest = 0;
    while (at > 0 && rest === 0) {
      const before = sum;
      const part = parts[--at] as number;
      sum = before + part;
      rest = part - (sum - before);
    }
    // A tie that the parts below break away from the even neighbour.
    const below = parts[at - 1] ?? 0;
    if (at > 0 && rest * below > 0) {
      const other = sum + 2 * rest;
      if (other - sum === 2 * rest) return other;
    }
    return sum;
  }
}
