import assert from "node:assert/strict";
import { replayOptions } from "../shared/replay.ts";
import { paceOf } from "../shared/replay/options.ts";
import {
  duration,
  flag,
  integer,
  number,
  oneOf,
  optional,
  type Options,
  plainName,
  positiveDuration,
  repeatable,
  text,
  type Usage,
  UsageError,
  withDefault,
} from "../shared/script.ts";
import { helpText, parseOptions } from "../shared/script/options.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

const OPTIONS = {
  file: withDefault("PATH", text, "data/x.csv", "CSV to read"),
  skip: withDefault("N", integer(0), "0", "leave out rows"),
  limit: optional("N", integer(1), "stop after rows"),
  queueType: withDefault("TYPE", oneOf("quorum", "classic"), "quorum", "queue type"),
  dryRun: flag("nothing is sent"),
  purgeQueue: repeatable("NAME", plainName, "queue to empty"),
  url: optional("URL", text, "the broker"),
};

const USAGE = { task: "x:produce", script: "x", summary: "Does x.\nAnd y.", options: OPTIONS };

const DEFAULTS = {
  file: "data/x.csv",
  skip: 0,
  limit: undefined,
  queueType: "quorum",
  dryRun: false,
  purgeQueue: [],
  url: undefined,
};

function parse(...args: string[]) {
  return parseOptions(args, USAGE);
}

/** A command line must be refused in one line that has all these words in it. */
function refuses<O extends Options>(args: string[], usage: Usage<O>, ...words: string[]): void {
  assert.throws(() => parseOptions(args, usage), (error) => {
    const context = `${args.join(" ")}: ${error}`;
    assert.ok(error instanceof UsageError, context);
    for (const word of words) assert.ok(error.message.includes(word), `${word} in ${context}`);
    assert.ok(!error.message.includes("\n"), context);
    return true;
  });
}

test("`parseOptions()` gives defaults, and nothing for what was left out", () => {
  assert.deepEqual(parse(), { values: DEFAULTS, words: [] });
});

test("`parseOptions()` reads flags in kebab case, their values apart or after =", () => {
  const cases: [string[], Partial<Record<keyof typeof OPTIONS, unknown>>][] = [
    [["--file", "my.csv"], { file: "my.csv" }],
    [["--file=my.csv"], { file: "my.csv" }],
    [["--file", "-"], { file: "-" }],
    [["--file=-x"], { file: "-x" }],
    [["--file=a=b"], { file: "a=b" }],
    [["--queue-type", "classic"], { queueType: "classic" }],
    [["--dry-run"], { dryRun: true }],
    [["--dry-run", "--dry-run"], { dryRun: true }],
    [["--skip", "5", "--limit=7"], { skip: 5, limit: 7 }],
    [["--skip", "5", "--skip", "6"], { skip: 6 }],
    [["--purge-queue", "a"], { purgeQueue: ["a"] }],
    [["--purge-queue", "b", "--dry-run", "--purge-queue=a"], {
      purgeQueue: ["b", "a"],
      dryRun: true,
    }],
    [["--url", "amqp://u:p@h/%2F?x=y"], { url: "amqp://u:p@h/%2F?x=y" }],
  ];
  for (const [args, different] of cases) {
    assert.deepEqual(
      parse(...args),
      { values: { ...DEFAULTS, ...different }, words: [] },
      args.join(" "),
    );
  }
});

test("`parseOptions()` refuses unknown flags, and lists those there are", () => {
  const all = [
    "--file",
    "--skip",
    "--limit",
    "--queue-type",
    "--dry-run",
    "--purge-queue",
    "--help",
  ];
  for (
    const name of [
      "--nope",
      "--files",
      "--queueType",
      "--Skip",
      "-s",
      "--no-dry-run",
      "--__proto__",
    ]
  ) {
    refuses([name], USAGE, `'${name}'`, ...all);
    refuses(["--skip", "1", name, "--dry-run"], USAGE, `'${name}'`);
  }
  refuses(["--nope=5"], USAGE, "'--nope'");
});

test("`parseOptions()` refuses a flag without its value, and a value for a switch", () => {
  refuses(["--skip"], USAGE, "--skip");
  refuses(["--file", "--dry-run"], USAGE, "--file");
  refuses(["--dry-run", "--limit"], USAGE, "--limit");
  refuses(["--dry-run=yes"], USAGE, "--dry-run");
  refuses(["--dry-run=false"], USAGE, "--dry-run");
});

test("`parseOptions()` names the flag, what it takes and what it got", () => {
  refuses(["--skip", "five"], USAGE, "--skip", "whole number of at least 0", '"five"');
  refuses(["--skip=-1"], USAGE, "--skip", "at least 0", '"-1"');
  refuses(["--limit", "0"], USAGE, "--limit", "at least 1", '"0"');
  refuses(["--queue-type", "Classic"], USAGE, "--queue-type", "quorum or classic", '"Classic"');
  refuses(["--file", ""], USAGE, "--file", "empty", '""');
  refuses(["--file="], USAGE, "--file", "empty");
  refuses(["--purge-queue", "a", "--purge-queue", "b/c"], USAGE, "--purge-queue", '"b/c"');
  refuses(["--skip", "line\nbreak"], USAGE, "--skip", '"line\\nbreak"');
  assert.throws(
    () => parse("--skip", "9".repeat(5000)),
    (error) => error instanceof UsageError && error.message.length < 200,
  );
});

test("`parseOptions()` takes free arguments only where there are some", () => {
  refuses(["first"], USAGE, '"first"', "x:produce", "--help");
  refuses(["--dry-run", "true"], USAGE, '"true"');
  refuses(["--", "--dry-run"], USAGE, '"--dry-run"');
  const usage = { ...USAGE, words: "[TEXT ...]" };
  const cases: [string[], string[], boolean][] = [
    [["First", "message...."], ["First", "message...."], false],
    [["First", "--dry-run", "message"], ["First", "message"], true],
    [["--", "--dry-run", "-x"], ["--dry-run", "-x"], false],
    [["", "-"], ["", "-"], false],
  ];
  for (const [args, words, dryRun] of cases) {
    const parsed = parseOptions(args, usage);
    assert.deepEqual([parsed.words, parsed.values.dryRun], [words, dryRun], args.join(" "));
  }
  refuses(["First", "--nope"], usage, "'--nope'");
});

test("`parseOptions()` doesn't repeat a password", () => {
  const url = "amqp://user:secret@localhost:5672";
  const lines = [[`--ulr=${url}`], ["--ulr", url], [`--url${url}`], [`--dry-run=${url}`], [url]];
  for (const args of lines) {
    assert.throws(
      () => parse(...args),
      (error) => error instanceof UsageError && !error.message.includes("secret"),
      args.join(" "),
    );
  }
});

/** Parsers, the values they take with what they make of them, and those they refuse. */
const PARSERS: [string, (text: string) => unknown, [string, unknown][], string[]][] = [
  ["text", text, [["a", "a"], [" ", " "], ["-", "-"], ["ä", "ä"]], [""]],
  [
    "integer(0)",
    integer(0),
    [["0", 0], ["7", 7], ["007", 7], ["9007199254740991", 9007199254740991]],
    [
      "",
      "-1",
      "+1",
      "1.0",
      "1e3",
      "0x10",
      " 1",
      "1 ",
      "one",
      "9007199254740992",
      "٣",
      "1".repeat(17),
    ],
  ],
  ["integer(1)", integer(1), [["1", 1]], ["0", "-1"]],
  ["integer(1, 15)", integer(1, 15), [["1", 1], ["15", 15]], ["0", "16", "1.5"]],
  [
    "number(0)",
    number(0),
    [["0", 0], ["1.5", 1.5], ["0.05", 0.05], ["60", 60]],
    ["", "-1", ".5", "5.", "1e3", "Infinity", "NaN", "0x10", "1,5", " 1", "9".repeat(400)],
  ],
  ["number(1)", number(1), [["1", 1], ["1.0", 1]], ["0", "0.99"]],
  ["number above 0", number(0, { open: true }), [["0.001", 0.001], ["60", 60]], ["0", "0.0", "-1"]],
  [
    "duration",
    duration,
    [
      ["0", 0],
      ["0s", 0],
      ["250ms", 250],
      ["5s", 5000],
      ["2m", 120_000],
      ["2.5m", 150_000],
      ["0.5s", 500],
      ["1h", 3_600_000],
      ["2d", 172_800_000],
      ["90s", 90_000],
      ["365d", 31_536_000_000],
    ],
    [
      "",
      "5",
      "s",
      "5S",
      "5 s",
      " 5s",
      "-5s",
      "+5s",
      "5sec",
      "5m30s",
      ".5s",
      "5.s",
      "1e3s",
      "366d",
      "00",
    ],
  ],
  [
    "positiveDuration",
    positiveDuration,
    [["1ms", 1], ["2.5m", 150_000], ["0.5ms", 0.5]],
    ["0", "0s", "0.0m", "-1s", "5", ""],
  ],
  [
    "oneOf",
    oneOf("json", "text"),
    [["json", "json"], ["text", "text"]],
    ["", "JSON", "jso", "json ", "toString"],
  ],
  [
    "plainName",
    plainName,
    ["a", "w1", "Zoë", "a.b_c-d", "_x", "7", "x".repeat(64)].map((name) => [name, name]),
    ["", ".", "..", ".x", "-x", "a/b", "a\\b", "a b", "a\n", "a:b", "*", "x".repeat(65)],
  ],
];

test("values are read, or refused with a sentence that says what is accepted", () => {
  for (const [name, parse, good, bad] of PARSERS) {
    for (const [value, expected] of good) {
      assert.equal(parse(value), expected, `${name} of ${JSON.stringify(value)}`);
    }
    for (const value of bad) {
      assert.throws(
        () => parse(value),
        { name: "RangeError", message: /^must (not be empty|be .+)$/ },
        `${name} of ${JSON.stringify(value)}`,
      );
    }
  }
});

test("bounds and words are named in what is said of a bad value", () => {
  const cases: [(text: string) => unknown, string, RegExp][] = [
    [integer(3), "2", /at least 3/],
    [integer(1, 15), "16", /from 1 to 15/],
    [number(2), "1", /at least 2/],
    [number(0, { open: true }), "0", /above 0/],
    [duration, "x", /250ms, 5s, 2m or 0/],
    [positiveDuration, "0", /above 0, like 250ms/],
    [oneOf("a", "b", "c"), "d", /a or b or c/],
    [plainName, "/", /1 to 64 letters, digits/],
  ];
  for (const [parse, value, message] of cases) assert.throws(() => parse(value), { message });
});

test("`helpText()` names what the script does and every flag with its default", () => {
  const help = helpText(USAGE);
  const lines = help.split("\n");
  assert.deepEqual(lines.slice(0, 4), [
    "Does x.",
    "And y.",
    "",
    "Usage: deno task x:produce [flags]",
  ]);
  const flags: [string, string, string | undefined][] = [
    ["--file PATH", "CSV to read", "data/x.csv"],
    ["--skip N", "leave out rows", "0"],
    ["--limit N", "stop after rows", undefined],
    ["--queue-type TYPE", "queue type", "quorum"],
    ["--dry-run", "nothing is sent", undefined],
    ["--purge-queue NAME", "queue to empty; repeatable", undefined],
    ["--url URL", "the broker", undefined],
    ["--help", "show this; -h, too", undefined],
  ];
  for (const [left, right, fallback] of flags) {
    const line = lines.filter((line) => line.trim().startsWith(`${left}  `));
    assert.equal(line.length, 1, left);
    const ending = fallback === undefined ? right : `${right} (default ${fallback})`;
    assert.ok(line[0]?.endsWith(`  ${ending}`), line[0]);
  }
  // One column: all explanations begin at the same place.
  const begins = lines.slice(5).map((line, i) => line.indexOf(flags[i]?.[1] ?? "?"));
  assert.equal(new Set(begins).size, 1, help);
});

test("`helpText()` shows free arguments", () => {
  const help = helpText({ ...USAGE, words: "[TEXT ...]" });
  assert.match(help, /^Usage: deno task x:produce \[TEXT \.\.\.\] \[flags\]$/m);
});

test("`helpText()` works for a script without flags of its own", () => {
  assert.match(helpText({ ...USAGE, options: {} }), /^ {2}--help {2}show this/m);
});

const PRODUCER = {
  ...USAGE,
  options: replayOptions({
    queues: { x: { name: "x_queue", kind: "shared" } },
    csv: { file: "data/x.csv", interval: "5s" },
  }),
};

test("a producer's flags have the values that the design names", () => {
  const { values } = parseOptions([], PRODUCER);
  assert.deepEqual(values, {
    file: "data/x.csv",
    interval: undefined,
    speed: undefined,
    skip: 0,
    limit: undefined,
    loop: false,
    run: undefined,
    columns: undefined,
    delimiter: ",",
    timeFormat: undefined,
    format: "json",
    strict: false,
    purge: false,
    dryRun: false,
    queue: { x: "x_queue" },
    admin: false,
    url: undefined,
    ca: undefined,
    cert: undefined,
    key: undefined,
    queueType: "quorum",
    json: false,
    log: false,
    times: false,
    quiet: false,
  });
});

test("every flag of a producer is in its help", () => {
  const help = helpText(PRODUCER);
  const flags =
    "file interval speed skip limit loop run columns delimiter time-format format strict purge " +
    "dry-run queue admin url ca cert key queue-type json log times quiet help";
  for (const name of flags.split(" ")) assert.match(help, new RegExp(`^  --${name} `, "m"), name);
  assert.match(help, /--interval.*5s/);
});

test("a producer's `--columns` and `--delimiter` are read, or refused in one line", () => {
  const good: [string[], Partial<ReturnType<typeof values>>][] = [
    [["--columns", "name=Who"], { columns: { name: "Who" } }],
    [["--columns", "time=Stamp,smoker=Pit"], { columns: { time: "Stamp", smoker: "Pit" } }],
    [["--columns", "time=Time (UTC), food-a=Pit 2"], {
      columns: { "time": "Time (UTC)", "food-a": "Pit 2" },
    }],
    [["--columns", "name=a=b"], { columns: { name: "a=b" } }],
    [["--delimiter", ";"], { delimiter: ";" }],
    [["--delimiter", "tab"], { delimiter: "\t" }],
    [["--delimiter", "\\t"], { delimiter: "\t" }],
    [["--delimiter", "\t"], { delimiter: "\t" }],
    [["--delimiter", "😀"], { delimiter: "😀" }],
  ];
  const values = (...args: string[]) => parseOptions(args, PRODUCER).values;
  for (const [args, expected] of good) {
    const found = values(...args);
    assert.deepEqual({ ...found, ...expected }, found, args.join(" "));
  }
  for (const map of ["", "name", "=Who", "name=", "name=Who,", "name=Who,,time=Stamp", ","]) {
    refuses(["--columns", map], PRODUCER, "--columns", "name=Who,time=Stamp");
  }
  for (const delimiter of ["", ";;", '"', "\n", "\r", "TAB"]) {
    refuses([`--delimiter=${delimiter}`], PRODUCER, "--delimiter", "one character");
  }
});

test("`paceOf()` turns a producer's flags into its pace", () => {
  const csv = { interval: "5s", timeColumn: "time" };
  const pace = (...args: string[]) => paceOf(parseOptions(args, PRODUCER).values, csv);
  assert.deepEqual(pace(), { intervalMs: 5000 });
  assert.deepEqual(pace("--interval", "250ms"), { intervalMs: 250 });
  assert.deepEqual(pace("--interval", "0"), { intervalMs: 0 });
  assert.deepEqual(pace("--speed", "60"), { speed: 60 });
  // A dry run shows what would be sent: only a pace that is typed is kept.
  assert.deepEqual(pace("--dry-run"), { intervalMs: 0 });
  assert.deepEqual(pace("--dry-run", "--interval", "2s"), { intervalMs: 2000 });
  assert.deepEqual(pace("--dry-run", "--speed", "60"), { speed: 60 });
  assert.deepEqual(pace("--loop", "--speed", "0.5"), { speed: 0.5 });
  const refused: [string[], RegExp][] = [
    [["--interval", "5s", "--speed", "60"], /--interval and --speed exclude each other/],
    [["--interval", "0", "--speed", "1"], /--interval and --speed exclude each other/],
    [["--loop", "--file", "-"], /--loop.*standard input/],
  ];
  for (const [args, message] of refused) {
    assert.throws(() => pace(...args), { name: "UsageError", message }, args.join(" "));
  }
  const timeless = (...args: string[]) =>
    paceOf(parseOptions(args, PRODUCER).values, { interval: "2s" });
  assert.deepEqual(timeless(), { intervalMs: 2000 });
  assert.throws(() => timeless("--speed", "2"), {
    name: "UsageError",
    message: /--speed needs recorded times/,
  });
  for (const speed of ["0", "-1", "fast", "Infinity", "1e3"]) {
    refuses([`--speed=${speed}`], PRODUCER, "--speed", "number above 0");
  }
});
