/**
 * Makes smoker-temps.csv: a cook of 10 h 7 min, simulated by smoker_model.ts and read the way a real
 * logger does it. Prints what truly happens in the model, which README.md retells.
 *
 *     deno run --allow-write=data data/make_smoker_temps.ts
 */
import { gaussian, longDate, seededRandom } from "./seeded_random.ts";
import { cook, type Moment, OPENINGS } from "./smoker_model.ts";

// Picked among thousands for a cook whose stalls begin and end without hesitating.
const SEED = 3879;
const FIRST_ROW = Date.UTC(2021, 4, 22, 12, 34, 10);
const MINUTES = 607.5;
/** From this minute on the smoker's probe is silent: its battery is flat. The fire burns on. */
const SILENT = 520;
/** Between these seconds, 280 s apart, the logger is out of the probes' reach and writes nothing. */
const LOST = { after: 152 * 60 + 25, until: 157 * 60 + 5 };

const time = (second: number) => longDate(new Date(FIRST_ROW + second * 1000));

/**
 * The lines that the logger writes. Each probe is asked once a minute and its answer is written twice,
 * 5 s apart. The foods' answers overlap by a line; once the smoker is silent they come together.
 */
function logged(moments: Moment[], noise: () => number): string[] {
  const lines: string[] = [];
  const shown = ["", "", ""];
  for (const { second, air, foodA, foodB } of moments) {
    const silent = second >= SILENT * 60;
    const probes = [
      { asked: 0, value: silent ? undefined : air, error: 0.3 },
      { asked: silent ? 30 : 25, value: foodA?.core, error: 0.02 },
      { asked: 30, value: foodB?.core, error: 0.02 },
    ];
    const cells = probes.map(({ asked, value, error }, probe) => {
      const since = second % 60 - asked;
      if (value === undefined || (since !== 0 && since !== 5)) return "";
      if (since === 0) shown[probe] = (value + error * noise()).toFixed(1);
      return shown[probe];
    });
    const lost = second > LOST.after && second < LOST.until;
    if (!lost && cells.some((cell) => cell !== "")) lines.push([time(second), ...cells].join(","));
  }
  return lines;
}

/** What the lid does to the smoker's air, in the model and not in the file. */
function openings(moments: Moment[]): string[] {
  return OPENINGS.map(({ at, minutes, why }) => {
    const open = moments.filter(({ second }) => second >= at * 60 && second <= (at + minutes) * 60);
    const [hot, cold] = [open[0]!.air, Math.min(...open.map(({ air }) => air))];
    const drop = `${hot.toFixed(0)} to ${cold.toFixed(0)} °F`;
    return `${time(open[0]!.second)} lid open for ${minutes} min, ${why}: ${drop}`;
  });
}

/** When a cut that sweats (above 140 °F) takes up too little heat to warm by 0.1 °F a minute. */
function stall(moments: Moment[], cut: "foodA" | "foodB"): string {
  const stalled = moments.flatMap(({ second, [cut]: meat }) =>
    meat && meat.core > 140 && meat.climb < 0.1 ? [{ second, ...meat }] : []
  );
  const [first, last] = [stalled[0]!, stalled.at(-1)!];
  const share = stalled.reduce((sum, { share }) => sum + share, 0) / stalled.length;
  const where = `${first.core.toFixed(0)} to ${last.core.toFixed(0)} °F`;
  const lost = `${(100 * share).toFixed(0)} % of its heat evaporates`;
  return `${time(first.second)} to ${time(last.second)} ${cut} stalls: ${where}, ${lost}`;
}

if (import.meta.main) {
  const noise = gaussian(seededRandom(SEED));
  const moments = cook(noise, MINUTES);
  const lines = ["Time (UTC),Channel1,Channel2,Channel3", ...logged(moments, noise)];
  const file = new URL("smoker-temps.csv", import.meta.url);
  await Deno.writeTextFile(file, lines.join("\n") + "\n");

  const events = [...openings(moments), stall(moments, "foodA"), stall(moments, "foodB")];
  console.log(events.join("\n"));
}
