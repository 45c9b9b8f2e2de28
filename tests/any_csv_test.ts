import assert from "node:assert/strict";
import { parse } from "csv-parse/sync";
import { seededRandom } from "../data/seeded_random.ts";
import type { Delivery } from "../shared/connection.ts";
import { UsageError } from "../shared/script.ts";
import {
  columnNames,
  type CsvDescription,
  type CsvRow,
  csvStream,
  describedBy,
  timeOf,
} from "../shared/streams.ts";
import { parseDescription } from "../shared/streams/csv_description.ts";
import { mutate } from "./mutation.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void | Promise<void>): void {
  Deno.test({ name, permissions: "none", fn });
}

/** A description, as a file has it. */
const described = (file: Record<string, unknown>) =>
  parseDescription(JSON.stringify({ queue: "q", ...file }), "file");

/** The body that a row becomes. */
function bodyOf(description: CsvDescription, names: string[], cells: string[]): string {
  const stream = csvStream(description);
  return stream.encode(stream.csv.row(cells, 0, names).item, "json").body;
}

function delivery(body: string, contentType?: string): Delivery {
  return {
    body: new TextEncoder().encode(body),
    ...(contentType === undefined ? {} : { contentType }),
    ...{ deliveryTag: 1, redelivered: false, routingKey: "q" },
  };
}

function refusal(file: string): string {
  try {
    parseDescription(file, "--stream f.json");
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    assert.ok(!error.message.includes("\n"), error.message);
    return error.message;
  }
  assert.fail(`${file} is taken`);
}

test("a cell that is a JSON number becomes one, an empty one null, anything else text", () => {
  // By hand: what JSON says of each.
  const cases: [cell: string, json: string][] = [
    ...["0", "7", "-3", "12.5", "-0.25", "1e3", "2.5E-3"].map((cell) =>
      [cell, JSON.stringify(JSON.parse(cell))] as [string, string]
    ),
    ["", "null"],
    ["  ", "null"],
    ["007", '"007"'],
    ["+7", '"+7"'],
    [".5", '".5"'],
    ["5.", '"5."'],
    ["1,5", '"1,5"'],
    ["0x10", '"0x10"'],
    ["1 000", '"1 000"'],
    ["NaN", '"NaN"'],
    ["Infinity", '"Infinity"'],
    ["true", '"true"'],
    ["null", '"null"'],
    ["9007199254740991", "9007199254740991"],
    ["9007199254740992", '"9007199254740992"'],
    ["-9007199254740993", '"-9007199254740993"'],
    ["4111111111111111", "4111111111111111"],
    ["41111111111111111", '"41111111111111111"'],
    ["1e400", '"1e400"'],
    ['say "hi"\nyou', '"say \\"hi\\"\\nyou"'],
    [" x ", '" x "'],
  ];
  for (const [cell, json] of cases) {
    assert.equal(bodyOf(described({}), ["a"], [cell]), `{"a":${json}}`, cell);
  }
});

test("--decimal , reads 12,50 as 12.5, and no point", () => {
  const german = described({ decimal: "," });
  const cases: [cell: string, json: string][] = [
    ["12,50", "12.5"],
    ["-0,5", "-0.5"],
    ["7", "7"],
    ["12.50", '"12.50"'],
    ["1.234,50", '"1.234,50"'],
    ["1,2,3", '"1,2,3"'],
    ["01,5", '"01,5"'],
  ];
  for (const [cell, json] of cases) {
    assert.equal(bodyOf(german, ["a"], [cell]), `{"a":${json}}`, cell);
  }
});

test("--types says otherwise, and a cell that doesn't fit rejects its row", () => {
  const names = ["zip", "Price", "n"];
  const typed = described({ types: "zip=text, price=number" });
  assert.equal(bodyOf(typed, names, ["123", "5", "6"]), '{"zip":"123","Price":5,"n":6}');
  assert.equal(bodyOf(typed, names, ["", "", ""]), '{"zip":null,"Price":null,"n":null}');
  assert.throws(() => bodyOf(typed, names, ["1", "n/a", "6"]), {
    name: "RangeError",
    message: 'Price must be a number, got "n/a"',
  });
  const text = described({ types: "text" });
  assert.equal(bodyOf(text, names, ["123", "", " 6"]), '{"zip":"123","Price":"","n":" 6"}');
  const mixed = described({ types: "text,price=number" });
  assert.equal(bodyOf(mixed, names, ["123", "5", ""]), '{"zip":"123","Price":5,"n":""}');
  const object = described({ types: { "n": "text", "a,b": "number" } });
  assert.deepEqual(object.types?.columns, new Map([["n", "text"], ["a,b", "number"]]));
  const odd = parseDescription('{"types":{"__proto__":"number","b":"text"}}', "file");
  assert.deepEqual(odd.types?.columns, new Map([["__proto__", "number"], ["b", "text"]]));
});

test("the columns of a row keep the header's order, also where they are called like numbers", () => {
  const names = ["b", "10", "2", "__proto__", "a"];
  const body = bodyOf(described({}), names, ["1", "2", "3", "4", "5"]);
  assert.equal(body, '{"b":1,"10":2,"2":3,"__proto__":4,"a":5}');
});

test("`columnNames()` names what has no name, and tells apart what has the same", () => {
  const cases: [header: string[], names: string[]][] = [
    [["a", " b ", "c"], ["a", "b", "c"]],
    [["a", "", "b", " "], ["a", "column2", "b", "column4"]],
    [["name", "name", "name"], ["name", "name_2", "name_3"]],
    [["name", "name_2", "name"], ["name", "name_2", "name_3"]],
    [["name", "name", "name_2"], ["name", "name_3", "name_2"]],
    [["", "column1"], ["column1_2", "column1"]],
    [["A", "a"], ["A", "a"]],
  ];
  for (const [header, names] of cases) assert.deepEqual(columnNames(header), names);
});

test("a row in the text format is a line of CSV", () => {
  const stream = csvStream(described({ delimiter: ";" }));
  const names = ["a", "b", "c", "d"];
  const { item } = stream.csv.row(["1", "", 'x "y"', "p;q"], 0, names);
  assert.deepEqual(stream.encode(item, "text"), { body: '1;;"x ""y""";"p;q"' });
});

test("`decode()` takes a JSON object of any origin, and nothing else", () => {
  const { decode } = csvStream(described({}));
  const row = decode(delivery('{"a":1,"b":{"c":[true]},"d":null}', "application/json"), "rows");
  assert.deepEqual([...row], [["a", 1], ["b", { c: [true] }], ["d", null]]);
  assert.deepEqual([...decode(delivery(' {"a":"x"}'), "rows")], [["a", "x"]]);
  assert.deepEqual([...decode(delivery("{}", "text/plain"), "rows")], []);
  const cases: [body: string, type: string | undefined, reason: RegExp][] = [
    ["First task..", undefined, /not JSON/],
    ["{", "application/json", /not JSON/],
    ["", undefined, /not JSON/],
    ["[1,2]", undefined, /must be a JSON object, got array/],
    ["[1,2]", "application/json", /must be a JSON object, got array/],
    ["12", "application/json", /must be a JSON object, got number/],
    ["null", undefined, /must be a JSON object, got null/],
  ];
  for (const [body, type, reason] of cases) {
    assert.throws(() => decode(delivery(body, type), "rows"), (error) => {
      assert.ok(error instanceof RangeError && reason.test(error.message), `${body}: ${error}`);
      return true;
    });
  }
  const latin = { ...delivery(""), body: new Uint8Array([0x7b, 0xe9, 0x7d]) };
  assert.throws(() => decode(latin, "rows"), /UTF-8/);
});

test("a line has the columns that are shown, in any case, or all", () => {
  const row: CsvRow = new Map<string, unknown>([["Nr", 7], ["Kunde", "Jäger"], ["x", null]]);
  assert.equal(csvStream(described({})).line(row), "7  Jäger  ");
  assert.equal(csvStream(described({ show: "kunde,nr" })).line(row), "Jäger  7");
  assert.equal(csvStream(described({ show: ["Kunde"] })).line(row), "Jäger");
  const long = new Map([["a", "x".repeat(5000)]]);
  assert.ok(csvStream(described({})).line(long).length < 300);
});

test("an id and a routing key are the cells as they are written", () => {
  const stream = csvStream(described({
    exchange: "amq.topic",
    "routing-key": "m.{HOST}.{n}",
    id: "nr",
  }));
  const [message, ...others] = stream.csv.messages(
    stream.csv.row(["web", "007", "1.50"], 0, ["host", "Nr", "n"]),
  );
  assert.equal(others.length, 0);
  assert.deepEqual([message?.name, message?.routingKey], ["007", "m.web.1.50"]);
  assert.deepEqual(stream.csv.anyHeader?.needed, [
    { column: "HOST", by: "--routing-key" },
    { column: "n", by: "--routing-key" },
    { column: "nr", by: "--id" },
  ]);
  const row = (...cells: string[]) => stream.csv.row(cells, 0, ["host", "Nr", "n"]);
  assert.throws(() => row("web", "", "1"), /^RangeError: no id in nr$/);
  assert.throws(() => row("web", "é".repeat(100), "1"), /more than 150 bytes/);
  assert.throws(() => row("w".repeat(300), "1", "1"), /more than 255 bytes/);
});

test("without `value` it is a stream of work in a shared queue, with it one of measurements", () => {
  const work = csvStream(described({ title: "Orders" }));
  assert.deepEqual([work.name, work.title, work.panel.kind], ["csv/q", "Orders", "work"]);
  assert.deepEqual(work.queues.rows, { name: "q", kind: "shared", usersOwn: true });
  const series = csvStream(described({ by: "Host", value: "cpu", unit: "%", time: "t" }));
  assert.deepEqual(series.queues.rows, {
    ...{ name: "q", kind: "ordered", monitored: true, usersOwn: true },
  });
  assert.ok(series.panel.kind === "series");
  assert.deepEqual(series.panel.quantities, [{ name: "cpu", unit: "%" }]);
  const { measured } = series.panel;
  const row = (host: unknown, cpu: unknown) =>
    new Map([["host", host], ["cpu", cpu], ["t", "1970-01-01T00:00:01"]]);
  assert.deepEqual(measured(row("a", 1.5)), { key: "a", time: 1000, values: [1.5] });
  assert.deepEqual(measured(row(7, null)), { key: "7", time: 1000, values: [null] });
  assert.throws(() => measured(row("a", "n/a")), /^RangeError: cpu must be a number, got "n\/a"$/);
  assert.throws(() => measured(row(null, 1)), /^RangeError: Host is empty$/);
  assert.throws(() => measured(row("a\nb", 1)), /^RangeError: Host must be short printable text/);
  assert.throws(() => measured(new Map([["cpu", 1]])), /^RangeError: column "Host" is missing$/);
  // What a monitor couldn't read isn't sent to it.
  const names = ["host", "cpu", "t"];
  assert.throws(() => series.csv.row(["a", "n/a", "2024-01-01"], 0, names), /must be a number/);
  const one = csvStream(described({ value: "cpu" }));
  assert.ok(one.panel.kind === "series");
  assert.deepEqual(one.panel.measured(row("a", 3)), { key: "all", time: 0, values: [3] });
});

test("`timeOf()` reads a row's time as the description says", () => {
  const row = new Map<string, unknown>([["T", 86_400.5], ["d", "02.01.1970"], ["e", null]]);
  assert.equal(timeOf(row, described({ time: "t", "time-format": "epoch" })), 86_400_500);
  assert.equal(timeOf(row, described({ time: "d", "time-format": "DD.MM.YYYY" })), 86_400_000);
  assert.throws(() => timeOf(row, described({ time: "d" })), /unreadable date "02.01.1970"/);
  assert.throws(() => timeOf(row, described({ time: "e" })), /e must be a time, got null$/);
  assert.throws(() => timeOf(row, described({ time: "x" })), /column "x" is missing/);
});

test("a description that can't be read is one line that says what is accepted", () => {
  const cases: [file: string, reason: RegExp][] = [
    ["{", /^--stream f.json is not JSON: /],
    ["[]", /^--stream f.json: must be a JSON object$/],
    ['"x"', /must be a JSON object$/],
    ['{"que":"x"}', /: unknown key "que", did you mean "queue"\?$/],
    ['{"timeFormat":"epoch"}', /: unknown key "timeFormat", did you mean "time-format"\?$/],
    ['{"qwertz":1}', /: unknown key "qwertz", known are title, file, queue, .*, alert$/],
    ['{"queue":true}', /: "queue" must be text, got true$/],
    ['{"queue":null}', /: "queue" must be text, got null$/],
    ['{"queue":"amq.x"}', /: "queue" must not begin with amq\., .*, got "amq\.x"$/],
    ['{"delimiter":"ab"}', /: "delimiter" must be one character, or tab, got "ab"$/],
    ['{"decimal":";"}', /: "decimal" must be \. or ,, got ";"$/],
    ['{"time-format":"HH"}', /: "time-format" must be epoch, epoch-ms or a pattern .*, got "HH"$/],
    ['{"types":"a=b"}', /: "types" must look like zip=text,price=number, or be text, got "a=b"$/],
    ['{"types":{"a":"b"}}', /: "types" must be text, or "text" or "number" for each column, got/],
    ['{"types":{"__proto__":"b"}}', /: "types" must be text, or "text" or "number" for each/],
    ['{"types":[["a","text"]]}', /: "types" must be text, or "text" or "number" for each column/],
    ['{"interval":"soon"}', /: "interval" must be a time like .*, got "soon"$/],
    ['{"show":"a,,b"}', /: "show" must be names of columns, such as Nr,Kunde, got "a,,b"$/],
    ['{"alert":[1]}', /: "alert" must be text, or a list of rules, got \[1\]$/],
  ];
  for (const [file, reason] of cases) assert.match(refusal(file), reason, file);
});

test("a byte order mark before a description is left out", () => {
  assert.deepEqual(parseDescription('\ufeff{"queue":"q"}', "file"), { queue: "q" });
});

test("the values of a file are those of the flags", () => {
  const file = described({
    ...{ delimiter: "tab", show: "a, b", alert: "high: last above 9", interval: 0, window: 20 },
  });
  const { delimiter, show, alert, interval, window } = file;
  assert.deepEqual({ delimiter, show, alert, interval, window }, {
    ...{ delimiter: "\t", show: ["a", "b"], alert: ["high: last above 9"] },
    ...{ interval: "0", window: "20" },
  });
});

const mayWrite = Deno.permissions.querySync({ name: "write" }).state === "granted";

Deno.test({
  name: "flags win over the file of `--stream`, and what is in neither is left out" +
    (mayWrite ? "" : " (skipped: needs --allow-write)"),
  ignore: !mayWrite,
  async fn() {
    const path = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(path, '{"queue":"a","id":"Nr","alert":["x"],"unit":"%"}');
      const given = { stream: path, queue: "b", id: undefined, alert: [], by: "host" };
      assert.deepEqual(await describedBy(given), {
        ...{ queue: "b", id: "Nr", alert: ["x"], unit: "%", by: "host" },
      });
      const alert = ["y"];
      assert.deepEqual((await describedBy({ stream: path, alert })).alert, ["y"]);
      assert.deepEqual(await describedBy({ stream: undefined, queue: "c" }), { queue: "c" });
    } finally {
      await Deno.remove(path);
    }
    await assert.rejects(
      describedBy({ stream: path }),
      /^UsageError: --stream .* can't be read: no such file$/,
    );
  },
});

test("whatever a table holds, a row is JSON of the same columns, and its text format the same cells", () => {
  const random = seededRandom(31);
  const pieces = [
    ...["a", "7", "0.5", ",", ";", '"', "\n", "\\", "é", "😀", "\u2028", "__proto__", "1e9", "-"],
    ...["constructor", " ", "\ufeff", "null", "9".repeat(20), "{", "toString"],
  ];
  const pick = () => pieces[Math.floor(random() * pieces.length)] ?? "";
  const some = () => Array.from({ length: Math.floor(random() * 3) }, pick).join("");
  const stream = csvStream(described({}));
  for (let round = 0; round < 2000; round++) {
    const cells = Array.from({ length: 1 + Math.floor(random() * 5) }, some);
    // V8 15.0 reads the key "\"" as "\\" once another object had that one.
    const names = columnNames(cells.map(() => some().replaceAll("\\", "/")));
    assert.equal(new Set(names).size, names.length, JSON.stringify(names));
    const { item } = stream.csv.row(cells, 0, names);
    const entries = Object.entries(JSON.parse(stream.encode(item, "json").body));
    assert.deepEqual(entries.map(([name]) => name).toSorted(), names.toSorted());
    for (const [name, value] of entries) {
      const cell = cells[names.indexOf(name)] ?? "";
      if (typeof value === "number") assert.equal(value, Number(cell));
      else assert.equal(value ?? "", cell.trim() === "" ? "" : cell);
    }
    assert.deepEqual(
      stream.decode(delivery(stream.encode(item, "json").body), "rows").size,
      names.length,
    );
    const [read] = parse(stream.encode(item, "text").body, { relax_column_count: true });
    assert.deepEqual(read ?? [""], [...item.values()].map((value) => String(value ?? "")));
  }
});

test("`decode()` refuses mutated messages with a reason, or takes them", () => {
  const random = seededRandom(32);
  const { decode, line } = csvStream(described({ show: "a,b" }));
  const good = new TextEncoder().encode('{"a":1,"b":"x","c":[{"d":null}]}');
  let taken = 0;
  for (let round = 0; round < 3000; round++) {
    const body = mutate(good, random);
    try {
      const row = decode({ ...delivery("", "application/json"), body }, "rows");
      assert.equal(typeof line(row), "string");
      taken++;
    } catch (error) {
      assert.ok(error instanceof RangeError && error.message !== "", String(error));
    }
  }
  assert.ok(taken > 100, `${taken}`);
});
