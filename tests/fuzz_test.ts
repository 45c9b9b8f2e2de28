import assert from "node:assert/strict";
import { seededRandom } from "../data/seeded_random.ts";
import { COOK } from "../producers/smoker.ts";
import { TASKS } from "../producers/tasks.ts";
import { TICKETS } from "../producers/helpdesk.ts";
import { ruleFor } from "../shared/alerts.ts";
import { ChannelMonitor } from "../shared/channel_monitor.ts";
import { type Row, RowReader } from "../shared/csv_replay.ts";
import type { Delivery } from "../shared/connection.ts";
import { deadLetter } from "../shared/dead_letters.ts";
import { UsageError } from "../shared/errors.ts";
import {
  decodeAlert,
  decodeReading,
  decodeReply,
  decodeTask,
  decodeTicket,
  type Outgoing,
} from "../shared/messages.ts";
import { decodeNotice, noticeMessage, sampleNotice } from "../shared/notices.ts";
import { inert } from "../shared/output.ts";
import type { Stream } from "../shared/replay.ts";
import { deliveryOf, textIn } from "./deliveries.ts";
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

const READING = '{"time":"2021-05-22T12:34:10","channel":"smoker","fahrenheit":103.5}';
const { body: _, ...NOTICE } = noticeMessage(sampleNotice(), "email", "alert_queue");
const ALERT = JSON.stringify(sampleNotice().alert);
const QUEUES: Record<string, { decode: (delivery: Delivery) => unknown; good: string[] }> = {
  help_queue: {
    decode: decodeTicket,
    good: [
      '{"submitted":"2023-02-14T10:15:00","name":"Adam","category":"A"}',
      "[2/14/23 10:15, Adam, A]",
    ],
  },
  help_replies: {
    decode: decodeReply,
    good: [
      '{"ticket":"r/1","name":"Adam","category":"A","worker":"w1","handled":"2026-01-01T00:00:00Z","text":"Hello"}',
    ],
  },
  task_queue: { decode: decodeTask, good: ["First task....", "Émile, a “quoted” one.."] },
  "01-smoker": {
    decode: (delivery) => decodeReading(delivery, "smoker"),
    good: [READING, "05/22/21 12:34:10,103.5", "(05/22/21 12:34:10, 103.5)"],
  },
  alert_queue: { decode: decodeAlert, good: [ALERT] },
  "alert_queue.email": {
    decode: (delivery) => decodeNotice({ ...NOTICE.properties, ...delivery }),
    good: [ALERT],
  },
};

/** Bodies that are right, nearly right, and noise. */
function* bodies(good: string[], seed: number): Generator<Delivery> {
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
    for (const [seed, [queue, { decode, good }]] of Object.entries(QUEUES).entries()) {
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
        const again = delivered(
          typeof value === "string" ? value : JSON.stringify(value),
          undefined,
        );
        if (queue !== "alert_queue.email") assert.deepEqual(decode(again), value, queue);
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
    let told = 0;
    const monitor = new ChannelMonitor(ruleFor("smoker", { window: "readings" }), "alert_queue", {
      onJudged: () => told++,
      onDead: () => dead++,
      onUnreadable: () => assert.fail("a state of its own"),
      onTold: () => {},
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
    for (const delivery of bodies(QUEUES["01-smoker"]?.good ?? [], 77)) {
      batch.push({ ...delivery, messageId: `r/${++row}/smoker` });
      if (batch.length === 25) flush();
    }
    flush();
    const { late, duplicates, summary: { readings } } = monitor;
    assert.equal(told + dead, BODIES);
    assert.equal(readings + late + duplicates, told);
    assert.ok(dead > 1000 && readings > 1000, `${dead} dead, ${readings} judged`);
  },
);

const mayWrite = (["read", "write"] as const).every((name) =>
  Deno.permissions.querySync({ name }).state === "granted"
);

// deno-lint-ignore no-explicit-any -- items of each stream's own kind
type AnyStream = Stream<any>;

/** Each stream, a file that is right, and what reads a message of it. */
const STREAMS = {
  helpdesk: {
    stream: TICKETS as AnyStream,
    file: "data/help-desk-tickets.csv",
    decode: decodeTicket,
  },
  tasks: { stream: TASKS as AnyStream, file: "data/tasks.csv", decode: decodeTask },
  smoker: {
    stream: COOK as AnyStream,
    file: "data/smoker-temps.csv",
    decode: (delivery: Delivery, { channel }: Outgoing) =>
      decodeReading(delivery, channel as "smoker"),
  },
};

for (const [seed, [name, { stream, file, decode }]] of Object.entries(STREAMS).entries()) {
  Deno.test({
    name: `a thousand mutated files of ${name}: every row is a message or is reported` +
      (mayWrite ? "" : " (skipped: needs --allow-read and --allow-write)"),
    ignore: !mayWrite,
    async fn() {
      const random = seededRandom(100 + seed);
      const lines = (await Deno.readTextFile(file)).split("\n").slice(0, 30);
      const text = `${lines.filter((line) => line !== "").join("\n")}\n`;
      const good = new TextEncoder().encode(text.repeat(stream.columns ? 1 : 5));
      const folder = await Deno.makeTempDir();
      const path = `${folder}/mutated.csv`;
      const counts = { files: 0, items: 0, rejected: 0, refused: 0, counted: 0 };
      try {
        for (; counts.files < FILES; counts.files++) {
          const bytes = random() < 0.02 ? noise(random) : mutate(good, random);
          await Deno.writeFile(path, bytes);
          let rows: Row<unknown>[];
          try {
            rows = (await Array.fromAsync(reader(stream, path).blocks())).flat();
          } catch (error) {
            assert.ok(error instanceof UsageError, String(error));
            assert.doesNotMatch(error.message, /\n/);
            counts.refused++;
            continue;
          }
          assert.deepEqual(rows.map(({ row }) => row), rows.map((_, index) => index + 1));
          const expected = linesOf(bytes, stream.columns !== undefined);
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
            for (const message of stream.messages(row.item, "json", {})) {
              decode(delivered(message.body, message.contentType), message);
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

function reader<T>(stream: Stream<T>, file: string): RowReader<T> {
  return new RowReader(stream, {
    file,
    skip: 0,
    loop: false,
    run: "r",
    delimiter: ",",
    task: stream.task,
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
