import assert from "node:assert/strict";
import { formatClassTime, formatLocalTime, parseLocalTime } from "../shared/local_time.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

/** Random numbers from 0 to 1 that a seed decides (mulberry32). */
function randomFrom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What `date -u -d … +%s` says of some times, in seconds. */
const KNOWN: [string, number][] = [
  ["5/22/21 12:34:10", 1621686850],
  ["05/22/21 12:34:10", 1621686850],
  ["5/22/2021 12:34:10", 1621686850],
  ["2021-05-22T12:34:10", 1621686850],
  ["2021-05-22 12:34:10", 1621686850],
  ["2/14/23 10:15", 1676369700],
  ["02/14/2023 10:15:00", 1676369700],
  ["2023-02-14T10:15", 1676369700],
  ["2/14/23 9:05", 1676365500],
  ["1/1/00 0:00", 946684800],
  ["12/31/99 23:59:59", 4102444799],
  ["12/31/1999 23:59:59", 946684799],
  ["1970-01-01T00:00:00", 0],
  ["1969-12-31T23:59:59", -1],
  ["2/29/24 12:00", 1709208000],
  ["2000-02-29T00:00:00", 951782400],
];

test("`parseLocalTime()` reads the class's form and ISO 8601", () => {
  for (const [text, seconds] of KNOWN) assert.equal(parseLocalTime(text), seconds * 1000, text);
});

test("`parseLocalTime()` reads fractions of a second, to the millisecond", () => {
  const cases: [string, number][] = [
    ["1970-01-01T00:00:00.5", 500],
    ["1970-01-01T00:00:00.05", 50],
    ["1970-01-01T00:00:00.005", 5],
    ["1970-01-01T00:00:00.0059", 5],
    ["1970-01-01T00:00:00.123456789", 123],
    ["1970-01-01T00:00:00,25", 250],
    ["1/1/1970 0:00:00.75", 750],
  ];
  for (const [text, ms] of cases) assert.equal(parseLocalTime(text), ms, text);
});

test("`parseLocalTime()` takes UTC for a zone, and no other", () => {
  for (const zone of ["Z", "+00:00", "-00:00", "+0000"]) {
    assert.equal(parseLocalTime(`2021-05-22T12:34:10${zone}`), 1621686850_000, zone);
    assert.equal(parseLocalTime(`2021-05-22T12:34:10.000${zone}`), 1621686850_000, zone);
  }
  for (const zone of ["+02:00", "-05", "+00:30", "UTC", "z", " Z", "[Europe/Berlin]"]) {
    assert.throws(() => parseLocalTime(`2021-05-22T12:34:10${zone}`), RangeError, zone);
  }
});

test("`parseLocalTime()` ignores white space around a time", () => {
  for (const text of [" 2/14/23 10:15", "2/14/23 10:15 ", "\t2023-02-14T10:15:00\r\n"]) {
    assert.equal(parseLocalTime(text), 1676369700_000, JSON.stringify(text));
  }
});

test("`parseLocalTime()` refuses days and times that don't exist", () => {
  const days = [
    "2/29/23",
    "2/30/24",
    "2/29/2100",
    "4/31/23",
    "13/1/23",
    "0/1/23",
    "1/0/23",
    "1/32/23",
  ];
  for (const day of days) assert.throws(() => parseLocalTime(`${day} 10:15`), RangeError, day);
  for (
    const day of [
      "2023-02-29",
      "1900-02-29",
      "2024-02-30",
      "2023-13-01",
      "2023-00-01",
      "2023-01-00",
    ]
  ) {
    assert.throws(() => parseLocalTime(`${day}T10:15:00`), RangeError, day);
  }
  for (const time of ["24:00", "24:00:00", "25:10", "10:60", "10:15:60", "23:59:60", "99:99"]) {
    assert.throws(() => parseLocalTime(`2/14/23 ${time}`), RangeError, time);
    assert.throws(() => parseLocalTime(`2023-02-14T${time}`), RangeError, time);
  }
});

test("`parseLocalTime()` refuses what is in another form", () => {
  const texts = [
    "",
    " ",
    "now",
    "2/14/23",
    "2023-02-14",
    "10:15",
    "2/14/123 10:15",
    "2/14/3 10:15",
    "2/14/23 10:5",
    "2/14/23 10",
    "2/14/23 10:15 PM",
    "2/14/23  10:15",
    "2/14/23 10:15:5",
    "2/14/23 10:15:00:00",
    "2/14/23 10:15.5",
    "-2/14/23 10:15",
    "2-14-23 10:15",
    "14.2.23 10:15",
    "2023/02/14 10:15",
    "2023-2-14T10:15",
    "2023-02-14T9:15",
    "20230214T101500",
    "2023-02-14T10:15:00.",
    "+002023-02-14T10:15:00",
    "x2/14/23 10:15",
    "2/14/23 10:15x",
    "٢/١٤/٢٣ ١٠:١٥",
    "1676369700",
  ];
  for (const text of texts) assert.throws(() => parseLocalTime(text), RangeError, text);
});

test("`parseLocalTime()` says what it could not read, and what it expects", () => {
  assert.throws(() => parseLocalTime("2/30/23 10:15"), {
    name: "RangeError",
    message: /"2\/30\/23 10:15".*M\/D\/YY H:MM\[:SS\].*ISO 8601/,
  });
  assert.throws(
    () => parseLocalTime("x".repeat(10_000)),
    (error) => error instanceof RangeError && error.message.length < 200,
  );
});

test("`parseLocalTime()` reads every day of a leap and of a common year", () => {
  const lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  // 1 January 2023 was the 19,358th day after 1 January 1970, 365 days before 2024 began.
  for (const [year, first] of [[2023, 19_358], [2024, 19_723]] as const) {
    let day = first;
    lengths.forEach((length, month) => {
      const days = length + (year === 2024 && month === 1 ? 1 : 0);
      for (let date = 1; date <= days; date++, day++) {
        const text = `${month + 1}/${date}/${year} 0:00`;
        assert.equal(parseLocalTime(text), day * 86_400_000, text);
      }
      assert.throws(() => parseLocalTime(`${month + 1}/${days + 1}/${year} 0:00`), RangeError);
    });
  }
});

test("`parseLocalTime()` takes a year of four digits as it is, even an early one", () => {
  const years: [string, number][] = [["0021", 21], ["0099", 99], ["0100", 100], ["1000", 1000]];
  for (const [text, year] of years) {
    const time = parseLocalTime(`${text}-05-22T12:34:10`);
    assert.equal(new Date(time).getUTCFullYear(), year);
    assert.equal(formatLocalTime(time), `${text}-05-22T12:34:10`);
  }
});

test("`formatLocalTime()` writes ISO 8601 without a zone, milliseconds where there are some", () => {
  const cases: [number, string][] = [
    [1621686850_000, "2021-05-22T12:34:10"],
    [1676369700_000, "2023-02-14T10:15:00"],
    [1676369700_050, "2023-02-14T10:15:00.050"],
    [0, "1970-01-01T00:00:00"],
    [-1, "1969-12-31T23:59:59.999"],
  ];
  for (const [time, text] of cases) assert.equal(formatLocalTime(time), text);
});

test("`formatClassTime()` writes as the class does, seconds where there are some", () => {
  const cases: [number, string][] = [
    [1676369700_000, "2/14/23 10:15"],
    [1676369701_000, "2/14/23 10:15:01"],
    [1621686850_000, "5/22/21 12:34:10"],
    [1676365500_000, "2/14/23 9:05"],
    [946684800_000, "1/1/00 0:00"],
    [1230768000_000, "1/1/09 0:00"],
  ];
  for (const [time, text] of cases) assert.equal(formatClassTime(time), text);
});

test("times are read back as they were written", () => {
  const random = randomFrom(11);
  for (let i = 0; i < 20_000; i++) {
    // Seconds from 1 January 2000 up to 2100, which two digits of a year can tell.
    const time = 1000 * (946684800 + Math.floor(random() * (4102444800 - 946684800)));
    assert.equal(parseLocalTime(formatLocalTime(time)), time);
    assert.equal(parseLocalTime(formatClassTime(time)), time);
    const exact = time + Math.floor(random() * 1000);
    assert.equal(parseLocalTime(formatLocalTime(exact)), exact);
  }
});

test("`formatClassTime()` keeps the century of years other than 20xx", () => {
  for (const iso of ["1999-12-31T23:59:00", "1970-01-01T00:00:00", "2100-03-01T10:15:30"]) {
    assert.equal(formatLocalTime(parseLocalTime(formatClassTime(parseLocalTime(iso)))), iso);
  }
});

/** Times that clocks skip in New York and in Berlin. */
const SKIPPED = [
  ["2023-03-12T02:30:00", "3/12/23 2:30"],
  ["2023-03-26T02:30:00", "3/26/23 2:30"],
] as const;

const ZONES = ["America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "Europe/Berlin", "UTC"];

Deno.test({
  name: "times don't depend on the time zone of the machine",
  permissions: { env: ["TZ"] },
  ignore: Deno.permissions.querySync({ name: "env", variable: "TZ" }).state !== "granted",
  fn() {
    const before = Deno.env.get("TZ");
    const offsets = new Set<number>();
    try {
      for (const zone of ZONES) {
        Deno.env.set("TZ", zone);
        offsets.add(new Date(0).getTimezoneOffset());
        for (const [text, seconds] of KNOWN) {
          assert.equal(parseLocalTime(text), seconds * 1000, `${text} in ${zone}`);
        }
        for (const [iso, text] of SKIPPED) {
          assert.equal(formatLocalTime(parseLocalTime(text)), iso, zone);
          assert.equal(formatClassTime(parseLocalTime(iso)), text, zone);
        }
      }
    } finally {
      if (before === undefined) Deno.env.delete("TZ");
      else Deno.env.set("TZ", before);
    }
    assert.ok(offsets.size > 3, "the zone did change");
  },
});
