import assert from "node:assert/strict";
import { formatLocalTime, timeFormat } from "../shared/streams.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

const read = (format: string, text: string) => formatLocalTime(timeFormat(format)(text).local);

test("`timeFormat()` reads times as a pattern says", () => {
  const cases: [format: string, text: string, time: string][] = [
    ["DD.MM.YYYY HH:mm:ss", "14.02.2023 10:15:07", "2023-02-14T10:15:07"],
    ["DD.MM.YYYY HH:mm", "04.03.2024 08:01", "2024-03-04T08:01:00"],
    ["D.M.YY", "4.3.24", "2024-03-04T00:00:00"],
    ["DD/MM/YYYY", "02/01/2024", "2024-01-02T00:00:00"],
    ["MM/DD/YYYY", "02/01/2024", "2024-02-01T00:00:00"],
    ["YYYY-MM-DDTHH:mm:ss.S", "2024-02-29T23:59:59.25", "2024-02-29T23:59:59.250"],
    ["YYYY-MM-DD HH:mm:ss.SSS", "2024-02-29 23:59:59.007", "2024-02-29T23:59:59.007"],
    ["DD-MMM-YYYY", "29-feb-2024", "2024-02-29T00:00:00"],
    ["D MMMM YYYY", "1 December 1999", "1999-12-01T00:00:00"],
    ["DD/MMM/YYYY:HH:mm:ss", "10/Oct/2000:13:55:36", "2000-10-10T13:55:36"],
    ["M/D/YYYY h:mm A", "1/2/2024 12:05 AM", "2024-01-02T00:05:00"],
    ["M/D/YYYY h:mm:ss A", "1/2/2024 1:05:09 pm", "2024-01-02T13:05:09"],
    ["YYYY.MM.DD (HH)", "2024.01.02 (07)", "2024-01-02T07:00:00"],
    ["YYYYMMDDHHmm", " 202401020708 ", "2024-01-02T07:08:00"],
  ];
  for (const [format, text, time] of cases) assert.equal(read(format, text), time, format);
});

test("`timeFormat()` reads seconds and milliseconds since 1970", () => {
  // 1,000,000,000 s were over on 9 September 2001 at 01:46:40 UTC.
  assert.equal(read("epoch", "1000000000"), "2001-09-09T01:46:40");
  assert.equal(read("epoch", " 1000000000.5 "), "2001-09-09T01:46:40.500");
  assert.equal(read("epoch-ms", "1000000000001"), "2001-09-09T01:46:40.001");
  assert.equal(read("epoch", "-1"), "1969-12-31T23:59:59");
  assert.equal(read("epoch", "0"), "1970-01-01T00:00:00");
});

test("`timeFormat()` refuses what has another form, or doesn't exist", () => {
  const cases: [format: string, ...texts: string[]][] = [
    ["DD.MM.YYYY", "", "1.2.2024", "30.02.2024", "01.13.2024", "01.02.2024 10:00", "01/02/2024"],
    ["DD.MM.YYYY HH:mm:ss", "01.02.2024", "01.02.2024 24:00:00", "01.02.2024 10:60:00"],
    ["D.M.YYYY h:mm A", "1.2.2024 13:00 PM", "1.2.2024 0:30 AM", "1.2.2024 1:00"],
    ["DD MMM YYYY", "01 Foo 2024", "01 02 2024", "01 Sept 2024"],
    ["epoch", "", "1e9", "abc", "2024-01-01", "1726149600000000", "NaN"],
    ["epoch-ms", "", "9e15", "8640000000000001"],
  ];
  for (const [format, ...texts] of cases) {
    for (const text of texts) {
      assert.throws(() => timeFormat(format)(text), (error) => {
        assert.ok(error instanceof RangeError, String(error));
        assert.match(error.message, /^unreadable time .*: expected /);
        return true;
      }, `${format} ${text}`);
    }
  }
});

test("`timeFormat()` refuses what is no form", () => {
  const wrong = [
    ...["", "HH:mm", "DD.MM", "YYYY", "MM/YYYY", "DD.MM.YYYY YY", "iso", "EPOCH", "%d.%m.%Y"],
    ...["DD.MM.YYYY hh:mm", "DD.MM.YYYY HH:mm A", "DD.MM.YYYY HH:mm:HH"],
  ];
  for (const format of wrong) {
    assert.throws(() => timeFormat(format), /must be epoch, epoch-ms or a pattern/, format);
  }
});

test("a character of a pattern that means something to a search means itself", () => {
  assert.equal(read("YYYY.MM.DD|HH", "2024.01.02|03"), "2024-01-02T03:00:00");
  assert.throws(() => read("YYYY.MM.DD", "2024-01-02"));
});
