import assert from "node:assert/strict";
import { RowReader } from "../shared/replay.ts";
import type { ReadOptions, Row, RowForm } from "../shared/replay/rows.ts";
import { UsageError } from "../shared/script.ts";

/** Runs a test without any permission: standard input is a stand-in. */
function test(name: string, fn: () => void | Promise<void>): void {
  Deno.test({ name, permissions: "none", fn });
}

const DATA = `${import.meta.dirname}/../data`;

/** Runs a test that may read `data/` and nothing else; skipped where that can't be granted. */
function fileTest(name: string, fn: () => Promise<void>): void {
  const needs = [{ name: "read", path: DATA }, { name: "env", variable: "INIT_CWD" }] as const;
  const ignore = !needs.every((need) => Deno.permissions.querySync(need).state === "granted");
  Deno.test({ name, permissions: { read: [DATA], env: ["INIT_CWD"] }, ignore, fn });
}

/** Puts streams in the place of standard input, one each time it is opened. */
function standardInput(...streams: ReadableStream<Uint8Array>[]): Disposable {
  Object.defineProperty(Deno.stdin, "readable", {
    configurable: true,
    get: () => streams.shift() ?? assert.fail("standard input is opened once too often"),
  });
  return { [Symbol.dispose]: () => Reflect.deleteProperty(Deno.stdin, "readable") };
}

const encoder = new TextEncoder();

function streamOf(...chunks: string[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunks.map((chunk) => encoder.encode(chunk)));
}

/** Its rows are the three cells; a row with a `!` is malformed. */
const TICKETS: RowForm<string> = {
  columns: { submitted: ["Date_Time", "When"], name: ["First_Name"], category: ["Help_Request"] },
  row: (cells) => {
    if (cells.some((cell) => cell.includes("!"))) throw new RangeError("no ! here");
    return cells.join("|");
  },
};

/** The same with recorded times. */
const TIMED: RowForm<string> = { ...TICKETS, timeColumn: "submitted" };

/** A recorded time: so many seconds, at most 9, on the calendar that counts from 1970. */
function second(seconds: number): string {
  return `1970-01-01T00:00:0${seconds}`;
}

/** Rows without a header. */
const LINES: RowForm<string> = { row: (cells) => cells.join("|") };

function readerOf<T>(source: RowForm<T>, options: Partial<ReadOptions> = {}): RowReader<T> {
  const signal = new AbortController().signal;
  const all = { file: "-", skip: 0, loop: false, run: "r", delimiter: ",", task: "x:produce" };
  return new RowReader(source, { ...all, signal, ...options });
}

async function collect<T>(blocks: AsyncIterable<Row<T>[]>, most = Infinity): Promise<Row<T>[]> {
  const found: Row<T>[] = [];
  for await (const rows of blocks) {
    found.push(...rows);
    if (found.length >= most) break;
  }
  return found.slice(0, most);
}

/** All rows of a text that comes from standard input. */
async function read<T>(source: RowForm<T>, text: string, options: Partial<ReadOptions> = {}) {
  using _ = standardInput(streamOf(text));
  return await collect(readerOf(source, options).blocks());
}

/** The items, `!` and the reason for malformed rows. */
function items(rows: Row<string>[]): string[] {
  return rows.map((row) => "item" in row ? row.item : `!${row.reason}`);
}

function refuses(promise: Promise<unknown>, ...words: string[]): Promise<void> {
  return assert.rejects(promise, (error) => {
    assert.ok(error instanceof UsageError, String(error));
    for (const word of words) assert.ok(error.message.includes(word), `${word}: ${error.message}`);
    assert.ok(!error.message.includes("\n"), error.message);
    return true;
  });
}

test("`blocks()` finds the columns by their names, in any order and case", async () => {
  const cases = [
    "Date_Time,First_Name,Help_Request\n1,2,3\n",
    "submitted,name,category\n1,2,3\n",
    "When,First_Name,category\n1,2,3\n",
    "DATE_TIME,first_name,hElP_rEqUeSt\n1,2,3\n",
    "Help_Request,Date_Time,First_Name\n3,1,2\n",
    " Date_Time , First_Name,Help_Request\t\n1,2,3\n",
    "id,First_Name,Phone,Help_Request,Date_Time,\nx,2,y,3,1,z\n",
    '\ufeff"Date_Time","First_Name","Help_Request"\r\n"1","2","3"\r\n',
    "\n\n  \nDate_Time,First_Name,Help_Request\n\n1,2,3",
  ];
  for (const text of cases) assert.deepEqual(items(await read(TICKETS, text)), ["1|2|3"], text);
});

test("`blocks()` takes the first of two columns of the same name", async () => {
  const text = "name,When,Help_Request,First_Name,when\nAdam,1,A,Eve,2\n";
  assert.deepEqual(items(await read(TICKETS, text)), ["1|Adam|A"]);
});

test("`blocks()` maps other header names to columns", async () => {
  const text = "Stamp,Who,First_Name,Topic,Date_Time\n1,Adam,Eve,A,2\n";
  const cases: [Record<string, string>, string][] = [
    [{ category: "Topic" }, "2|Eve|A"],
    [{ category: "topic", name: "WHO" }, "2|Adam|A"],
    [{ category: "Topic", name: "Who", submitted: "Stamp" }, "1|Adam|A"],
    [{ category: "Who", name: "Who", submitted: "Who" }, "Adam|Adam|Adam"],
  ];
  for (const [columns, expected] of cases) {
    assert.deepEqual(items(await read(TICKETS, text, { columns })), [expected]);
  }
});

test("`blocks()` looks for a mapped column under its new name only", async () => {
  const text = "Date_Time,First_Name,Help_Request\n1,2,3\n";
  await refuses(read(TICKETS, text, { columns: { name: "Who" } }), "name", "Who", '"First_Name"');
});

test("`blocks()` splits cells at the delimiter asked for", async () => {
  for (const delimiter of [";", "\t"]) {
    const text = ["Date_Time,First_Name,Help_Request", '"1,5",2,3', "4,5,6"].join("\n");
    const rows = await read(TICKETS, text.replaceAll(",", delimiter), { delimiter });
    assert.deepEqual(items(rows), [`1${delimiter}5|2|3`, "4|5|6"]);
  }
});

test("`blocks()` reads a file without a header from its first line", async () => {
  const rows = await read(LINES, "First message.\n\nSecond, message..\nThird\n");
  assert.deepEqual(items(rows), ["First message.", "Second| message..", "Third"]);
  assert.deepEqual(rows.map(({ row, line }) => [row, line]), [[1, 1], [2, 3], [3, 4]]);
});

test("`blocks()` says which column is missing, what is there and how to map", async () => {
  await refuses(
    read(TICKETS, "Date_Time,Who,Help_Request\n1,2,3\n"),
    "name",
    "First_Name",
    '"Who"',
    "--columns name=",
  );
  await refuses(read(TICKETS, "1,2,3\n4,5,6\n"), "submitted", "Date_Time", '"1"');
});

test("`blocks()` keeps the line short when the header is long", async () => {
  const header = Array.from({ length: 500 }, (_, i) => `column ${i} ${"x".repeat(100)}`).join(",");
  await assert.rejects(
    read(TICKETS, `${header}\n`),
    (error) => error instanceof UsageError && error.message.length < 1000,
  );
});

test("`blocks()` refuses a header that can't be read", async () => {
  await refuses(read(TICKETS, 'Date_Time,"First_Name,Help_Request\n1,2,3\n'), "header", "quote");
  await refuses(read(TICKETS, 'Date_Time,First"Name"\n1,2\n'), "header", "quote");
});

test("`blocks()` tells an empty file from one with only a header", async () => {
  for (const text of ["", "\ufeff", "\n \r\n"]) {
    await refuses(read(TICKETS, text), "--file -", "empty");
    await refuses(read(LINES, text), "--file -", "empty");
  }
  for (const text of ["Date_Time,First_Name,Help_Request", "When,name,category\r\n\r\n"]) {
    await refuses(read(TICKETS, text), "--file -", "header", "no rows");
  }
});

test("`blocks()` counts malformed rows, but not blank lines", async () => {
  const text = [
    "\ufeffDate_Time,First_Name,Help_Request",
    "",
    `${second(1)},Adam,A`,
    `${second(2)},Eve!,B`,
    "  ",
    `${second(3)},Bob`,
    `${second(4)},"Zoe",C`,
    `${second(5)},Z"oe,C`,
    "",
    `${second(6)},"Two\r\nlines",D`,
    `${second(7)},Max,E`,
  ].join("\r\n");
  const rows = await read(TIMED, text, { run: "run-7" });
  assert.deepEqual(rows, [
    { run: "run-7", row: 1, line: 3, item: `${second(1)}|Adam|A`, instant: 1000 },
    { run: "run-7", row: 2, line: 4, reason: "no ! here", text: `${second(2)},Eve!,B` },
    {
      run: "run-7",
      row: 3,
      line: 6,
      reason: "cells: 2, the header has 3",
      text: `${second(3)},Bob`,
    },
    { run: "run-7", row: 4, line: 7, item: `${second(4)}|Zoe|C`, instant: 4000 },
    {
      run: "run-7",
      row: 5,
      line: 8,
      reason: "a quote is out of place",
      text: `${second(5)},Z"oe,C`,
    },
    { run: "run-7", row: 6, line: 10, item: `${second(6)}|Two\nlines|D`, instant: 6000 },
    { run: "run-7", row: 7, line: 12, item: `${second(7)}|Max|E`, instant: 7000 },
  ]);
});

test("`blocks()` reads the recorded time: as written for the row, by its offset for the pace", async () => {
  const form: RowForm<string> = { ...TIMED, row: ([, name], time) => `${name} at ${time}` };
  const text = [
    "Help_Request,Date_Time,First_Name,Stamp",
    "A,1/1/1970 0:00:05,Adam,1970-01-01T00:01:00+01:00",
    "B,1970-01-01T00:00:05+05:30,Eve,1970-01-01T00:01:00",
    "C,5 o'clock,Bob,1970-01-01T00:01:00.25Z",
    "D,1970-01-01T00:00:08,Max,2/30/23 10:15",
  ].join("\n");
  const found = async (options: Partial<ReadOptions> = {}) =>
    (await read(form, text, options)).map((row) =>
      "item" in row ? [row.line, row.item, row.instant] : [row.line, row.reason.slice(0, 32)]
    );
  assert.deepEqual(await found(), [
    [2, "Adam at 5000", 5000],
    [3, "Eve at 5000", 5000 - 5.5 * 3_600_000],
    [4, `unreadable date "5 o'clock": expe`.slice(0, 32)],
    [5, "Max at 8000", 8000],
  ]);
  assert.deepEqual(await found({ columns: { submitted: "stamp" } }), [
    [2, "Adam at 60000", 60_000 - 3_600_000],
    [3, "Eve at 60000", 60_000],
    [4, "Bob at 60250", 60_250],
    [5, 'unreadable date "2/30/23 10:15":'],
  ]);
});

test("`blocks()` gives rows without a time column the time 0", async () => {
  const form: RowForm<string> = { ...TICKETS, row: ([, name], time) => `${name} at ${time}` };
  const rows = await read(form, `When,name,category\n${second(7)},Adam,A\nnever,Eve,B\n`);
  assert.deepEqual(
    rows.map((row) => "item" in row && [row.item, row.instant]),
    [["Adam at 0", 0], ["Eve at 0", 0]],
  );
});

/** A file of so many rows, `1`, `2`, … in each of its columns. */
function numbered(rows: number): string {
  const lines = Array.from({ length: rows }, (_, i) => `${i + 1},${i + 1},${i + 1}`);
  return ["When,First_Name,Help_Request", ...lines, ""].join("\n");
}

test("`blocks()` leaves out rows at the beginning, malformed ones too, and counts on", async () => {
  const text = numbered(5).replace("2,2,2", "2,2!,2");
  for (
    const [skip, expected] of [[0, [1, 2, 3, 4, 5]], [1, [2, 3, 4, 5]], [2, [3, 4, 5]]] as const
  ) {
    const rows = await read(TICKETS, text, { skip });
    assert.deepEqual(rows.map(({ row }) => row), expected, `skip ${skip}`);
  }
  for (const skip of [5, 6, 1_000_000]) assert.deepEqual(await read(TICKETS, text, { skip }), []);
});

test("`blocks()` begins again in a loop, and names the passes", async () => {
  using _ = standardInput(streamOf(numbered(2)), streamOf(numbered(3)), streamOf(numbered(2)));
  const rows = await collect(readerOf(TICKETS, { loop: true, run: "abc" }).blocks(), 6);
  assert.deepEqual(rows.map(({ run, row, line }) => [run, row, line]), [
    ["abc", 1, 2],
    ["abc", 2, 3],
    ["abc.2", 1, 2],
    ["abc.2", 2, 3],
    ["abc.2", 3, 4],
    ["abc.3", 1, 2],
  ]);
});

test("`blocks()` reads the header of every pass", async () => {
  const second = "Help_Request,First_Name,When\nA,Adam,1\n";
  using _ = standardInput(streamOf(numbered(1)), streamOf(second));
  const rows = await collect(readerOf(TICKETS, { loop: true }).blocks(), 2);
  assert.deepEqual(items(rows), ["1|1|1", "1|Adam|A"]);
});

test("`blocks()` leaves out rows in the first pass of a loop only", async () => {
  for (const [skip, first] of [[1, ["2", "3"]], [3, []], [7, []]] as const) {
    using _ = standardInput(streamOf(numbered(3)), streamOf(numbered(3)));
    const rows = await collect(readerOf(TICKETS, { loop: true, skip }).blocks(), first.length + 3);
    const expected = [...first.map((row) => `r/${row}`), "r.2/1", "r.2/2", "r.2/3"];
    assert.deepEqual(rows.map(({ run, row }) => `${run}/${row}`), expected);
  }
});

test("`blocks()` ends a loop after a pass without a good row", async () => {
  const bad = "When,First_Name,Help_Request\n1,!,A\n2,!,B\n";
  using _ = standardInput(streamOf(bad));
  const once = await collect(readerOf(TICKETS, { loop: true }).blocks());
  assert.deepEqual(once.map(({ run, row }) => `${run}/${row}`), ["r/1", "r/2"]);

  using __ = standardInput(streamOf(numbered(1)), streamOf(bad));
  const later = await collect(readerOf(TICKETS, { loop: true }).blocks());
  assert.deepEqual(items(later), ["1|1|1", "!no ! here", "!no ! here"]);
});

test("`blocks()` reads once without a loop", async () => {
  using _ = standardInput(streamOf(numbered(2)));
  assert.equal((await collect(readerOf(TICKETS).blocks())).length, 2);
});

test("`blocks()` ends when the signal is aborted, though standard input is silent", async () => {
  for (const text of ["", "When,First_Name", numbered(3)]) {
    const stop = new AbortController();
    const silent = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(encoder.encode(text)),
    });
    using _ = standardInput(silent);
    const blocks = readerOf(TICKETS, { signal: stop.signal }).blocks();
    const seen = text.split("\n").slice(1, -1);
    if (seen.length > 0) {
      const { value } = await blocks.next();
      assert.deepEqual(items(value ?? []), seen.map((line) => line.replaceAll(",", "|")));
    }
    const last = blocks.next();
    stop.abort();
    assert.deepEqual(await last, { value: undefined, done: true }, JSON.stringify(text));
  }
});

test("`blocks()` hands out nothing when the signal was aborted before", async () => {
  using _ = standardInput(streamOf(numbered(2)));
  assert.deepEqual(await collect(readerOf(TICKETS, { signal: AbortSignal.abort() }).blocks()), []);
});

test("`blocks()` hands out rows as they come, without waiting for the next", async () => {
  let feed: ReadableStreamDefaultController<Uint8Array> | undefined;
  using _ = standardInput(new ReadableStream({ start: (controller) => void (feed = controller) }));
  const blocks = readerOf(TIMED).blocks();
  feed?.enqueue(encoder.encode(`When,name,category\n${second(1)},1,1\n${second(2)},`));
  assert.deepEqual((await blocks.next()).value, [
    { run: "r", row: 1, line: 2, item: `${second(1)}|1|1`, instant: 1000 },
  ]);
  feed?.enqueue(encoder.encode("2,2\n"));
  assert.deepEqual((await blocks.next()).value, [
    { run: "r", row: 2, line: 3, item: `${second(2)}|2|2`, instant: 2000 },
  ]);
  feed?.close();
  assert.equal((await blocks.next()).done, true);
});

test("`blocks()` closes its source when it is left early", async () => {
  let closed = false;
  const source = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(encoder.encode(numbered(3))),
    cancel: () => void (closed = true),
  });
  using _ = standardInput(source);
  assert.equal((await collect(readerOf(TICKETS).blocks(), 1)).length, 1);
  assert.ok(closed);
});

test("`bytesRead` counts the bytes of this pass; standard input has no size", async () => {
  const text = numbered(2).replace("When", "\ufeffWhen").replace("1,1,1", "1,ä,😀");
  const bytes = encoder.encode(text).length;
  using _ = standardInput(streamOf(text.slice(0, 7), text.slice(7)), streamOf(numbered(2)));
  const reader = readerOf(TICKETS, { loop: true });
  assert.equal(reader.bytesRead, 0);
  const blocks = reader.blocks();
  await blocks.next();
  assert.deepEqual([reader.bytesRead, reader.size], [bytes, undefined]);
  await blocks.next();
  assert.equal(reader.bytesRead, numbered(2).length);
});

test("`RowReader` refuses to map a column that the stream doesn't have", () => {
  const cases: [RowForm<string>, Record<string, string>, string[]][] = [
    [TICKETS, { nmae: "Who" }, ['"nmae"', "submitted, name, category"]],
    [TICKETS, { name: "Who", First_Name: "Who" }, ['"First_Name"', "name"]],
    [TICKETS, JSON.parse('{"__proto__":"Who"}'), ['"__proto__"']],
    [LINES, { text: "Message" }, ['"text"', "no header"]],
  ];
  for (const [source, columns, words] of cases) {
    assert.throws(
      () => readerOf(source, { columns }),
      (error) => error instanceof UsageError && words.every((word) => error.message.includes(word)),
    );
  }
});

fileTest("`blocks()` says how to pipe a file in that it may not read", async () => {
  await refuses(
    collect(readerOf(TICKETS, { file: "/elsewhere/my.csv" }).blocks()),
    "--file /elsewhere/my.csv",
    "cat /elsewhere/my.csv | deno task x:produce --file -",
  );
});

/** Two columns of the smoker's file. */
const SMOKER: RowForm<string> = {
  columns: { time: ["Time (UTC)"], smoker: ["Channel1"] },
  row: ([time, smoker]) => `${time} ${smoker}`,
};

fileTest("`blocks()` reads a file, and knows its size", async () => {
  const file = `${DATA}/smoker-temps.csv`;
  const bytes = await Deno.readFile(file);
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/).filter((line) => line !== "");
  const reader = readerOf(SMOKER, { file });
  const rows = await collect(reader.blocks());
  assert.deepEqual(
    items(rows),
    lines.slice(1).map((line) => line.split(",").slice(0, 2).join(" ")),
  );
  assert.deepEqual([reader.size, reader.bytesRead], [bytes.length, bytes.length]);
});

fileTest("`blocks()` reads a file again and again in a loop", async () => {
  const file = `${DATA}/smoker-temps.csv`;
  const once = await collect(readerOf(SMOKER, { file }).blocks());
  const rows = readerOf(SMOKER, { file, loop: true }).blocks();
  // To the end of the second pass, where the file is closed.
  const twice = await collect(rows, 2 * once.length);
  assert.deepEqual(items(twice), [...items(once), ...items(once)]);
  assert.deepEqual(twice.at(-1), { ...once.at(-1), run: "r.2" });
});

fileTest("`blocks()` says why a file can't be read", async () => {
  const cases: [string, string][] = [[`${DATA}/none.csv`, "no such file"], [DATA, "folder"]];
  for (const [file, why] of cases) {
    await refuses(collect(readerOf(TICKETS, { file }).blocks()), `--file ${file}`, why);
  }
});
