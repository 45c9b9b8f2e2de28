/**
 * What a smoker's monitor announces: the readings it has judged, batch by batch; its alerts, never sampled; its
 * dead letters; and, for who starts to watch later, which episodes are open.
 */
import type { Channel, ChannelRule } from "./alerts.ts";
import type { Judged } from "./channel_monitor.ts";
import type { Announcer } from "./watch.ts";

export class SmokerAnnouncer {
  readonly #announcer: Announcer;
  readonly #totals: () => Record<string, unknown>;
  readonly #open = new Map<Channel, { id: string; rule: string; opened: string }>();

  /** @param totals The counts of all channels together. */
  constructor(announcer: Announcer, totals: () => Record<string, unknown>) {
    this.#announcer = announcer;
    this.#totals = totals;
  }

  /** From now on it says that the monitor is there. */
  present(): void {
    this.#announcer.present("smoker.presence", () => ({
      open: [...this.#open].map(([channel, episode]) => ({ channel, ...episode })),
      totals: this.#totals(),
    }));
  }

  /** The channel is another monitor's, or nobody's: what is open there isn't known any more. */
  lost(channel: Channel): void {
    this.#open.delete(channel);
  }

  /** A batch was judged and its alerts are published. */
  judged({ channel, span }: ChannelRule, batch: readonly Judged[]): void {
    const last = batch.at(-1);
    if (!last) return;
    const { episode } = last.judge;
    if (!episode) this.#open.delete(channel);
    else this.#open.set(channel, { id: episode.id, rule: episode.rule, opened: episode.opened });
    for (const alert of batch.flatMap(({ verdict }) => verdict.alerts)) {
      const body = { ...alert, windowMs: span, totals: this.#totals() };
      this.#announcer.announce("smoker.alert", () => body, { always: true });
    }
    const { run } = last.reading;
    const readings = batch.filter(({ verdict, reading }) =>
      verdict.verdict === "judged" && reading.run === run
    ).map(({ reading }) => [reading.time, reading.fahrenheit]);
    const { change } = last.verdict;
    this.#announcer.announce(
      "smoker.judged",
      () => ({
        channel,
        run,
        readings,
        change,
        windowMs: span,
        open: episode?.id ?? null,
        totals: this.#totals(),
      }),
      { always: true },
    );
  }

  dead(id: string | null, queue: string, reason: string): void {
    this.#announcer.announce("smoker.dead", () => ({ id, queue, reason, totals: this.#totals() }));
  }
}
