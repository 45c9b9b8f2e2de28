import assert from "node:assert/strict";
import { seededRandom } from "../data/seeded_random.ts";
import { smokerRule } from "../consumers/smoker_monitor.ts";
import { deadLetter, type Delivery } from "../shared/connection.ts";
import { type JudgedReading } from "../shared/monitor.ts";
import { KeyJudge } from "../shared/monitor/judge.ts";
import { QueueMonitor } from "../shared/monitor/queue_monitor.ts";
import { sampleNotice } from "../shared/notifier.ts";
import { decodeNotice, noticeMessage } from "../shared/notifier/notices.ts";
import { RowReader } from "../shared/replay.ts";
import type { Row, RowForm } from "../shared/replay/rows.ts";
import { inert, UsageError } from "../shared/script.ts";
import { type Alert, decodeReply, SMOKER, STREAMS, wordsOf } from "../shared/streams.ts";
import { deliveryOf, textIn } from "./deliveries.ts";
import { FUZZED } from "./fuzzed.ts";
import { mutate, noise } from "./mutation.ts";

const BODIES = 10_000;
const FILES = 1000;
const PURE = { permissions: "none" } as const;
const TYPES = [
  "application/json",
  "application/json; charset=utf-8",
  "text/plain",
  undefined,
  "x/y",
];

function delivered(body: Uint8Array | string, contentType: string | undefined): Delivery {
  const type = contentType === undefined ? {} : { contentType };
  return deliveryOf(body, { ...type, messageId: "r/1", headers: {} });
}

const { body: _, ...NOTICE } = noticeMessage(sampleNotice(), "email", "alert_queue");

interface Fuzzed {
  readonly queue: string;
  readonly decode: (delivery: Delivery) => unknown;
  /** The body of what was understood; left out where nothing of ours writes it again. */
  readonly encode?: (value: unknown) => string;
  readonly good: readonly string[];
}

/** What reads a queue where the stream's declaration doesn't. */
const OTHERS: Record<string, Pick<Fuzzed, "decode" | "encode">> = {
  help_replies: { decode: decodeReply, encode: JSON.stringify },
  "alert_queue.email": {
    decode: (delivery) => decodeNotice({ ...NOTICE.properties, ...delivery }),
  },
};

const QUEUES: Fuzzed[] = STREAMS.flatMap((stream) =>
  Object.entries(FUZZED[stream.name] ?? {}).map(([key, good]) => {
    const queue = stream.queues[key]?.name ?? assert.fail(`${stream.name} has no queue ${key}`);
    const declared = {
      decode: (delivery: Delivery) => stream.decode(delivery, key),
      encode: (value: unknown) => stream.encode(value, "json").body,
    };
    return { queue, good, ...OTHERS[queue] ?? declared };
  })
);

type JudgeState = ConstructorParameters<typeof KeyJudge>[2];

/** Bodies that are right, nearly right, and noise. */
function* bodies(good: readonly string[], seed: number): Generator<Delivery> {
  const random = seededRandom(seed);
  const any = <T>(choices: readonly T[]) => choices[Math.floor(random() * choices.length)] as T;
  for (let count = 0; count < BODIES; count++) {
    const right = new TextEncoder().encode(any(good));
    const kind = random();
    const bytes = kind < 0.2 ? right : kind < 0.3 ? noise(random) : mutate(right, random);
    yield delivered(bytes, any(TYPES));
  }
}

Deno.test(
  "ten thousand mutated bodies for each queue: a message, or a reason in one sentence",
  PURE,
  () => {
    assert.equal(QUEUES.length, 6);
    for (const [seed, { queue, decode, encode, good }] of QUEUES.entries()) {
      let understood = 0;
      for (const delivery of bodies(good, seed)) {
        let value: unknown;
        try {
          value = decode(delivery);
        } catch (error) {
          assert.ok(error instanceof RangeError, `${queue}: ${error} of ${textIn(delivery)}`);
          assert.ok(error.message.length > 5 && error.message.length < 1000, error.message);
          const bytes = delivery.body.slice();
          const letter = deadLetter(delivery, queue, error.message);
          assert.deepEqual(letter.body, bytes, "a dead letter keeps its body");
          continue;
        }
        understood++;
        // What was understood is understood again as it is, and can be shown.
        if (encode) assert.deepEqual(decode(delivered(encode(value), undefined)), value, queue);
        // deno-lint-ignore no-control-regex -- looking for them is the point
        assert.doesNotMatch(inert(JSON.stringify(value)), /[\x00-\x1f\x7f-\x9f]/);
      }
      assert.ok(
        understood > BODIES / 50 && understood < BODIES,
        `${queue}: ${understood} understood`,
      );
    }
  },
);

Deno.test(
  "ten thousand mutated readings through a monitor: each is judged, late, a duplicate or dead",
  PURE,
  () => {
    let dead = 0;
    let judged = 0;
    const { name: stream, panel: { quantities, measured } } = SMOKER;
    const words = wordsOf(stream);
    const alerts: Alert[] = [];
    const watch = {
      measured: (delivery: Delivery) => measured(SMOKER.decode(delivery, "smoker")),
      key: "smoker",
      judgeOf: (key: string, state: JudgeState) =>
        new KeyJudge({ stream, key, quantities, words }, [
          smokerRule(key, { window: "readings" }),
        ], state),
      alertMessage(alert: Alert) {
        alerts.push(alert);
        return { queue: "alert_queue", body: new Uint8Array(), properties: {} };
      },
    };
    const monitor = new QueueMonitor(watch, {
      onJudged: ({ id }: JudgedReading) => void (assert.ok(id), judged++),
      onDead: () => dead++,
      onUnreadable: () => assert.fail("a state of its own"),
      onReported: () => {},
    });
    let saved: unknown;
    let batch: Delivery[] = [];
    let row = 0;
    const flush = () => {
      const outcome = monitor.restore(saved).handle(batch);
      outcome.onPublished();
      // The state goes through the broker as JSON.
      if (outcome.state !== null) saved = JSON.parse(JSON.stringify(outcome.state));
      outcome.onSaved();
      batch = [];
    };
    for (const delivery of bodies(FUZZED.smoker?.smoker ?? [], 77)) {
      batch.push({ ...delivery, messageId: `r/${++row}/smoker` });
      if (batch.length === 25) flush();
    }
    flush();
    const { readings, late, duplicates } = monitor;
    assert.equal(judged + dead, BODIES);
    assert.equal(monitor.dead, dead);
    assert.equal(readings + late + duplicates, judged);
    assert.equal(monitor.summaries.get("smoker")?.readings, readings);
    for (const alert of alerts) {
      const body = words.write(alert);
      assert.deepEqual(words.write(words.body.parse(body)), body);
    }
    assert.ok(dead > 1000 && readings > 1000, `${dead} dead, ${readings} judged`);
  },
);

const mayWrite = (["read", "write"] as const).every((name) =>
  Deno.permissions.querySync({ name }).state === "granted"
);

for (const [seed, stream] of STREAMS.filter(({ csv }) => csv).entries()) {
  const { name, csv = assert.fail() } = stream;
  Deno.test({
    name: `a thousand mutated files of ${name}: every row is a message or is reported` +
      (mayWrite ? "" : " (skipped: needs --allow-read and --allow-write)"),
    ignore: !mayWrite,
    async fn() {
      const random = seededRandom(100 + seed);
      const lines = (await Deno.readTextFile(csv.file)).split("\n").slice(0, 30);
      const text = `${lines.filter((line) => line !== "").join("\n")}\n`;
      const good = new TextEncoder().encode(text.repeat(csv.columns ? 1 : 5));
      const folder = await Deno.makeTempDir();
      const path = `${folder}/mutated.csv`;
      const counts = { files: 0, items: 0, rejected: 0, refused: 0, counted: 0 };
      try {
        for (; counts.files < FILES; counts.files++) {
          const bytes = random() < 0.02 ? noise(random) : mutate(good, random);
          await Deno.writeFile(path, bytes);
          let rows: Row<unknown>[];
          try {
            rows = (await Array.fromAsync(reader(csv, path).blocks())).flat();
          } catch (error) {
            assert.ok(error instanceof UsageError, String(error));
            assert.doesNotMatch(error.message, /\n/);
            counts.refused++;
            continue;
          }
          assert.deepEqual(rows.map(({ row }) => row), rows.map((_, index) => index + 1));
          const expected = linesOf(bytes, csv.columns !== undefined);
          if (expected !== undefined) {
            assert.equal(rows.length, expected, new TextDecoder().decode(bytes));
          }
          if (expected !== undefined) counts.counted++;
          for (const row of rows) {
            if (!("item" in row)) {
              assert.ok(row.reason.length > 3 && row.line > 0, JSON.stringify(row));
              counts.rejected++;
              continue;
            }
            counts.items++;
            for (const { to, item } of csv.messages(row.item)) {
              const { body, contentType } = stream.encode(item, "json");
              assert.deepEqual(stream.decode(delivered(body, contentType), to), item);
            }
          }
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
      const { items, rejected, refused, counted } = counts;
      assert.ok(items > 10_000 && refused < FILES / 2 && counted > 200, JSON.stringify(counts));
      if (name !== "tasks") assert.ok(rejected > 200, JSON.stringify(counts));
    },
  });
}

function reader<T>(form: RowForm<T>, file: string): RowReader<T> {
  return new RowReader(form, {
    file,
    skip: 0,
    loop: false,
    run: "r",
    delimiter: ",",
    task: "x:produce",
    signal: new AbortController().signal,
  });
}

/** How many rows a file has, where that can be said without reading CSV: no quotes, plain line ends. */
function linesOf(bytes: Uint8Array, header: boolean): number | undefined {
  const text = new TextDecoder().decode(bytes);
  if (/["\r\0\ufffd]/.test(text)) return undefined;
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.length - (header ? 1 : 0);
}
