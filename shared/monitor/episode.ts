/** An episode: the readings for which a rule is true without a break. It opens with one alert and ends with another. */
import { z } from "zod";

/** What is saved of an open episode: its figures so far, over the readings for which its rule was true. */
export const OpenEpisode = z.object({
  id: z.string(),
  rule: z.string(),
  opened: z.string(),
  readings: z.number(),
  min: z.number(),
  max: z.number(),
});

export type OpenEpisode = z.infer<typeof OpenEpisode>;

/** Figures of an episode over the readings for which its rule was true. */
export interface EpisodeSummary {
  readonly rule: string;
  readonly opened: string;
  /** The time of the reading at which it resolved; `null` while it is open. */
  readonly resolved: string | null;
  readonly readings: number;
  readonly min: number;
  readonly max: number;
}

/** The episode with one more reading. */
export function withReading(episode: OpenEpisode, value: number): OpenEpisode {
  const [min, max] = [Math.min(episode.min, value), Math.max(episode.max, value)];
  return { ...episode, readings: episode.readings + 1, min, max };
}

/** @param resolved The time of its end; `null` while it is open. */
export function summaryOf(episode: OpenEpisode, resolved: string | null): EpisodeSummary {
  const { rule, opened, readings, min, max } = episode;
  return { rule, opened, resolved, readings, min, max };
}
