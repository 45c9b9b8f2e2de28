import assert from "node:assert/strict";
import { readSample } from "../shared/tools/csv_init/sample.ts";
import {
  type Column,
  columnsOf,
  decimalOf,
  intervalText,
  keysAmong,
  timeAmong,
  typeOf,
  usualGap,
} from "../shared/tools/csv_init/guesses.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void | Promise<void>): void {
  Deno.test({ name, permissions: "none", fn });
}

function column(...cells: string[]): Column {
  const [one] = columnsOf(["c"], cells.map((cell) => [cell]));
  return one ?? assert.fail();
}

function sampleOf(text: string, delimiter?: string) {
  return readSample(ReadableStream.from([new TextEncoder().encode(text)]), delimiter);
}

test("the delimiter is the one that makes a table of most columns", async () => {
  const cases: [text: string, delimiter: string, columns: number][] = [
    ["a,b,c\n1,2,3\n", ",", 3],
    ["a;b;c\n1,5;2;3\n", ";", 3],
    ["a\tb\n1;2;3\t2\n", "\t", 2],
    ["a|b|c\n1,5|2;3|3\n", "|", 3],
    ["a;b\n1,2,3;4\n1,2;4\n", ";", 2],
    // More columns, but not in most rows.
    ["a,b,c;d\n1;2\n3;4\n5;6\n", ";", 2],
    ['a;b\n"x;y";2\n', ";", 2],
    ["one\ntwo\n", ",", 1],
    ["a b,c\n1 2,3\n", ",", 2],
  ];
  for (const [text, delimiter, columns] of cases) {
    const sample = await sampleOf(text);
    assert.deepEqual([sample.delimiter, sample.header.length], [delimiter, columns], text);
  }
  assert.equal((await sampleOf("a:b\n1:2\n", ":")).header.length, 2);
});

test("`readSample()` reads 10,000 rows, and counts those that can't be read", async () => {
  const { rows, malformed, isCut } = await sampleOf("a,b\n1\n1,2\n1,2,3\n4,5");
  assert.deepEqual(rows, [["1", "2"], ["4", "5"]]);
  assert.deepEqual([malformed.count, malformed.line, isCut], [2, 2, false]);
  const many = "a,b\n" + "1,2\n".repeat(30_000);
  const long = await sampleOf(many);
  assert.deepEqual([long.rows.length, long.isCut], [10_000, true]);
  assert.equal((await sampleOf("a,b\n" + "1,2\n".repeat(10_000))).isCut, false);
  await assert.rejects(sampleOf(""), /^UsageError: The file is empty$/);
  await assert.rejects(sampleOf('a,"b\n1,2\n'), /^UsageError: The header can't be read: /);
});

test("a decimal comma is one where every cell is a number with it, and none without", () => {
  const cases: [columns: Column[], decimal: string][] = [
    [[column("1,5", "2", "")], ","],
    [[column("1,5"), column("a")], ","],
    [[column("1", "2")], "."],
    [[column("1.5")], "."],
    [[column("1,5", "x")], "."],
    // Thousands, as likely as not.
    [[column("1,500", "2,250")], "."],
    [[column("1,500", "2,25")], ","],
    // A point elsewhere says otherwise.
    [[column("1,5"), column("2.5")], "."],
    [[], "."],
  ];
  for (const [columns, decimal] of cases) {
    assert.equal(decimalOf(columns).decimal, decimal, JSON.stringify(columns));
  }
});

test("a column is numbers, text, or both", () => {
  const cases: [cells: string[], type: string | undefined][] = [
    [["1", "-2.5", "3e4", ""], "number"],
    [["1", "2", "x"], undefined],
    [["1", "x", "y"], "text"],
    [["01067", "10115"], "text"],
    [["1", "2", "3", "04"], "text"],
    [["9007199254740993"], "text"],
    [["", " "], undefined],
  ];
  for (const [cells, type] of cases) assert.equal(typeOf(column(...cells), ".").type, type);
  assert.equal(typeOf(column("1,5"), ",").type, "number");
});

test("the time's column is the first that holds times only; its format is found", () => {
  const guess = (header: string[], ...rows: string[][]) => {
    const found = timeAmong(columnsOf(header, rows));
    return found && [found.name, found.format, found.isAmbiguous];
  };
  const header = ["a", "b", "c"];
  const cases: [rows: string[][], found: unknown[] | undefined][] = [
    [[["x", "2024-01-02T03:04:05", "2024-01-02"]], ["b", undefined, false]],
    [[["x", "1/2/24 10:15", ""]], ["b", undefined, true]],
    [[["x", "1/13/24 10:15", ""]], ["b", undefined, false]],
    [[["x", "13/1/2024", ""], ["x", "2/1/2024", ""]], ["b", "D/M/YYYY", false]],
    [[["x", "13/01/2024 10:15", ""]], ["b", "DD/MM/YYYY HH:mm", false]],
    [[["x", "", "13.01.2024"], ["x", "2024-01-01", "14.01.2024"]], ["c", "DD.MM.YYYY", false]],
    [[["20240101", "10-Oct-2000 13:55:36", "x"]], ["b", "DD-MMM-YYYY HH:mm:ss", false]],
    // Numbers come last: they may mean anything.
    [[["1726149600", "x", "2024-01-02"]], ["c", undefined, false]],
    [[["7", "1726149600", "x"]], ["b", "epoch", false]],
    [[["7", "1726149600123", "x"]], ["b", "epoch-ms", false]],
    [[["7", "x", "1726149600.5"]], ["c", "epoch", false]],
    [[["7", "20240101", "x"]], undefined],
    [[], undefined],
  ];
  for (const [rows, found] of cases) {
    assert.deepEqual(guess(header, ...rows), found, JSON.stringify(rows));
  }
});

test("the usual gap is the median, or the mean where rows share their times", () => {
  const gap = (...seconds: number[]) =>
    intervalText(usualGap(seconds.map((s) => ({ local: s * 1000, instant: s * 1000 }))));
  assert.equal(gap(0, 5, 10, 15, 600), "5s");
  assert.equal(gap(0, 0.25, 0.5), "250ms");
  assert.equal(gap(0, 3600, 7200), "1h");
  assert.equal(gap(0, 90, 180), "90s");
  assert.equal(gap(0, 172_800), "2d");
  // Five at a time every minute: 15 rows in 120 s.
  assert.equal(gap(...[0, 60, 120].flatMap((s) => [s, s, s, s, s])), "8571ms");
  assert.equal(gap(10, 5, 0), "0");
  assert.equal(gap(1), "0");
  assert.equal(gap(), "0");
});

test("keys are what comes again and again", () => {
  const rows = Array.from({ length: 40 }, (_, index) => [
    ...[`host-${index % 4}`, "same", `${index}`, `${index % 3}.5`, `${index % 5}`],
    index === 7 ? "" : `r${index % 2}`,
  ]);
  const columns = columnsOf(["host", "constant", "row", "load", "floor", "gap"], rows);
  assert.deepEqual(keysAmong(columns), [{ name: "host", count: 4 }, { name: "floor", count: 5 }]);
  assert.deepEqual(keysAmong(columns, "floor"), [{ name: "host", count: 4 }]);
});
