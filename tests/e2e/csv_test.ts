/** Any CSV: the examples of data/ and small ones of the tests' own, through csv:produce, csv:work and csv:init. */
import assert from "node:assert/strict";
import { parse } from "csv-parse/sync";
import { queueOf } from "../../shared/connection.ts";
import { type Event, PROJECT } from "../../shared/script.ts";
import { ProjectCopy } from "../fixtures/project_copy.ts";
import { admin, e2e, eventsOf, summaryOf, takeRaw, Vhost } from "./harness.ts";

type Row = Record<string, unknown>;

interface Example {
  readonly name: string;
  readonly queue: string;
  readonly id?: string;
  readonly rows: number;
  /** Columns that stay text. */
  readonly text: readonly string[];
  readonly delimiter?: string;
}

const EXAMPLES: readonly Example[] = [
  {
    ...{ name: "bike-trips", queue: "bike_trips", id: "ride_id", rows: 600 },
    text: ["start_id", "end_id"],
  },
  { name: "server-metrics", queue: "server_metrics", rows: 2981, text: [] },
  { name: "orders", queue: "orders", id: "Nr", rows: 150, text: ["PLZ"], delimiter: ";" },
];

/** The rows of an example, by another reader, each cell by JSON's own rules. */
function rowsOf({ name, text, delimiter = "," }: Example): Row[] {
  const file = Deno.readTextFileSync(`${import.meta.dirname}/../../data/${name}.csv`);
  const records = parse(file, { bom: true, columns: true, delimiter }) as Record<string, string>[];
  const value = (cell: string) => {
    if (cell === "") return null;
    try {
      const read = JSON.parse(delimiter === ";" ? cell.replace(",", ".") : cell);
      return typeof read === "number" ? read : cell;
    } catch {
      return cell;
    }
  };
  return records.map((record) =>
    Object.fromEntries(
      Object.entries(record).map((
        [column, cell],
      ) => [column, text.includes(column) ? cell : value(cell)]),
    )
  );
}

const FAST = ["--handle", "0", "--exit-when-idle", "2s"];

/** Lets a worker take all that a queue has; its messages in order. */
async function workOff(vhost: Vhost, ...flags: string[]): Promise<Event[]> {
  const worker = await vhost.run("csv:work", [...FAST, "--name", "w", ...flags]);
  assert.equal(worker.code, 0, worker.stderr);
  return eventsOf(worker, "message");
}

/** Produces from standard input. */
function produce(vhost: Vhost, input: string, ...flags: string[]) {
  return vhost.run("csv:produce", ["--file", "-", "--run", "r", ...flags], { input });
}

/** One line on standard error, and exit code 2. */
function assertMisused({ code, stderr }: { code: number; stderr: string }, line: RegExp): void {
  assert.match(stderr, line);
  assert.deepEqual([code, stderr.trimEnd().split("\n").length], [2, 1], stderr);
}

for (const example of EXAMPLES) {
  const { name, queue, id, rows: count } = example;
  e2e(`${name}: every row arrives as JSON, in order`, async () => {
    await using vhost = await Vhost.create();
    const rows = rowsOf(example);
    assert.equal(rows.length, count);
    const stream = ["--stream", `data/${name}.stream.json`];
    const producer = await vhost.run("csv:produce", [
      ...[...stream, "--run", "r", "--interval", "0"],
    ]);
    assert.equal(producer.code, 0, producer.stderr);
    const { confirmed, rejected, failed } = producer.summary;
    assert.deepEqual([confirmed, rejected, failed], [count, 0, 0]);
    const messages = await workOff(vhost, ...stream);
    assert.deepEqual(messages.map(({ body }) => body), rows);
    const ids = rows.map((row, index) => `r/${id === undefined ? index + 1 : row[id]}`);
    assert.deepEqual(messages.map(({ id }) => id), ids);
    const { worker, redelivered, attempt } = messages[0] ?? assert.fail();
    assert.deepEqual([worker, redelivered, attempt], ["w", false, 1]);
    await using connection = await vhost.connect();
    assert.equal((await connection.inspect(queue))?.ready, 0);
  });

  e2e(`${name}: what csv:init prints makes the same rows`, async () => {
    await using project = await ProjectCopy.create();
    await using vhost = await Vhost.create();
    const options = { project: project.folder };
    const file = `data/${name}.csv`;
    const fromFile = vhost.start("csv:init", [file], options);
    assert.equal((await fromFile.ended).code, 0);
    const input = await Deno.readTextFile(`${project.folder}/${file}`);
    const piped = vhost.start("csv:init", ["-"], { ...options, input });
    const { code, stderr } = await piped.ended;
    assert.equal(code, 0);
    // It says why.
    assert.match(
      stderr,
      new RegExp(`Read ${Object.keys(rowsOf(example)[0] ?? {}).length} columns`),
    );
    const [description] = fromFile.events;
    assert.deepEqual({ ...description, queue: 0, file: 0 }, {
      ...piped.events[0],
      queue: 0,
      file: 0,
    });
    assert.deepEqual([description?.queue, description?.file], [name, file]);

    await project.write("data/mine.stream.json", JSON.stringify(description));
    const stream = ["--stream", "data/mine.stream.json"];
    const producer = await vhost.run("csv:produce", [...stream, "--interval", "0"], options);
    assert.equal(producer.code, 0, producer.stderr);
    const work = vhost.start("csv:work", [...FAST, ...stream], options);
    assert.equal((await work.ended).code, 0);
    assert.deepEqual(eventsOf(work, "message").map(({ body }) => body), rowsOf(example));
  });
}

e2e("a description comes from standard input, too, and flags win over it", async () => {
  await using vhost = await Vhost.create();
  const input = '{"file":"data/orders.csv","queue":"typed_over","delimiter":";","show":"Nr"}';
  const flags = ["--stream", "-", "--dry-run", "--limit", "1", "--queue", "mine"];
  const { code, events } = await vhost.run("csv:produce", flags, { input });
  assert.equal(code, 0);
  const [published] = events.filter(({ event }) => event === "published");
  assert.equal(published?.queue, "mine");
  assert.deepEqual(JSON.parse(String(published?.body)).Summe, "170,10");
  assertMisused(
    await vhost.start("csv:produce", [...flags, "--file", "-"], { input }).ended,
    /^--stream and --file can't both come from standard input/,
  );
});

e2e("an exchange routes rows by their cells to the queues that are bound", async () => {
  await using vhost = await Vhost.create();
  const bind = async (queue: string, key: string) => {
    await admin("PUT", `/queues/${vhost.name}/${queue}`, { durable: true });
    const path = `/bindings/${vhost.name}/e/amq.topic/q/${queue}`;
    await admin("POST", path, { routing_key: key });
  };
  await bind("of_web", "metrics.web.*");
  await bind("of_all", "metrics.#");
  const csv = "kind,host,cpu\nweb,a,1\ndb,b,2\nweb,c,3\n";
  const toTopic = ["--exchange", "amq.topic", "--routing-key", "metrics.{Kind}.{host}"];
  const producer = await produce(vhost, csv, ...toTopic);
  assert.equal(producer.code, 0, producer.stderr);
  // Confirmed in whatever order: the queues are several.
  const published = eventsOf(producer, "published").map(({ exchange, routingKey, id }) =>
    [exchange, routingKey, id].join(" ")
  );
  assert.deepEqual(published.toSorted(), [
    "amq.topic metrics.db.b r/2",
    "amq.topic metrics.web.a r/1",
    "amq.topic metrics.web.c r/3",
  ]);
  const hosts = async (queue: string) =>
    (await takeRaw(vhost.url, queue)).map(({ body }) => JSON.parse(String(body)).host);
  assert.deepEqual(await hosts("of_web"), ["a", "c"]);
  assert.deepEqual(await hosts("of_all"), ["a", "b", "c"]);

  // Row 2 has no queue now.
  await admin("DELETE", `/queues/${vhost.name}/of_all`);
  const unrouted = await produce(vhost, csv, ...toTopic);
  assert.equal(unrouted.code, 1);
  const { confirmed, failed, nextRow } = unrouted.summary;
  assert.deepEqual([confirmed, failed, nextRow], [2, 1, 2]);
  assert.deepEqual(eventsOf(unrouted, "returned").map(({ row, id }) => [row, id]), [[2, "r/2"]]);
  assert.deepEqual(await hosts("of_web"), ["a", "c"]);

  const fine = await produce(vhost, csv, ...toTopic, "--unrouted-ok");
  assert.equal(fine.code, 0, fine.stderr);
  assert.deepEqual([fine.summary.confirmed, fine.summary.failed], [3, 0]);
  assert.deepEqual(eventsOf(fine, "returned"), []);
});

e2e("an exchange that is missing ends it with one line, before anything is published", async () => {
  await using vhost = await Vhost.create();
  const process = vhost.start("csv:produce", ["--file", "-", "--exchange", "nope"], {
    input: "a\n1\n",
  });
  const { code, stderr } = await process.ended;
  assert.match(stderr, /^RabbitMQ refuses: NOT_FOUND - no exchange 'nope' in vhost '[^']+'\n$/);
  assert.deepEqual([code, process.events], [1, []]);
});

e2e(
  "what is wrong with flags, description or header is one line, and nothing is published",
  async () => {
    await using vhost = await Vhost.create();
    const csv = "host,cpu\na,1\n";
    const queue = ["--queue", "q"];
    const cases: [flags: string[], line: RegExp][] = [
      [[], /^Where to\? Give --queue NAME, or --exchange NAME/],
      [[...queue, "--exchange", "amq.topic"], /^--queue and --exchange exclude each other/],
      [[...queue, "--routing-key", "x"], /^--routing-key goes with --exchange/],
      [[...queue, "--unrouted-ok"], /^--unrouted-ok goes with --exchange/],
      [["--exchange", "x".repeat(256)], /^--exchange must have 1 to 255 bytes/],
      [["--stream", "data/server-metrics.stream.json", "--id", "host"], /^id and value exclude/],
      [["--exchange", "amq.topic", "--purge"], /^--purge empties a queue/],
      [
        [...queue, "--id", "Nr"],
        /^--id: the file has no column "Nr", its header is "host", "cpu"\n/,
      ],
      [[...queue, "--time", "at"], /^--time: the file has no column "at"/],
      [[...queue, "--types", "zip=text"], /^--types: the file has no column "zip"/],
      [[...queue, "--columns", "a=b"], /^--columns: the file has no column "b"/],
      [
        ["--exchange", "x", "--routing-key", "m.{nope}"],
        /^--routing-key: the file has no column "nope"/,
      ],
      [[...queue, "--speed", "5"], /^--speed needs recorded times, and no column holds times only/],
      [[...queue, "--time-format", "HH"], /^--time-format must be epoch, epoch-ms or a pattern/],
      [[...queue, "--decimal", ";"], /^--decimal must be \. or ,/],
      [["--stream", "data/orders.csv"], /^--stream data\/orders.csv is not JSON: /],
      [["--stream", "data/nope.json"], /^--stream data\/nope.json can't be read: no such file/],
      [
        ["--stream", "deno.json"],
        /^--stream deno.json can't be read: this task may read data\/ only/,
      ],
      // The columns of the description aren't those of this file.
      [["--stream", "data/bike-trips.stream.json"], /^--types: the file has no column "start_id"/],
    ];
    for (const [flags, line] of cases) {
      const process = vhost.start("csv:produce", ["--file", "-", "--dry-run", ...flags], {
        input: csv,
      });
      assertMisused(await process.ended, line);
      assert.deepEqual(eventsOf(process, "published"), [], flags.join(" "));
    }
    assertMisused(
      await vhost.start("csv:produce", queue).ended,
      /^Which CSV\? Give --file PATH, - for standard input/,
    );
    assertMisused(await vhost.start("csv:work", []).ended, /^From where\? Give --queue NAME/);
    assertMisused(
      await vhost.start("csv:init", []).ended,
      /^Give one CSV: deno task csv:init FILE/,
    );
    const elsewhere = await vhost.start("csv:init", ["/etc/hosts"]).ended;
    assertMisused(elsewhere, /^\/etc\/hosts: this task may read data\/ only\. Pipe the file in: /);
  },
);

e2e("a row that doesn't fit is told with its line and skipped", async () => {
  await using vhost = await Vhost.create();
  const csv =
    "Nr;Datum;Betrag\n1;14.02.2023;1,5\n2;31.02.2023;2\n3;15.02.2023;n/a\n;16.02.2023;3\n" +
    '5;"17.02.2023";"4"\n6;18.02.2023\n7;19.02.2023;\n';
  const producer = await produce(
    vhost,
    csv,
    ...["--queue", "orders", "--delimiter", ";", "--decimal", ",", "--types", "Betrag=number"],
    ...["--time", "datum", "--time-format", "DD.MM.YYYY", "--id", "nr"],
  );
  assert.equal(producer.code, 2);
  assert.deepEqual(eventsOf(producer, "rejected").map(({ line, reason }) => [line, reason]), [
    [3, 'unreadable time "31.02.2023": expected DD.MM.YYYY'],
    [4, 'Betrag must be a number, got "n/a"'],
    [5, "no id in nr"],
    [7, "cells: 2, the header has 3"],
  ]);
  const { rows, confirmed, rejected } = producer.summary;
  assert.deepEqual([rows, confirmed, rejected], [7, 3, 4]);
  const bodies = (await takeRaw(vhost.url, "orders")).map(({ body, messageId }) =>
    `${messageId} ${body}`
  );
  assert.deepEqual(bodies, [
    'r/1 {"Nr":1,"Datum":"14.02.2023","Betrag":1.5}',
    'r/5 {"Nr":5,"Datum":"17.02.2023","Betrag":4}',
    'r/7 {"Nr":7,"Datum":"19.02.2023","Betrag":null}',
  ]);
});

e2e("the same id twice is handled once", async () => {
  await using vhost = await Vhost.create();
  const producer = await produce(
    vhost,
    "Nr,n\n7,1\n8,2\n7,3\n007,4\n",
    "--queue",
    "q",
    "--id",
    "Nr",
  );
  assert.equal(producer.summary.confirmed, 4);
  const worker = await vhost.run("csv:work", [...FAST, "--queue", "q"]);
  const handled = eventsOf(worker, "message").map(({ id, body }) => [id, Object(body).n]);
  assert.deepEqual(handled, [["r/7", 1], ["r/8", 2], ["r/007", 4]]);
  const { handled: count, duplicates, dead } = worker.summary;
  assert.deepEqual([count, duplicates, dead], [3, 1, 0]);
});

e2e("what isn't a JSON object, or lacks a column that is shown, is a dead letter", async () => {
  await using vhost = await Vhost.create();
  const bodies = [
    '{"Nr":1,"Kunde":null}',
    "hello",
    "[1]",
    '{"nr":2}',
    '{"KUNDE":"x","NR":3,"z":[1]}',
  ];
  const queue = `/queues/${vhost.name}/q`;
  await admin("PUT", queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
  for (const [index, payload] of bodies.entries()) {
    const properties = { message_id: `m/${index}` };
    const message = { properties, routing_key: "q", payload, payload_encoding: "string" };
    await admin("POST", `/exchanges/${vhost.name}/amq.default/publish`, message);
  }
  const worker = await vhost.run("csv:work", [...FAST, "--queue", "q", "--show", "Nr,Kunde"]);
  assert.equal(worker.code, 0);
  assert.deepEqual(eventsOf(worker, "message").map(({ body }) => body), [
    { Nr: 1, Kunde: null },
    { KUNDE: "x", NR: 3, z: [1] },
  ]);
  assert.deepEqual(eventsOf(worker, "dead").map(({ id, reason }) => [id, reason]), [
    ["m/1", "the body is not JSON"],
    ["m/2", "must be a JSON object, got array"],
    ["m/3", 'column "Kunde" is missing'],
  ]);
  const letters = await takeRaw(vhost.url, "q.dead");
  assert.deepEqual(letters.map(({ body }) => String(body)), ["hello", "[1]", '{"nr":2}']);
});

e2e(
  "a shown column that the first message lacks ends the worker, and nothing is lost",
  async () => {
    await using vhost = await Vhost.create();
    await produce(vhost, "host,cpu\na,1\nb,2\nc,3\n", "--queue", "q");
    const worker = vhost.start("csv:work", [...FAST, "--queue", "q", "--show", "hots,cpu"]);
    assertMisused(
      await worker.ended,
      /^--show: column "hots" is missing in the first message; it has "host", "cpu"\n$/,
    );
    assert.deepEqual(eventsOf(worker, "dead"), []);
    const messages = await workOff(vhost, "--queue", "q", "--show", "host,cpu");
    assert.deepEqual(messages.map(({ body }) => Object(body).host), ["a", "b", "c"]);
    assert.equal((await takeRaw(vhost.url, "q.dead")).length, 0);
  },
);

e2e("a line that is too long ends a replay with its summary and how to go on", async () => {
  await using vhost = await Vhost.create();
  const rows = "a,b\n1,2\n3,4\n";
  const long = "x".repeat(2 * 1024 * 1024);
  const { code, stderr, summary } = await produce(vhost, rows + long, "--queue", "q");
  assert.equal(code, 2);
  const { confirmed, failed, nextRow } = summary;
  assert.deepEqual([confirmed, failed, nextRow], [2, 0, 3]);
  assert.match(
    stderr,
    /^To go on: .* --run r --skip 2, .*\nLine 4 or later is longer than 1 MiB: is this a CSV\?\n$/,
  );
  // Nothing was sent: nothing to go on with.
  const nothing = vhost.start("csv:produce", ["--file", "-", "--queue", "q"], { input: long });
  assertMisused(await nothing.ended, /^Line 1 or later is longer than 1 MiB/);
  assert.deepEqual(eventsOf(nothing, "summary"), []);
});

e2e("csv:init ends on Ctrl-C while standard input is silent", async () => {
  const child = new Deno.Command("deno", {
    args: ["run", "-A", "shared/tools/csv_init.ts", "-"],
    ...{ cwd: PROJECT, stdin: "piped", stdout: "piped", stderr: "null" },
  }).spawn();
  const output = new Response(child.stdout).text();
  // More than a pipe holds: who has taken that listens to signals, too.
  const writer = child.stdin.getWriter();
  const row = `${"x".repeat(1000)},y\n`;
  await writer.write(new TextEncoder().encode(`a,b\n${row.repeat(300)}`));
  const killed = performance.now();
  await new Deno.Command("kill", { args: ["-INT", String(child.pid)] }).output();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it hasn't ended")), 5000);
  });
  try {
    const { code } = await Promise.race([child.status, late]);
    assert.deepEqual([code, await output], [0, ""]);
    assert.ok(performance.now() - killed < 2000);
  } finally {
    clearTimeout(timer);
    await writer.abort().catch(() => {});
    await child.status;
  }
});

e2e(
  "csv:init writes a file of the project as the tasks find it, wherever it was typed",
  async () => {
    await using project = await ProjectCopy.create();
    await using vhost = await Vhost.create();
    const options = { project: project.folder, env: { INIT_CWD: `${project.folder}/data` } };
    const cases = ["bike-trips.csv", "./bike-trips.csv", `${project.folder}/data/bike-trips.csv`];
    for (const typed of cases) {
      const init = vhost.start("csv:init", [typed], options);
      assert.equal((await init.ended).code, 0);
      assert.deepEqual(init.events.map(({ file }) => file), ["data/bike-trips.csv"], typed);
    }
  },
);

e2e("a queue of the user's own is taken as it is, by producer and worker", async () => {
  await using vhost = await Vhost.create();
  const own = { "x-max-length": 3, "x-queue-type": "classic" };
  await admin("PUT", `/queues/${vhost.name}/mine`, { durable: true, arguments: own });
  const producer = await produce(vhost, "n\n1\n2\n3\n4\n5\n", "--queue", "mine");
  assert.equal(producer.code, 0, producer.stderr);
  const messages = await workOff(vhost, "--queue", "mine");
  assert.deepEqual(messages.map(({ body }) => body), [{ n: 3 }, { n: 4 }, { n: 5 }]);
  // A queue that isn't there is made as ours are.
  await produce(vhost, "n\n1\n", "--queue", "made");
  await using connection = await vhost.connect();
  await connection.declare(queueOf("made", "shared"));
});

e2e("--speed goes by the first column of times, in the form that --time-format names", async () => {
  await using vhost = await Vhost.create();
  // Without waiting half a day for it: the rows are 12 h apart, and one that isn't read can't be due.
  const cases: [csv: string, ...flags: string[]][] = [
    ["n,at,x\n1,2024-01-01 00:00,a\n2,2024-01-01 12:00,b\n"],
    ["at,n\n1704067200,1\n1704110400,2\n", "--time-format", "epoch"],
    ["n,at\n1,01.01.2024 00:00\n2,01.01.2024 12:00\n", "--time-format", "DD.MM.YYYY HH:mm"],
    ["a,n,b\n2020-01-01,1,1.1.24\n2020-01-01,2,2.1.24\n", "--time", "b", "--time-format", "D.M.YY"],
  ];
  for (const [csv, ...flags] of cases) {
    const started = performance.now();
    const speed = ["--speed", "43200", "--dry-run", "--queue", "q"];
    const { code, stderr, summary } = await produce(vhost, csv, ...speed, ...flags);
    assert.deepEqual([code, summary.published], [0, 2], stderr);
    // 12 h, or a day, at 43,200 times the pace: 1 s, or 2.
    assert.ok(Number(summary.seconds) >= 0.99, `${summary.seconds} s: ${csv}`);
    assert.ok(performance.now() - started < 30_000);
  }
});

e2e("the other producers take --time-format, too, and so does a backtest", async () => {
  await using vhost = await Vhost.create();
  const bodies = async (task: string, input: string, ...flags: string[]) => {
    const { code, stderr, events } = await vhost.run(task, ["--file", "-", "--dry-run", ...flags], {
      input,
    });
    assert.equal(code, 0, stderr);
    return events.filter(({ event }) => event === "published").map(({ body }) => body);
  };
  const german = ["--time-format", "DD.MM.YYYY HH:mm"];
  assert.deepEqual(
    await bodies(
      "helpdesk:produce",
      "submitted,name,category\n04.03.2023 10:15,Ann,A\n",
      ...german,
    ),
    ['{"submitted":"2023-03-04T10:15:00","name":"Ann","category":"A"}'],
  );
  const cook = "time,smoker,food-a,food-b\n1621686850,100,,\n";
  assert.deepEqual(await bodies("smoker:produce", cook, "--time-format", "epoch"), [
    '{"time":"2021-05-22T12:34:10","channel":"smoker","fahrenheit":100}',
  ]);
  const backtest = ["--backtest", "-", "--time-format", "epoch"];
  const judged = await vhost.run("smoker:monitor", backtest, { input: cook });
  assert.deepEqual(eventsOf(judged, "reading").map(({ time }) => time), ["2021-05-22T12:34:10"]);
  const tasks = vhost.start("tasks:produce", ["--dry-run", "--time-format", "epoch"]);
  assertMisused(
    await tasks.ended,
    /^--time-format is for recorded times, and these rows have none/,
  );
});

e2e("columns take other names, in JSON as in text", async () => {
  await using vhost = await Vhost.create();
  const csv = 'Host Name,,x,x\nweb,1,"a;b",\n';
  const flags = ["--queue", "q", "--dry-run", "--columns", "host=host name,10=column2"];
  const json = await produce(vhost, csv, ...flags);
  assert.deepEqual(eventsOf(json, "published").map(({ body }) => body), [
    '{"host":"web","10":1,"x":"a;b","x_2":null}',
  ]);
  const text = await produce(vhost, csv, ...flags, "--format", "text");
  assert.deepEqual(eventsOf(text, "published").map(({ body }) => body), ["web,1,a;b,"]);
  assert.equal(summaryOf(text).confirmed, 0);
});
