import assert from "node:assert/strict";
import { formatLocalTime, parseLocalTime, parseRecorded } from "../shared/streams.ts";
import { formatClassTime } from "../shared/streams/local_time.ts";

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

/** A time for order and pace: here an offset from UTC counts. */
function instantOf(text: string): number {
  const { local, instant } = parseRecorded(text);
  assert.equal(local, parseLocalTime(text), text);
  return instant;
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
  // The class's form by the clock of twice twelve hours.
  ["2/14/23 10:15 AM", 1676369700],
  ["2/14/23 10:15 PM", 1676412900],
  ["2/14/23 10:15:07 pm", 1676412907],
  ["2/14/2023 10:15PM", 1676412900],
  ["02/14/23 01:00 Pm", 1676379600],
  ["2/14/23 12:05 am", 1676333100],
  ["2/14/23 12:00 AM", 1676332800],
  ["2/14/23 12:00 PM", 1676376000],
  ["2/14/23 12:59:59 PM", 1676379599],
  ["2/14/23 11:59:59 PM", 1676419199],
  ["2/14/23 1:00 AM", 1676336400],
  // As a browser in the United States writes it, with a narrow space that doesn't break.
  ["2/14/2023 10:15:00\u202fPM", 1676412900],
  // A date alone is its midnight.
  ["2/14/23", 1676332800],
  ["02/14/2023", 1676332800],
  ["2023-02-14", 1676332800],
  ["20230214", 1676332800],
  ["2/29/24", 1709164800],
  ["1970-01-01", 0],
  // ISO 8601 without separators, and half without.
  ["20230214T101500", 1676369700],
  ["20230214T1015", 1676369700],
  ["20230214 101500", 1676369700],
  ["20230214T10:15:00", 1676369700],
  ["2023-02-14T101500", 1676369700],
  ["2023-02-14t10:15:00", 1676369700],
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
    ["1/1/1970 0:00:00,75", 750],
    ["1/1/1970 12:00:00.75 AM", 750],
    ["1970-01-01T00:00:00.25Z", 250],
    ["1970-01-01 00:00:00,25 +00:00", 250],
    ["19700101T000000.25", 250],
    ["19700101T000000,0259Z", 25],
    ["1970-01-01T00:00:00.9999", 999],
    [`1970-01-01T00:00:00.1${"0".repeat(500)}`, 100],
  ];
  for (const [text, ms] of cases) assert.equal(parseLocalTime(text), ms, text);
});

/** Offsets, and by how many minutes they are ahead of UTC. */
const OFFSETS: [string, number][] = [
  ["Z", 0],
  ["z", 0],
  [" Z", 0],
  ["+00:00", 0],
  ["-00:00", 0],
  ["+0000", 0],
  ["+00", 0],
  ["+05:30", 330],
  ["+0530", 330],
  ["+05", 300],
  [" +05:30", 330],
  [" -0500", -300],
  ["-05:00", -300],
  ["-05", -300],
  ["-00:30", -30],
  ["-03:30", -210],
  ["+14:00", 840],
  ["+23:59", 1439],
  ["-23:59", -1439],
];

test("`parseLocalTime()` takes a time as written, the instant of `parseRecorded()` as its offset says", () => {
  const times: [string, number][] = [
    ["2021-05-22T12:34:10", 1621686850_000],
    ["2021-05-22 12:34:10.25", 1621686850_250],
    ["2021-05-22T12:34", 1621686840_000],
    ["20210522T123410", 1621686850_000],
    ["20210522T1234", 1621686840_000],
    // Another day, month and year by UTC.
    ["2020-12-31T23:59:59", 1609459199_000],
    ["0001-01-01T00:00:00", -62135596800_000],
  ];
  for (const [time, local] of times) {
    assert.equal(instantOf(time), local, time);
    for (const [offset, minutes] of OFFSETS) {
      const text = `${time}${offset}`;
      assert.equal(parseLocalTime(text), local, text);
      assert.equal(instantOf(text), local - minutes * 60_000, text);
    }
  }
});

test("the instant of `parseRecorded()` agrees with `Date.parse()`", () => {
  const random = randomFrom(5);
  const usual = OFFSETS.map(([offset]) => offset).filter((text) =>
    /^(Z|[+-]\d\d:\d\d)$/.test(text)
  );
  for (let i = 0; i < 5000; i++) {
    const iso = new Date(Math.floor(random() * 4102444800_000)).toISOString().slice(0, -1);
    const offset = usual[Math.floor(random() * usual.length)] ?? "";
    assert.equal(instantOf(iso + offset), Date.parse(iso + offset), iso + offset);
    assert.equal(parseLocalTime(iso + offset), Date.parse(`${iso}Z`), iso + offset);
  }
});

test("the instant of `parseRecorded()` is the time as written where there is no offset", () => {
  for (const [text, seconds] of KNOWN) assert.equal(instantOf(text), seconds * 1000, text);
});

test("the instant of `parseRecorded()` orders times across offsets, and across the end of daylight saving", () => {
  const ordered = [
    "2023-10-29T02:15:00+02:00",
    "2023-10-29T02:45:00+0200",
    "2023-10-29T02:15:00+01:00",
    "2023-10-29T01:20:00Z",
    "2023-10-29 06:55:00 +05:30",
    "2023-10-29T02:45:00+01",
  ].map(instantOf);
  const minutes = ordered.map((time) => (time - (ordered[0] ?? 0)) / 60_000);
  assert.deepEqual(minutes, [0, 30, 60, 65, 70, 90]);
});

test("`parseLocalTime()` and `parseRecorded()` refuse offsets that don't exist or are in another form", () => {
  const offsets = [
    "+24:00",
    "-24:00",
    "+2400",
    "+24",
    "+99",
    "+05:60",
    "-0560",
    "+5",
    "+5:30",
    "+05:3",
    "+05:",
    "+053",
    "+05:30:00",
    "05:30",
    "+",
    "Z+00:00",
    "ZZ",
    "  Z",
    "UTC",
    " UTC",
    " CEST",
    "[Europe/Berlin]",
    "+02:00[Europe/Berlin]",
  ];
  for (const parse of [parseLocalTime, parseRecorded]) {
    for (const offset of offsets) {
      assert.throws(() => parse(`2021-05-22T12:34:10${offset}`), RangeError, offset);
    }
    // Neither a date alone nor the class's form has an offset.
    for (const text of ["2023-02-14Z", "2023-02-14+05:30", "20230214Z", "2/14/23 10:15Z"]) {
      assert.throws(() => parse(text), RangeError, text);
    }
  }
});

test("`parseLocalTime()` ignores white space around a time", () => {
  const texts = [
    " 2/14/23 10:15",
    "2/14/23 10:15 ",
    "2/14/23 10:15 am ",
    "\t2023-02-14T10:15:00\r\n",
    " 2023-02-14T10:15:00Z ",
    "\u00a02023-02-14 10:15",
  ];
  for (const text of texts) {
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
  for (const day of days) {
    for (const text of [`${day} 10:15`, `${day} 10:15 AM`, day]) {
      assert.throws(() => parseLocalTime(text), RangeError, text);
    }
  }
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
    const basic = day.replaceAll("-", "");
    for (
      const text of [`${day}T10:15:00`, `${day}T10:15:00+05:30`, day, `${basic}T101500`, basic]
    ) {
      assert.throws(() => parseLocalTime(text), RangeError, text);
    }
  }
  // 24:00 too: written out again it would be another day.
  for (const time of ["24:00", "24:00:00", "25:10", "10:60", "10:15:60", "23:59:60", "99:99"]) {
    assert.throws(() => parseLocalTime(`2/14/23 ${time}`), RangeError, time);
    assert.throws(() => parseLocalTime(`2023-02-14T${time}`), RangeError, time);
    assert.throws(() => parseLocalTime(`2023-02-14T${time}Z`), RangeError, time);
    assert.throws(() => parseLocalTime(`20230214T${time.replaceAll(":", "")}`), RangeError, time);
  }
  const times = ["0:15 AM", "0:15 PM", "00:00 am", "13:00 PM", "13:00 AM", "22:15 PM", "12:60 PM"];
  for (const time of times) {
    assert.throws(() => parseLocalTime(`2/14/23 ${time}`), RangeError, time);
  }
});

test("`parseLocalTime()` refuses what is in another form", () => {
  const texts = [
    "",
    " ",
    "now",
    "10:15",
    "10:15 PM",
    "2/14",
    "2023-02",
    "2023",
    "2023-W07-2",
    "2023-045",
    "2/14/123 10:15",
    "2/14/3 10:15",
    "2/14/23 10:5",
    "2/14/23 10",

    "2/14/23 PM",
    "2/14/23 10 PM",
    "2/14/23 10:15  PM",
    "2/14/23 10:15 P",
    "2/14/23 10:15 M",
    "2/14/23 10:15 p.m.",
    "2/14/23 10:15 XM",
    "2/14/23 PM 10:15",
    "2/14/23, 10:15 PM",
    "2023-02-14T10:15 PM",
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
    "2023-02-14T",
    "2023-02-14T10",
    "2023-0214",
    "202302-14",
    "2023-0214T10:15:00",
    "2023-02-14T10:1500",
    "2023-02-14T1015:00",
    "2023-02-14T10:15.5",
    "20230214T10155",
    "20230214T10",
    "20230214101500",
    "2023021",
    "202302145",
    "230214",
    "2023-02-14T10:15:00.",
    "2023-02-14T10:15:00.Z",
    "2023-02-14T10:15:00.5.5",
    "2023-02-14T10:15:00;5",
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
    message: /"2\/30\/23 10:15".*M\/D\/YY H:MM\[:SS\] \[AM\|PM\] or ISO 8601/,
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
