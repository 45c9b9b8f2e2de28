/**
 * Looks into a CSV and describes it as a stream: on stdout a file for `--stream` of the tasks csv:produce, csv:work and
 * csv:monitor, on stderr why.
 *
 *     deno task csv:init data/orders.csv > data/mine.stream.json
 *     cat trips.csv | deno task csv:init - > data/trips.stream.json
 *
 * Needs `data/` to read, no broker.
 */
import { openCsv } from "../replay.ts";
import { counted, fromHere, inProject, optional, type Output } from "../script.ts";
import { OUTPUT_OPTIONS, run, type Script, unlessAborted, UsageError } from "../script.ts";
import { delimiter, requireQueueName } from "../streams.ts";
import { columnsOf, decimalOf, intervalText, keysAmong } from "./csv_init/guesses.ts";
import { timeAmong, typeOf, usualGap } from "./csv_init/guesses.ts";
import { MAX_ROWS, readSample } from "./csv_init/sample.ts";

const usage = {
  task: "csv:init",
  script: "csv_init",
  summary:
    `Looks into the first ${MAX_ROWS} rows of a CSV (- for standard input): what separates its cells, numbers,\n` +
    "times and how they are written. Prints a description, as JSON, for --stream of csv:produce, csv:work and\n" +
    "csv:monitor; on stderr it says what it has guessed, and why.",
  words: "FILE",
  options: {
    delimiter: optional(
      "CHAR",
      delimiter,
      "what separates cells, if the guess is wrong; tab for a tab",
    ),
    ...OUTPUT_OPTIONS,
  },
};

/** A queue called like the file. */
function queueFor(path: string): string {
  const [, name = ""] = /([^/\\]*?)(\.[^./\\]*)?$/.exec(path) ?? [];
  try {
    return requireQueueName(name);
  } catch {
    return "rows";
  }
}

async function init(
  { values, words, out, signal, usage: { task } }: Script<typeof usage.options>,
): Promise<void> {
  const [typed, ...more] = words;
  if (typed === undefined || more.length > 0) {
    throw new UsageError("Give one CSV: deno task csv:init FILE, - for standard input");
  }
  const path = typed === "-" ? typed : fromHere(typed);
  const reading = openCsv({ file: path, flag: "", task })
    .then(({ bytes }) => readSample(bytes, values.delimiter));
  const sample = await unlessAborted(reading, signal);
  if (!sample) return;
  const description = describe(sample, out);
  const named = path === "-" ? { queue: "rows" } : { file: inProject(path), queue: queueFor(path) };
  // A description is a file: printed whatever --quiet says.
  console.log(JSON.stringify({ ...named, ...description }, null, values.json ? undefined : 2));
}

/** What a sample shows, in the form of a description; notes say why. */
function describe(sample: Awaited<ReturnType<typeof readSample>>, out: Output) {
  const { delimiter, header, rows, malformed, isCut } = sample;
  const columns = columnsOf(header, rows);
  out.note(
    `Read ${counted(columns.length, "column")} and ${counted(rows.length, "row")}` +
      `${isCut ? ", the file has more" : ""}`,
  );
  const called = (character: string) => character === "\t" ? "tab" : character;
  const others = [...sample.columns].filter(([other]) => other !== delimiter)
    .map(([other, count]) => `${called(other)} ${count}`);
  out.note(
    `  delimiter ${called(delimiter)}: it makes ${counted(columns.length, "column")}, ` +
      others.join(", "),
  );
  if (malformed.count > 0) {
    const { count, line, reason } = malformed;
    out.note(`  ${counted(count, "row")} can't be read, the first is line ${line}: ${reason}`);
  }
  const { decimal, example } = decimalOf(columns);
  if (example) out.note(`  decimal comma: ${example}`);
  const time = timeAmong(columns);
  const gap = time ? usualGap(time.times) : 0;
  if (time) {
    const { format, isAmbiguous } = time;
    out.note(
      `  time ${time.name}: the first column whose cells are all times${
        format ? `, ${format}` : ""
      }`,
    );
    if (isAmbiguous) {
      out.note(`    taken as month/day; if it is day/month: "time-format": "DD/MM/YYYY …"`);
    }
    if (gap > 0) out.note(`  interval ${intervalText(gap)}: the usual time from a row to the next`);
  } else out.note("  time: no column holds times only, so --speed has nothing to go by");
  const types: [string, string][] = [];
  for (const column of columns) {
    const { type, why } = typeOf(column, decimal);
    if (type) types.push([column.name, type]);
    out.note(`  ${column.name}: ${why}`);
  }
  const keys = keysAmong(columns, time?.name);
  out.note(
    keys.length > 0
      ? `  for --by: ${keys.map(({ name, count }) => `${name} (${count} values)`).join(", ")}`
      : "  for --by: no column has values that come again and again",
  );
  return {
    ...(delimiter === "," ? {} : { delimiter: called(delimiter) }),
    ...(decimal === "." ? {} : { decimal }),
    ...(time ? { time: time.name } : {}),
    ...(time?.format === undefined ? {} : { "time-format": time.format }),
    ...(gap > 0 ? { interval: intervalText(gap) } : {}),
    ...(types.length > 0 ? { types: Object.fromEntries(types) } : {}),
  };
}

if (import.meta.main) await run(usage, init);
