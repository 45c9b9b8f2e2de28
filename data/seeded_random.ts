/**
 * What the generators of this folder share: random numbers from a fixed seed, and dates as the
 * class's files write them. The same seed always yields the same file, on any machine.
 */

/** A source of random numbers in [0, 1), from one 32-bit seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normally distributed numbers, mean 0 and standard deviation 1 (Box-Muller). */
export function gaussian(random: () => number): () => number {
  // 1 - random() is never 0, whose logarithm would be infinite.
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const two = (number: number) => String(number).padStart(2, "0");

/** `M/D/YY H:MM`, as in the help desk's file. Read in UTC, so that no time zone changes the file. */
export function shortDate(date: Date): string {
  const day = `${date.getUTCMonth() + 1}/${date.getUTCDate()}/${two(date.getUTCFullYear() % 100)}`;
  return `${day} ${date.getUTCHours()}:${two(date.getUTCMinutes())}`;
}

/** `MM/DD/YY HH:MM:SS`, as in the smoker's file. */
export function longDate(date: Date): string {
  const [month, day] = [two(date.getUTCMonth() + 1), two(date.getUTCDate())];
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(":");
  return `${month}/${day}/${two(date.getUTCFullYear() % 100)} ${time}`;
}
