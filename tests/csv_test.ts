import assert from "node:assert/strict";
import { type CsvOptions, type CsvRecord, readCsv } from "../shared/replay/csv.ts";
import { UsageError } from "../shared/script.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void | Promise<void>): void {
  Deno.test({ name, permissions: "none", fn });
}

const encoder = new TextEncoder();

/** Random numbers from 0 to 1 that a seed decides (mulberry32). */
function randomFrom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function* deliver(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

async function readChunks(
  chunks: Iterable<Uint8Array>,
  options: CsvOptions = { rectangular: true },
): Promise<CsvRecord[]> {
  const records: CsvRecord[] = [];
  for await (const block of readCsv(deliver(chunks), options)) records.push(...block);
  return records;
}

function read(text: string, options?: CsvOptions): Promise<CsvRecord[]> {
  return readChunks([encoder.encode(text)], options);
}

/** A record as `[line, cells]`, or `[line, text]` where it is rejected. */
function brief(record: CsvRecord): [number, string[] | string] {
  return [record.line, "reason" in record ? record.text : record.cells];
}

/** The bytes in pieces of a size, the last one shorter. */
function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}

test("`readCsv()` reads files however their lines end", async () => {
  const header: [number, string[]] = [1, ["a", "b"]];
  const cases: [string, string, [number, string[]][]][] = [
    ["LF", "a,b\n1,2\n3,4\n", [header, [2, ["1", "2"]], [3, ["3", "4"]]]],
    ["CRLF", "a,b\r\n1,2\r\n3,4\r\n", [header, [2, ["1", "2"]], [3, ["3", "4"]]]],
    ["CR", "a,b\r1,2\r3,4\r", [header, [2, ["1", "2"]], [3, ["3", "4"]]]],
    ["mixed", "a,b\r1,2\n3,4\r\n5,6", [header, [2, ["1", "2"]], [3, ["3", "4"]], [4, ["5", "6"]]]],
    ["no last newline", "a,b\n1,2", [header, [2, ["1", "2"]]]],
    ["no last newline, CRLF", "a,b\r\n1,2", [header, [2, ["1", "2"]]]],
    ["byte order mark", "\ufeffa,b\n1,2\n", [header, [2, ["1", "2"]]]],
    ["byte order mark, quoted", '\ufeff"a",b\n1,2\n', [header, [2, ["1", "2"]]]],
    ["blank lines", "\n\na,b\n\n1,2\n\n\n3,4\n\n", [[3, ["a", "b"]], [5, ["1", "2"]], [8, [
      "3",
      "4",
    ]]]],
    ["blank lines, CRLF", "a,b\r\n\r\n1,2\r\n\r\n", [header, [3, ["1", "2"]]]],
    ["blank lines, CR", "a,b\r\r1,2\r\r", [header, [3, ["1", "2"]]]],
    ["whitespace only", "a,b\n  \n1,2\n\t \n3,4\n ", [header, [3, ["1", "2"]], [5, ["3", "4"]]]],
    ["LF CR is two ends", "a,b\n\r1,2\n", [header, [3, ["1", "2"]]]],
    ["CR CR LF is two ends", "a,b\r\r\n1,2\n", [header, [3, ["1", "2"]]]],
    ["nothing", "", []],
    ["only a byte order mark", "\ufeff", []],
    ["only blank lines", "\n \r\n\r", []],
  ];
  for (const [name, text, expected] of cases) {
    assert.deepEqual((await read(text)).map(brief), expected, name);
  }
});

test("`readCsv()` reads quoted cells", async () => {
  const cases: [string, string[]][] = [
    ['"1","2","3"', ["1", "2", "3"]],
    ['1,"2,2",3', ["1", "2,2", "3"]],
    ['1,"say ""hi""",3', ["1", 'say "hi"', "3"]],
    ['1,"""",3', ["1", '"', "3"]],
    ['1,"",3', ["1", "", "3"]],
    ["1,,3", ["1", "", "3"]],
    [",,", ["", "", ""]],
    ['1,"two\nlines",3', ["1", "two\nlines", "3"]],
    ['1,"a\n\n \nb",3', ["1", "a\n\n \nb", "3"]],
    ['"\n",2,"\n"', ["\n", "2", "\n"]],
    ['1,"2,""\n"",2",3', ["1", '2,"\n",2', "3"]],
    [" 1, 2 ,3 ", [" 1", " 2 ", "3 "]],
    ["ä,😀,日本", ["ä", "😀", "日本"]],
  ];
  for (const [row, cells] of cases) {
    const records = await read(`a,b,c\n${row}\n4,5,6\n`);
    const after = 3 + row.split("\n").length - 1;
    assert.deepEqual(records.map(brief), [[1, ["a", "b", "c"]], [2, cells], [after, [
      "4",
      "5",
      "6",
    ]]], row);
  }
});

test("`readCsv()` gives a quoted newline as LF, whatever it was in the file", async () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const records = await read(["a,b", '1,"x', 'y"', "2,3", ""].join(end));
    assert.deepEqual(
      records.map(brief),
      [[1, ["a", "b"]], [2, ["1", "x\ny"]], [4, ["2", "3"]]],
      JSON.stringify(end),
    );
  }
});

test("`readCsv()` reads a single column, where an empty cell has to be quoted", async () => {
  const records = await read('a\n""\n1\n\n""');
  assert.deepEqual(records.map(brief), [[1, ["a"]], [2, [""]], [3, ["1"]], [5, [""]]]);
});

test("`readCsv()` gives each record its text", async () => {
  const records = await read('a,b\r\n1,"x\r\ny"\r\n\r\n "2,3\r\n4\r\n');
  assert.deepEqual(records.map(({ text }) => text), ["a,b", '1,"x\ny"', ' "2,3', "4"]);
});

test("`readCsv()` rejects a line with a stray quote and no other", async () => {
  const strays = [
    '"1,2,3',
    '1,"2,3',
    '1,2,"3',
    '1,2"2,3',
    '1,2",3',
    '1,2,3"',
    '1,"2"x,3',
    '1,"2""x,3',
    '1, "2",3',
    '1,"2" ,3',
    '1,2 "two" 2,3',
    '"',
    '"""',
  ];
  const before = ["a,b,c", "4,5,6", '7,"8,8",9', "", "10,11,12"];
  const afters = [
    [],
    ["13,14,15"],
    ["13,14,15", "", "16,17,18", '19,"20",21'],
    ['13,"x', '""y""', 'z",15', "16,17,18"],
    Array.from({ length: 250 }, (_, i) => `${i},14,15`),
  ];
  const good = (lines: string[]) => read(["a,b,c", ...lines].join("\n"));
  for (const stray of strays) {
    for (const after of afters) {
      const text = [...before, stray, ...after].join("\n");
      const records = await read(text);
      const rejected = records.filter((record) => "reason" in record);
      const context = `${stray} before ${after.length} lines`;
      assert.deepEqual(rejected.map(({ line, text }) => [line, text]), [[6, stray]], context);
      assert.match("reason" in rejected[0]! ? rejected[0].reason : "", /quote/, context);
      const expected = [
        ...(await good(before.slice(1))).map(brief),
        ...(await good(after)).slice(1).map(brief).map(([line, cells]) => [line + 5, cells]),
      ];
      const others = records.filter((record) => !("reason" in record));
      assert.deepEqual(others.map(brief), expected, context);
    }
  }
});

test("`readCsv()` says what is wrong with a quote", async () => {
  const cases: [string, string][] = [
    ['"1,2,3', "a quote is not closed"],
    ['1,2,"3""', "a quote is not closed"],
    ['"', "a quote is not closed"],
    ['1,2"2,3', "a quote is out of place"],
    ['1,"2"x,3', "a quote is out of place"],
    ['1, "2",3', "a quote is out of place"],
    ['"1"2,"3', "a quote is out of place"],
  ];
  for (const [line, reason] of cases) {
    for (const after of ["", "4,5,6", '4,"5",6', '4,5"5,6']) {
      const [, record] = await read(`a,b,c\n${line}\n${after}`);
      assert.deepEqual(record, { line: 2, reason, text: line }, `${line} before ${after}`);
    }
  }
});

test("`readCsv()` doesn't lose good rows between two stray quotes", async () => {
  const good = ["4,5,6", '7,"8",9', "", "10,11,12"];
  const pairs = [
    ['1,2"2,3', '1,2"2,3'],
    ['"1,2,3', '1"1,2,3'],
    ['1,2,"3', '"1,2,3'],
    ['1,"2,3', '1,2,3"'],
    ['"1,2,3', '1,2,3"'],
    ['1,"2,3', '1,"2,3'],
  ];
  for (const [first = "", second = ""] of pairs) {
    const text = ["a,b,c", first, ...good, second, "13,14,15"].join("\n");
    assert.deepEqual((await read(text)).map(brief), [
      [1, ["a", "b", "c"]],
      [2, first],
      [3, ["4", "5", "6"]],
      [4, ["7", "8", "9"]],
      [6, ["10", "11", "12"]],
      [7, second],
      [8, ["13", "14", "15"]],
    ], `${first} and ${second}`);
  }
});

test("`readCsv()` reads a quoted cell of 100 lines, but lets no missing quote take more", async () => {
  const cell = (lines: number) => Array.from({ length: lines }, (_, i) => `line ${i}`).join("\n");
  const file = (lines: number) => `a,b\n1,"${cell(lines)}"\n2,3\n`;
  for (const size of [7, 64, 1 << 20]) {
    const whole = await readChunks(pieces(encoder.encode(file(100)), size));
    assert.deepEqual(whole.map(brief), [[1, ["a", "b"]], [2, ["1", cell(100)]], [102, ["2", "3"]]]);
    const longer = await readChunks(pieces(encoder.encode(file(101)), size));
    assert.equal(longer.filter((record) => !("reason" in record)).length, 2);
    assert.deepEqual(brief(longer[1]!), [2, '1,"line 0']);
    assert.deepEqual(brief(longer.at(-1)!), [103, ["2", "3"]]);
  }
});

test("`readCsv()` reads 100,000 good lines after a quote that is never closed", async () => {
  const count = 100_000;
  const lines = Array.from({ length: count }, (_, i) => `${i},name ${i},A`);
  const bytes = encoder.encode(["a,b,c", '0,"open,A', ...lines].join("\n"));
  let handed = 0;
  let seenBeforeEnd = 0;
  const source = async function* () {
    for (const chunk of pieces(bytes, 65_536)) {
      handed += chunk.length;
      yield await Promise.resolve(chunk);
    }
  };
  const records: CsvRecord[] = [];
  for await (const block of readCsv(source(), { rectangular: true })) {
    records.push(...block);
    if (handed < bytes.length) seenBeforeEnd = records.length;
  }
  assert.equal(records.length, count + 2);
  assert.deepEqual(records.filter((record) => "reason" in record).map(brief), [[2, '0,"open,A']]);
  const wrong = records.slice(2).findIndex((record, i) =>
    record.line !== i + 3 || !("cells" in record) || record.cells[1] !== `name ${i}`
  );
  assert.equal(wrong, -1);
  // Only the last block may be missing before the end of the file: nothing piles up.
  assert.ok(seenBeforeEnd > count / 2, `${seenBeforeEnd} rows before the end`);
});

test("`readCsv()` rejects a row with another number of cells than the header", async () => {
  const records = await read("a,b,c\n1,2,3\n4,5\n6\n7,8,9,10\n,,\n1,2,3,\n");
  assert.deepEqual(records.map(brief), [
    [1, ["a", "b", "c"]],
    [2, ["1", "2", "3"]],
    [3, "4,5"],
    [4, "6"],
    [5, "7,8,9,10"],
    [6, ["", "", ""]],
    [7, "1,2,3,"],
  ]);
  const reasons = records.flatMap((record) => "reason" in record ? [record.reason] : []);
  assert.deepEqual(reasons.map((reason) => reason.match(/\d+/g)), [
    ["2", "3"],
    ["1", "3"],
    ["4", "3"],
    ["4", "3"],
  ]);
});

test("`readCsv()` takes rows of any number of cells when they needn't be rectangular", async () => {
  const records = await read('a\n1,2\n"x\ny",3,4\n5\n', { rectangular: false });
  assert.deepEqual(records.map(brief), [
    [1, ["a"]],
    [2, ["1", "2"]],
    [3, ["x\ny", "3", "4"]],
    [5, ["5"]],
  ]);
});

/** Reads a text whole and in small pieces, which must give the same. */
async function readSplit(
  text: string,
  options: CsvOptions,
): Promise<[number, string[] | string][]> {
  const bytes = encoder.encode(text);
  const whole = await readChunks([bytes], options);
  for (const size of [1, 2, 7]) {
    const context = `${JSON.stringify(text)} in pieces of ${size}`;
    assert.deepEqual(await readChunks(pieces(bytes, size), options), whole, context);
  }
  return whole.map(brief);
}

test("`readCsv()` takes a quote inside a cell as text where there is no header", async () => {
  const cases: [string, string[]][] = [
    ['Say "hello" now.', ['Say "hello" now.']],
    ['It is 5" long.', ['It is 5" long.']],
    ['5"', ['5"']],
    ["It's 5\" or 6'", ["It's 5\" or 6'"]],
    ['a""b', ['a""b']],
    ['a"""', ['a"""']],
    ['a "b", c "d"', ['a "b"', ' c "d"']],
    [' "x"', [' "x"']],
    ['x, "y, z"', ["x", ' "y', ' z"']],
    ['5","6",7"', ['5"', "6", '7"']],
    [',5",', ["", '5"', ""]],
    ['Größe 5" 😀', ['Größe 5" 😀']],
    // A cell that begins with a quote ends with the next one.
    ['"x,y",z', ["x,y", "z"]],
    ['"say ""hi"""', ['say "hi"']],
    ['"""hi"" she said"', ['"hi" she said']],
    ['""""', ['"']],
    ['""', [""]],
    ['"",x"', ["", 'x"']],
    ['"two\nlines"', ["two\nlines"]],
    ['"\n\n"', ["\n\n"]],
    ['"a ""b""\n""c"" d",e', ['a "b"\n"c" d', "e"]],
    ['5" long,"two\nlines",6"', ['5" long', "two\nlines", '6"']],
    ['"one\ntwo","three\nfour"', ["one\ntwo", "three\nfour"]],
    ['x,"a\nb,5"" c\n"', ["x", 'a\nb,5" c\n']],
    // A cell that goes on behind that quote isn't a quoted one: all of it is text.
    ['"Hello" she said.', ['"Hello" she said.']],
    ['"a" and "b",c', ['"a" and "b"', "c"]],
    ['"a"b,"c,d"', ['"a"b', "c,d"]],
  ];
  const options = { rectangular: false };
  for (const [text, cells] of cases) {
    const after = 3 + text.split("\n").length;
    // The broken line has all lines around it read one by one.
    for (const broken of [[], ['"never closed']]) {
      const lines = ["First.", "", text, ...broken, "Next, with a comma.", 'Last "one".'];
      const next = after + broken.length;
      assert.deepEqual(await readSplit(lines.join("\n"), options), [
        [1, ["First."]],
        [3, cells],
        ...broken.map((line) => [after, line]),
        [next, ["Next", " with a comma."]],
        [next + 1, ['Last "one".']],
      ], text);
    }
  }
});

test("`readCsv()` loses no line to a quote inside a cell where there is no header", async () => {
  const lines = Array.from({ length: 300 }, (_, i) => i % 3 ? `Cut ${i}" off.` : `Task ${i}, "now`);
  const cells = lines.map((line, i): [number, string[]] => [i + 1, line.split(",")]);
  assert.deepEqual(await readSplit(lines.join("\n"), { rectangular: false }), cells);
});

test("`readCsv()` rejects a quoted cell without end, and no other line, without a header too", async () => {
  const broken = ['"Hello, she said.', 'x,"Hello', '"a"b,"c', '"', '"""', '5","6'];
  const afters = [[], ["x", "y"], ['He said: "no".', "x"], ['5" long', "", 'x "y", z'], [
    'x"y",z"',
  ]];
  for (const line of broken) {
    for (const after of afters) {
      const expected = after.map((text, i) => [i + 3, text.split(",")]).filter(([, cells]) =>
        String(cells) !== ""
      );
      const text = ["First.", line, ...after].join("\n");
      const records = await readSplit(text, { rectangular: false });
      assert.deepEqual(records, [[1, ["First."]], [2, line], ...expected], text);
    }
  }
});

test("`readCsv()` hands out a line with a quote inside a cell at once", async () => {
  const source = async function* () {
    yield await Promise.resolve(encoder.encode('It is 5" long.\n'));
    assert.fail("it waits for the next line");
  };
  const { value } = await readCsv(source(), { rectangular: false }).next();
  assert.deepEqual(value?.map(brief), [[1, ['It is 5" long.']]]);
});

test("`readCsv()` takes a row of delimiters only for a record, whatever the delimiter", async () => {
  for (const delimiter of [",", ";", "\t", " ", "\u00a0", "|", "€", "😀", ".", "^", "]", "\\"]) {
    const row = (...cells: string[]) => cells.join(delimiter);
    // White space that isn't the delimiter makes a blank line.
    const blank = delimiter === " " ? "\t" : "  ";
    for (const broken of [[], [row("4", '"5', "6")]]) {
      const lines = [
        row("a", "b", "c"),
        row("", "", ""),
        "",
        row("1", "2", "3"),
        blank,
        row("", "", ""),
        row("", ""),
        row("", '""', ""),
        ...broken,
        row("", "", "", ""),
        row("", "", ""),
      ];
      const last = lines.length;
      const start = [[1, ["a", "b", "c"]], [2, ["", "", ""]], [4, ["1", "2", "3"]]];
      const context = JSON.stringify(delimiter);
      const strict = await readSplit(lines.join("\n"), { delimiter, rectangular: true });
      assert.deepEqual(strict, [
        ...start,
        [6, ["", "", ""]],
        [7, row("", "")],
        [8, ["", "", ""]],
        ...broken.map((line) => [9, line]),
        [last - 1, row("", "", "", "")],
        [last, ["", "", ""]],
      ], context);
      const loose = await readSplit(lines.join("\n"), { delimiter, rectangular: false });
      assert.deepEqual(loose, [
        ...start,
        [6, ["", "", ""]],
        [7, ["", ""]],
        [8, ["", "", ""]],
        ...broken.map((line) => [9, line]),
        [last - 1, ["", "", "", ""]],
        [last, ["", "", ""]],
      ], context);
    }
  }
});

test("`readCsv()` splits at another delimiter", async () => {
  for (const delimiter of [";", "\t", "|", "€"]) {
    const text = ["a,b", "1,5", '"x,y"', '"p""q"'].map((pair) => `${pair}${delimiter}z`).join("\n");
    assert.deepEqual(
      (await read(`${text}\n"${delimiter}"${delimiter}1`, { delimiter, rectangular: true }))
        .map(brief),
      [[1, ["a,b", "z"]], [2, ["1,5", "z"]], [3, ["x,y", "z"]], [4, ['p"q', "z"]], [5, [
        delimiter,
        "1",
      ]]],
      JSON.stringify(delimiter),
    );
  }
});

test("`readCsv()` rejects a row that isn't UTF-8 and no other", async () => {
  const broken: [string, number[]][] = [
    ["a byte that never occurs", [0xff]],
    ["Latin-1", [0xe4]],
    ["a continuation alone", [0x80]],
    ["an overlong form", [0xc0, 0xaf]],
    ["half a surrogate pair", [0xed, 0xa0, 0x80]],
    ["a sequence cut short", [0xf0, 0x9f, 0x98]],
  ];
  for (const [name, bytes] of broken) {
    const file = Uint8Array.of(
      ...encoder.encode("a,b\n1,ä\n2,"),
      ...bytes,
      ...encoder.encode("\n3,😀\n"),
    );
    for (const size of [1, 2, 5, 1000]) {
      const records = await readChunks(pieces(file, size));
      const [header, first, second, third, ...more] = records;
      assert.deepEqual([header, first, third].map((record) => record && brief(record)), [
        [1, ["a", "b"]],
        [2, ["1", "ä"]],
        [4, ["3", "😀"]],
      ], name);
      assert.ok(second && "reason" in second && more.length === 0, name);
      assert.match(second.reason, /UTF-8/, name);
      assert.equal(second.line, 3, name);
    }
  }
  const cut = await readChunks([Uint8Array.of(...encoder.encode("a,b\n1,"), 0xe2, 0x82)]);
  assert.deepEqual(cut.map((record) => "reason" in record), [false, true]);
});

/** Every peculiarity at once, and what must come of it. */
const MIXED = [
  "\ufeffa,b,c",
  "1,2,3\r",
  "",
  '4,"5,5",6',
  '7,"8\r\n8",ä😀\r',
  " \r",
  'x,y"y,z',
  "10,11,12\r13,14,15\r\r\n16,17",
  '"18","1""9","20"\r',
  'x,"open,z',
  "21,22,23",
  '24,"2\r\n\r\n4",25',
  "26,27,28",
].join("\n");

const MIXED_RECORDS: [number, string[] | string][] = [
  [1, ["a", "b", "c"]],
  [2, ["1", "2", "3"]],
  [4, ["4", "5,5", "6"]],
  [5, ["7", "8\n8", "ä😀"]],
  [8, 'x,y"y,z'],
  [9, ["10", "11", "12"]],
  [10, ["13", "14", "15"]],
  [12, "16,17"],
  [13, ["18", '1"9', "20"]],
  [14, 'x,"open,z'],
  [15, ["21", "22", "23"]],
  [16, ["24", "2\n\n4", "25"]],
  [19, ["26", "27", "28"]],
];

test("`readCsv()` reads the same however a small file is split", async () => {
  const bytes = encoder.encode(MIXED);
  const whole = await readChunks([bytes]);
  assert.deepEqual(whole.map(brief), MIXED_RECORDS);
  for (let size = 1; size <= 20; size++) {
    assert.deepEqual(await readChunks(pieces(bytes, size)), whole, `pieces of ${size}`);
  }
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= first + 8; second++) {
      const records = await readChunks([
        bytes.subarray(0, first),
        bytes.subarray(first, second),
        bytes.subarray(second),
      ]);
      assert.deepEqual(records, whole, `split at ${first} and ${second}`);
    }
  }
});

/** A large file of all kinds of lines, and what must come of it. */
function largeFile(
  random: () => number,
): { text: string; expected: [number, string[] | string][] } {
  const pick = <T>(values: T[]): T => values[Math.floor(random() * values.length)] as T;
  const words = ["Adam", "Zoë", "日本語", "😀 and more", "naïve", "x".repeat(90), ""];
  let text = "time,name,category\r\n";
  let line = 2;
  const expected: [number, string[] | string][] = [[1, ["time", "name", "category"]]];
  for (let row = 0; row < 3000; row++) {
    const end = pick(["\n", "\r\n", "\r"]);
    const kind = random();
    const name = pick(words);
    if (kind < 0.05) {
      // An empty line after CR must not begin with LF: that would be one end, CRLF.
      text += pick([text.endsWith("\r") ? " " : "", " ", "\t"]) + end;
      line++;
      continue;
    }
    if (kind < 0.1) {
      text += `${row},"${name}${end}${end}""${name}""",B${end}`;
      expected.push([line, [String(row), `${name}\n\n"${name}"`, "B"]]);
      line += 3;
      continue;
    }
    if (kind < 0.2) {
      // No two of these make a row of three cells with what is between them.
      const broken = pick([`${row},1${name}"x",C`, `${row},no"${name},D`, `"${row},E`, `${row},F`]);
      text += broken + end;
      expected.push([line++, broken]);
      continue;
    }
    const quoted = random() < 0.3;
    text += `${row},${quoted ? `"${name}, too"` : name},A${end}`;
    expected.push([line++, [String(row), quoted ? `${name}, too` : name, "A"]]);
  }
  return { text, expected };
}

test("`readCsv()` reads the same however a large file is split", async () => {
  const random = randomFrom(7);
  const { text, expected } = largeFile(random);
  const bytes = encoder.encode(text);
  for (let run = 0; run < 25; run++) {
    const most = [1, 3, 50, 700, 9000, 70_000][run % 6] ?? 1;
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      const size = 1 + Math.floor(random() * most);
      chunks.push(bytes.subarray(at, at + size));
      at += size;
    }
    // An index first: the difference of thousands of records is no help.
    const records = (await readChunks(chunks)).map(brief);
    const wrong = expected.findIndex((record, i) =>
      JSON.stringify(record) !== JSON.stringify(records[i])
    );
    assert.deepEqual(records[wrong], expected[wrong], `run ${run}`);
    assert.equal(records.length, expected.length, `run ${run}`);
  }
});

/** Writes a table as a CSV: quotes where it must, and sometimes where it needn't. */
function writeCsv(
  table: string[][],
  { delimiter, rectangular, end, random }: Required<CsvOptions> & {
    end: string;
    random: () => number;
  },
): string {
  const lines = table.map((row) =>
    row.map((cell) => {
      const quote = cell.indexOf('"');
      const must = /[\r\n]/.test(cell) || cell.includes(delimiter) ||
        (rectangular ? quote >= 0 : quote === 0) || (row.length === 1 && cell.trim() === "");
      return must || random() < 0.2 ? `"${cell.replaceAll('"', '""')}"` : cell;
    }).join(delimiter)
  );
  return lines.join(end) + (random() < 0.5 ? end : "");
}

test("`readCsv()` gets back any table that was written well", async () => {
  const random = randomFrom(42);
  const symbols = ["a", "B", "7", " ", ",", ";", "\t", '"', '""', "\n", "ä", "😀", "'", "\\", "="];
  for (let run = 0; run < 1500; run++) {
    const columns = 1 + Math.floor(random() * 5);
    const rows = 1 + Math.floor(random() * 12);
    const table = Array.from(
      { length: rows },
      () =>
        Array.from({ length: columns }, () => {
          const length = Math.floor(random() ** 2 * 8);
          return Array.from({ length }, () => symbols[Math.floor(random() * symbols.length)])
            .join("");
        }),
    );
    const delimiter = [",", ";", "\t", " "][run % 4] ?? ",";
    const end = ["\n", "\r\n", "\r"][Math.floor(run / 4) % 3] ?? "\n";
    const options = { delimiter, rectangular: Math.floor(run / 12) % 2 === 0 };
    const text = writeCsv(table, { ...options, end, random });
    const bytes = encoder.encode(text);
    const records = await readChunks(pieces(bytes, 1 + Math.floor(random() * 40)), options);
    assert.deepEqual(
      records.map((record) => "cells" in record ? record.cells : record.reason),
      table,
      `run ${run}: ${JSON.stringify(text)}`,
    );
  }
});

test("`readCsv()` hands out rows as they come, without waiting for the next", async () => {
  const chunks = ["a,b\n1,2\n", "3,4\r\n5,", "6\n"];
  let handed = 0;
  const source = async function* () {
    for (const chunk of chunks) {
      handed++;
      yield await Promise.resolve(encoder.encode(chunk));
    }
  };
  const seen: [number, number][] = [];
  for await (const block of readCsv(source(), { rectangular: true })) {
    for (const { line } of block) seen.push([handed, line]);
  }
  assert.deepEqual(seen, [[1, 1], [1, 2], [2, 3], [3, 4]]);
});

test("`readCsv()` throws what its source throws", async () => {
  const source = async function* () {
    yield await Promise.resolve(encoder.encode("a,b\n1,2\n"));
    throw new TypeError("the disk is gone");
  };
  const lines: number[] = [];
  await assert.rejects(async () => {
    for await (const block of readCsv(source(), { rectangular: true })) {
      lines.push(...block.map(({ line }) => line));
    }
  }, /the disk is gone/);
  assert.deepEqual(lines, [1, 2]);
});

const MIB = 1 << 20;

test("`readCsv()` takes a line of 1 MiB, and gives up on a longer one without reading on", async () => {
  const line = `1,${"x".repeat(MIB - 2)}`;
  const fits = await readChunks(pieces(encoder.encode(`a,b\n${line}\n2,3\n`), 65_536));
  assert.deepEqual(fits.map((record) => [record.line, record.text.length]), [[1, 3], [2, MIB], [
    3,
    3,
  ]]);

  const quotes = '""'.repeat(MIB / 2 - 2);
  const broken = await read(`a,b\n1,"${quotes}"\n2,"${quotes}\n3,"${quotes}"x\n4,5\n`);
  assert.deepEqual(broken.map((record) => [record.line, "reason" in record]), [
    [1, false],
    [2, false],
    [3, true],
    [4, true],
    [5, false],
  ]);

  let handed = 0;
  const endless = function* () {
    yield encoder.encode("a,b\n1,2\n");
    for (; handed < 64; handed++) yield encoder.encode("x".repeat(65_536));
  };
  await assert.rejects(
    readChunks(endless()),
    (error) => error instanceof UsageError && /longer than 1 MiB/.test(error.message),
  );
  assert.ok(handed <= 18, `${handed} pieces of 64 KiB`);
});

test("`readCsv()` gives up on a line over 1 MiB even when it comes in one piece", async () => {
  // With some room: the limit is there to keep memory flat, not to be exact.
  const long = encoder.encode(`a,b\n1,${"x".repeat(MIB + 16_384)}\n2,3\n`);
  for (const size of [1000, 65_536, long.length]) {
    await assert.rejects(readChunks(pieces(long, size)), UsageError, `pieces of ${size}`);
  }
});

test("`readCsv()` reads on when piece after piece ends between two lines, or inside CRLF", async () => {
  // Rows of 16 bytes fill pieces of 64 KiB evenly: after this header each piece ends with a CR.
  for (const [name, end] of [["CR", "\r"], ["CRLF", "\r\n"]] as const) {
    const header = `a,b,c,d,e,f,g,h${end}`;
    const row = "1,2,3,4,5,6,7,8".slice(0, 14).padEnd(16 - end.length, "8") + end;
    const rows = 20 * 4096;
    const chunks = pieces(encoder.encode(header + row.repeat(rows)), 65_536);
    assert.ok(chunks.slice(0, 20).every((chunk) => chunk.at(-1) === 13), name);
    const records = await readChunks(chunks);
    assert.equal(records.length, rows + 1, name);
    assert.deepEqual(records.filter((record) => "reason" in record), [], name);
    assert.equal(records.at(-1)?.line, rows + 1, name);
  }
});
