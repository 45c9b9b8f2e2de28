/** A distribution in a fixed amount of memory, however many values it has seen. */

/** Each bucket is so much wider than the one before: a quantile is off by at most half of that, 1 %. */
const GROWTH = 1.02;

/** Values below the first bucket's bound, 1, count as that. */
const LOG_GROWTH = Math.log(GROWTH);

export class Histogram {
  count = 0;
  max = 0;
  /** How many values lie between GROWTH^i and GROWTH^(i+1); as many buckets as the largest value needs. */
  readonly #buckets: number[] = [];

  /** @param value At least 0, such as a time in milliseconds. */
  add(value: number): void {
    const bucket = value <= 1 ? 0 : Math.floor(Math.log(value) / LOG_GROWTH);
    for (let i = this.#buckets.length; i <= bucket; i++) this.#buckets.push(0);
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.count++;
    this.max = Math.max(this.max, value);
  }

  /**
   * The value below which a share of all lies, to 1 %.
   *
   * @param share Above 0, at most 1.
   * @returns 0 when nothing was added.
   */
  quantile(share: number): number {
    let left = Math.ceil(share * this.count);
    for (const [bucket, count] of this.#buckets.entries()) {
      left -= count;
      if (left <= 0) return Math.min(this.max, bucket === 0 ? 0 : GROWTH ** (bucket + 0.5));
    }
    return this.max;
  }
}
