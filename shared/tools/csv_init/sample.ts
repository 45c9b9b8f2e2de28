/** The first rows of a CSV that nobody has described: what separates its cells, and what they are. */
import { type CsvRecord, readCsv } from "../../replay.ts";
import { UsageError } from "../../script.ts";

/** Rows that are looked at. */
export const MAX_ROWS = 10_000;

/** Bytes that must show what separates the cells. */
const FIRST_BYTES = 65_536;

const DELIMITERS = [",", ";", "\t", "|"] as const;

export interface Sample {
  readonly delimiter: string;
  /** How many columns each delimiter would make. */
  readonly columns: ReadonlyMap<string, number>;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** The first of those that can't be read, and how many there are. */
  readonly malformed: { readonly count: number; readonly line?: number; readonly reason?: string };
  /** Whether the file has more. */
  readonly isCut: boolean;
}

/**
 * Reads the header and the first {@link MAX_ROWS} rows.
 *
 * @param given What separates the cells; found out if left out.
 * @throws {UsageError} If there is no header.
 */
export async function readSample(
  bytes: AsyncIterable<Uint8Array>,
  given?: string,
): Promise<Sample> {
  const source = bytes[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  for (let size = 0; size < FIRST_BYTES;) {
    const { value, done } = await source.next();
    if (done) break;
    first.push(value);
    size += value.length;
  }
  const columns = new Map<string, number>();
  for (const delimiter of DELIMITERS) columns.set(delimiter, await columnsWith(delimiter, first));
  const [most] = [...columns].sort(([, a], [, b]) => b - a);
  const delimiter = given ?? most?.[0] ?? ",";
  const rows: string[][] = [];
  let header: readonly string[] | undefined;
  let count = 0;
  let broken: { line: number; reason: string } | undefined;
  let isCut = false;
  reading: for await (
    const block of readCsv(rest(first, source), { rectangular: true, delimiter })
  ) {
    for (const record of block) {
      if (rows.length === MAX_ROWS) {
        isCut = true;
        break reading;
      }
      if (!header) header = headerOf(record);
      else if ("cells" in record) rows.push(record.cells);
      else {
        count++;
        broken ??= record;
      }
    }
  }
  if (!header) throw new UsageError("The file is empty");
  return { delimiter, columns, header, rows, malformed: { count, ...broken }, isCut };
}

function headerOf(record: CsvRecord): readonly string[] {
  if ("cells" in record) return record.cells;
  throw new UsageError(`The header can't be read: ${record.reason}`);
}

async function* rest(first: readonly Uint8Array[], source: AsyncIterator<Uint8Array>) {
  yield* first;
  yield* { [Symbol.asyncIterator]: () => source };
}

/** Columns that a delimiter makes of most records; 1 where it makes no table of them. */
async function columnsWith(delimiter: string, first: readonly Uint8Array[]): Promise<number> {
  let header: CsvRecord | undefined;
  let good = 0;
  let all = 0;
  const records = readCsv(
    async function* () {
      yield* first;
    }(),
    { rectangular: true, delimiter },
  );
  for await (const block of records) {
    for (const record of block) {
      if (!header) header = record;
      else {
        all++;
        if ("cells" in record) good++;
      }
    }
  }
  if (!header || !("cells" in header) || good < all / 2) return 1;
  return header.cells.length;
}
