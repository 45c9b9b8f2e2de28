/** The streams that the tools know: those declared here, and those that users have described in `data/`. */
import { ofProject, reasonOf } from "../script.ts";
import { ALERTS } from "./alerts.ts";
import { csvStream } from "./any_csv.ts";
import { readDescription } from "./csv_description.ts";
import { DATA_STREAMS } from "./list.ts";
import type { AnyStream, StreamQueue } from "./stream.ts";

/** Every declared stream; the alerts come last. */
export const STREAMS: readonly AnyStream[] = [...DATA_STREAMS, ALERTS];

const DESCRIPTION = /\.stream\.json$/;

/**
 * {@link STREAMS} and those of `data/*.stream.json`, before the alerts. A file that can't be read is left out, and so is
 * one whose queue another stream has. Where `data/` may not be read, there are none of them.
 *
 * @param onProblem Gets a sentence for each file that can't be read.
 */
export async function knownStreams(onProblem: (text: string) => void): Promise<AnyStream[]> {
  const folder = ofProject("data");
  const { state } = await Deno.permissions.query({ name: "read", path: folder });
  const files = state === "granted" ? namesIn(folder) : [];
  const described: AnyStream[] = [];
  const taken = new Set(queuesOf(STREAMS).map(({ name }) => name));
  for (const file of files.toSorted()) {
    try {
      const description = await readDescription(`${folder}/${file}`, "");
      const { queue } = description;
      if (queue === undefined || taken.has(queue)) continue;
      taken.add(queue);
      described.push(csvStream(description) as AnyStream);
    } catch (error) {
      onProblem(`${reasonOf(error)}; it is left out`);
    }
  }
  return [...DATA_STREAMS, ...described, ALERTS];
}

function namesIn(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name)
      .filter((name) => DESCRIPTION.test(name));
  } catch {
    return [];
  }
}

/**
 * What ends the line that reports a dead letter: of a queue that `deno task dead` doesn't show by itself, what to type.
 */
export async function deadHints(): Promise<(queue: string) => string> {
  const known = queuesOf(await knownStreams(() => {}))
    .filter(({ deadElsewhere }) => !deadElsewhere).map(({ name }) => name);
  return (queue) => known.includes(queue) ? "" : `: deno task dead --queue ${shellWord(queue)}`;
}

function shellWord(text: string): string {
  return /^[\w.:/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The queues of streams. */
export function queuesOf(streams: readonly AnyStream[]): StreamQueue[] {
  return streams.flatMap(({ queues }) => Object.values(queues));
}
