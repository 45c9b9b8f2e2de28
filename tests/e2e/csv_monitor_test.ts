/** Monitoring any CSV: rules of the command line, a window for each value of a column. */
import assert from "node:assert/strict";
import type { Event } from "../../shared/script.ts";
import { e2e, eventsOf, eventually, queueNames, summaryOf, takeRaw, Vhost } from "./harness.ts";
import { TaskProcess } from "../../shared/tools/demo/task_process.ts";

const COOK = "data/smoker-temps.csv";
const TIME = ["--time", "Time (UTC)"];

async function backtest(task: string, args: string[], input?: string) {
  const process = new TaskProcess(task, args, input === undefined ? {} : { input });
  const end = await process.ended;
  return { ...end, events: process.events };
}

interface KeySummary {
  readonly episodes: { rule: string }[];
  readonly readings: number;
  readonly alertingReadings: number;
}

e2e("the smoker's cook gives the smoker monitor's episodes", async () => {
  const smoker = await backtest("smoker:monitor", ["--backtest", COOK]);
  const channels = summaryOf(smoker).channels as Record<string, KeySummary>;
  const columns = [
    ["smoker", "Channel1", "2.5m", "drop above 15", "drop"],
    ["food-a", "Channel2", "10m", "stall: range below 1", "stall"],
    ["food-b", "Channel3", "10m", "stall: range below 1", "stall"],
  ] as const;
  for (const [channel, column, window, rule] of columns) {
    const flags = ["--queue", "cook", "--value", column, "--window", window, "--alert", rule];
    const { code, stderr, ...process } = await backtest("csv:monitor", [
      ...["--backtest", COOK, "--unit", "°F", ...TIME, ...flags],
    ]);
    assert.equal(code, 0, stderr);
    const keys = summaryOf(process).keys as Record<string, KeySummary>;
    assert.deepEqual(keys, { all: channels[channel] }, channel);
    assert.ok((channels[channel]?.episodes.length ?? 0) > 0);
    const alert = eventsOf(process, "alert")[0];
    assert.deepEqual(Object.keys(alert ?? {}), [
      ...["event", "id", "stream", "key", "rule", "state", "opened", "at", "value", "column"],
      ...["change", "min", "max", "mean", "readings", "unit"],
    ]);
    assert.equal(alert?.stream, "csv/cook");
    assert.match(String(alert?.id), /^csv\/cook\/backtest\/all\/\w+\/\d+$/);
  }
});

/** A reading a minute of hosts that come in turn. */
const HOSTS = [
  "time,host,cpu",
  ...[10, 95, 96, 97, 20].flatMap((cpu, minute) => [
    `2024-07-01T08:0${minute}:00,a,${cpu}`,
    ...(minute < 2 ? [`2024-07-01T08:0${minute}:30,b,50`] : []),
  ]),
].join("\n") + "\n";

e2e("`for` and `silent` go by recorded time", async () => {
  const rules = ["high: last above 90 for 1m", "gone: silent above 2m", "mean above 60"];
  const { code, stderr, events } = await backtest("csv:monitor", [
    ...["--backtest", "-", "--queue", "q", "--by", "host", "--value", "cpu", "--time", "time"],
    ...["--window", "2m", ...rules.flatMap((rule) => ["--alert", rule])],
  ], HOSTS);
  assert.equal(code, 0, stderr);
  const alerts = eventsOf({ events }, "alert").map(({ id, state, at, mean }) =>
    `${String(id).replace("csv/q/backtest/", "")} ${state} ${String(at).slice(11)} ${mean}`
  );
  assert.deepEqual(
    alerts,
    [
      "a/mean/5 open 08:02:00 67",
      // True from 08:01 on.
      "a/high/5 open 08:02:00 67",
      // b was there at 08:01:30 last.
      "b/gone/7 open 08:04:00 50",
      "a/high/5 resolved 08:04:00 71",
    ].sort((a, b) => alerts.indexOf(a) - alerts.indexOf(b)),
  );
});

const NEEDED = ["--queue", "q", "--value", "cpu", "--time", "time", "--backtest", "-"];

e2e("what can't be monitored ends with one line, and exit code 2", async () => {
  await using vhost = await Vhost.create();
  const high = ["--alert", "last above 90"];
  const cases: [string[], RegExp][] = [
    [["--value", "cpu", ...high], /--queue is needed/],
    [["--queue", "q", ...high], /--value is needed/],
    [["--queue", "q", "--value", "cpu", ...high], /--time is needed/],
    [NEEDED, /--alert is needed/],
    [
      [...NEEDED, "--alert", "last over 90"],
      /"last over 90" has "over" .*above or below \(word 2\)/,
    ],
    [[...NEEDED, ...high, ...high], /Two rules are called last/],
    [[...NEEDED, ...high, "--window", "soon"], /--window must be a time like 10m/],
    [[...NEEDED, ...high, "--value", "load"], /no column for.*load|load.*no column|column "?load/],
  ];
  for (const [args, says] of cases) {
    const { code, stderr } = await vhost.start("csv:monitor", args, { input: HOSTS }).ended;
    assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, says, args.join(" "));
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
  }
});

const WATCH = ["--queue", "q", "--by", "host", "--value", "cpu", "--time", "time"];
const HIGH = ["--window", "2m", "--alert", "last above 90", "--exit-when-idle", "3s"];

/** So many readings of one host, a second apart. */
function seconds(count: number): string {
  const rows = Array.from({ length: count }, (_, index) => {
    const time = new Date(Date.UTC(2024, 6, 1, 8) + index * 1000).toISOString().slice(0, 19);
    return `${time},a,50`;
  });
  return ["time,host,cpu", ...rows].join("\n") + "\n";
}

for (const type of ["quorum", "classic"]) {
  e2e(`a plain ${type} queue of others is read by one monitor at a time`, async () => {
    await using vhost = await Vhost.create();
    // Declared before, without a single active consumer.
    const produce = ["--queue", "q", "--file", "-", "--run", "r", "--queue-type", type];
    await vhost.run("csv:produce", [...produce, "--limit", "1"], { input: seconds(1) });
    const first = await vhost.start("csv:monitor", [...WATCH, ...HIGH]).ready();
    const second = await vhost.start("csv:monitor", [...WATCH, ...HIGH]).ready();
    const rows = (process: TaskProcess) =>
      eventsOf(process, "reading").map(({ id }) => Number(String(id).split("/").at(-1)));
    await vhost.run("csv:produce", [...produce, "--skip", "1"], { input: seconds(60) });
    await first.until((events) => eventsOf({ events }, "reading").length >= 60);
    await first.kill("KILL");
    await first.ended;
    await vhost.run("csv:produce", [...produce, "--skip", "60"], { input: seconds(100) });
    const { code, stderr } = await second.ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /q has a monitor: standing by/);
    const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
    assert.deepEqual(rows(first), upTo(60));
    // What the first had printed and not yet saved when it was killed is judged again.
    const again = rows(second).filter((row) => row <= 60);
    assert.deepEqual([...new Set([...rows(first), ...rows(second)])], upTo(100));
    assert.ok(again.length < 60, String(again));
  });
}

e2e("a worker in the same queue is in a monitor's way: it waits, and says so", async () => {
  await using vhost = await Vhost.create();
  await vhost.run("csv:produce", ["--queue", "q", "--file", "-"], { input: seconds(1) });
  const worker = await vhost.start("csv:work", ["--queue", "q", "--handle", "0"]).ready();
  await worker.until((events) => eventsOf({ events }, "message").length === 1);
  const monitor = vhost.start("csv:monitor", [...WATCH, ...HIGH]);
  const isThere = async () => (await queueNames(vhost)).includes("q.monitor");
  await eventually("the monitor to hold the queue's name", isThere);
  assert.deepEqual(monitor.events, []);
  await worker.kill("INT");
  await worker.ended;
  await monitor.ready();
  await monitor.kill("INT");
  const { stderr } = await monitor.ended;
  assert.match(stderr, /q has other consumers, and a monitor needs every reading/);
});

e2e("ids of the user's own leave a monitor the rows", async () => {
  await using vhost = await Vhost.create();
  const named = seconds(30).split("\n").map((line, index) =>
    line === "" ? line : index === 0 ? `${line},nr` : `${line},2024/${(index * 7) % 31}`
  ).join("\n");
  await vhost.run("csv:produce", ["--queue", "q", "--file", "-", "--run", "r", "--id", "nr"], {
    input: named,
  });
  const { code, summary } = await vhost.run("csv:monitor", [...WATCH, ...HIGH]);
  assert.equal(code, 0);
  assert.deepEqual([summary.readings, summary.duplicates, summary.late], [30, 0, 0]);
});

e2e("`--purge` empties the state of whoever has watched the queue", async () => {
  await using vhost = await Vhost.create();
  const produce = ["--queue", "q", "--file", "-", "--run", "r", "--purge"];
  for (let pass = 1; pass <= 2; pass++) {
    await vhost.run("csv:produce", produce, { input: seconds(10) });
    const { summary } = await vhost.run("csv:monitor", [...WATCH, ...HIGH]);
    assert.deepEqual([summary.readings, summary.duplicates], [10, 0], `pass ${pass}`);
  }
});

e2e(
  "a file sorted by key and not by time holds no silence; a backtest skips what can't be judged",
  async () => {
    const sorted = ["a", "b", "c"].flatMap((host) =>
      Array.from(
        { length: 60 },
        (_, minute) => `2024-07-01T08:${String(minute).padStart(2, "0")}:00,${host},50`,
      )
    );
    const rows = ["time,host,cpu", ...sorted, "2024-07-01T09:00:00,__proto__,50"];
    const { code, events } = await backtest("csv:monitor", [
      ...WATCH,
      ...["--backtest", "-", "--window", "5m", "--alert", "silent above 5m"],
    ], rows.join("\n"));
    assert.equal(code, 2);
    assert.deepEqual(eventsOf({ events }, "alert"), []);
    assert.deepEqual(
      eventsOf({ events }, "rejected").map(({ line }) => line),
      [182],
    );
    assert.equal(summaryOf({ events }).readings, 180);
  },
);

const HOST_COUNT = 1000;
const ROUNDS = 12;

/** A reading of each of 1,000 hosts every 10 s; each 50th is busy for a while, the last one falls silent. */
const MANY = [
  "time,host,cpu",
  ...Array.from({ length: HOST_COUNT * ROUNDS }, (_, index) => {
    const [round, host] = [Math.floor(index / HOST_COUNT), index % HOST_COUNT];
    const busy = host % 50 === 0 && round >= 4 && round < 9;
    const cpu = busy ? 95 : (host * 7 + round * 13) % 60;
    const time = new Date(Date.UTC(2024, 6, 1, 8) + round * 10_000).toISOString().slice(0, 19);
    return host === HOST_COUNT - 1 && round > 5 ? [] : [`${time},host-${host},${cpu}`];
  }).flat(),
].join("\n") + "\n";

e2e(
  "1,000 keys, a monitor killed three times beside a standby: the backtest's alerts",
  async () => {
    await using vhost = await Vhost.create();
    const flags = [
      ...["--queue", "metrics", "--by", "host", "--value", "cpu", "--unit", "%", "--time", "time"],
      ...["--window", "1m", "--alert", "high: min above 90", "--alert", "gone: silent above 40s"],
    ];
    const expected = await backtest(
      "csv:monitor",
      [...flags, "--backtest", "-", "--run", "r"],
      MANY,
    );
    assert.equal(expected.code, 0, expected.stderr);
    const wanted = new Map(
      eventsOf(expected, "alert").map(({ event: _, ...alert }) => [
        `${alert.id}/${alert.state}`,
        JSON.stringify(alert),
      ]),
    );
    const silent = [...wanted.keys()].filter((id) => id.includes("/gone/"));
    assert.deepEqual(silent.map((id) => id.split("/").slice(3, 5)), [["host-999", "gone"]]);

    const start = () => vhost.start("csv:monitor", [...flags, "--exit-when-idle", "3s"]).ready();
    let active = await start();
    const producer = vhost.start("csv:produce", [
      ...["--queue", "metrics", "--file", "-", "--run", "r", "--interval", "1ms"],
    ], { input: MANY });
    const seen = new Map<string, string>();
    const collect = ({ events }: { events: Event[] }) => {
      for (const event of eventsOf({ events }, "reading")) {
        const text = JSON.stringify(event);
        assert.equal(seen.get(String(event.id)) ?? text, text, "the same reading again");
        seen.set(String(event.id), text);
      }
    };
    for (let kill = 1; kill <= 3; kill++) {
      const standby = await start();
      await active.until((events) => events.length > HOST_COUNT * 2, { timeoutMs: 60_000 });
      await active.kill("KILL");
      await active.ended;
      collect(active);
      active = standby;
    }
    assert.equal((await producer.ended).code, 0);
    const { code, stderr } = await active.ended;
    assert.equal(code, 0, stderr);
    collect(active);
    const readings = eventsOf(expected, "reading").map((event) => JSON.stringify(event));
    assert.equal(seen.size, readings.length);
    assert.deepEqual([...seen.values()].sort(), readings.sort());
    const sent = new Map<string, string>();
    for (const { messageId = "", body } of await takeRaw(vhost.url, "alert_queue")) {
      assert.equal(sent.get(messageId) ?? String(body), String(body), "the same alert again");
      sent.set(messageId, String(body));
    }
    assert.deepEqual(sent, wanted);
  },
);

interface Metric {
  readonly row: number;
  readonly host: string;
  readonly second: number;
  readonly cpu: number;
}

/** The alerts of data/server-metrics.csv by its description, worked out with nothing but arrays. */
function metricsAlerts(text: string): string[] {
  const metrics: Metric[] = text.trimEnd().split("\n").slice(1).map((line, index) => {
    const [second, host = "", , cpu] = line.split(",");
    return { row: index + 1, host, second: Number(second), cpu: Number(cpu) };
  });
  const alerts: string[] = [];
  const open = new Map<string, string>();
  const since = new Map<string, number>();
  const set = (host: string, rule: string, isTrue: boolean, row: number) => {
    const id = open.get(`${host} ${rule}`);
    if (isTrue && id === undefined) {
      open.set(`${host} ${rule}`, `${host}/${rule}/${row}`);
      alerts.push(`${host}/${rule}/${row} open`);
    } else if (!isTrue && id !== undefined) {
      open.delete(`${host} ${rule}`);
      alerts.push(`${id} resolved`);
    }
  };
  for (const [index, { row, host, second, cpu }] of metrics.entries()) {
    const before = metrics.slice(0, index + 1);
    const window = before.filter((one) => one.host === host && one.second >= second - 600);
    if (cpu > 90) since.set(host, since.get(host) ?? second);
    else since.delete(host);
    set(host, "high", second - (since.get(host) ?? Infinity) >= 180, row);
    const values = window.map((one) => one.cpu);
    const covered = second - (window[0]?.second ?? second) >= 540;
    set(host, "flat", covered && Math.max(...values) - Math.min(...values) < 0.1 - 1e-9, row);
    set(host, "silent", false, row);
    const now = Math.max(...before.map((one) => one.second));
    const last = new Map(before.map((one) => [one.host, one.second]));
    for (const [other, heard] of last) if (now - heard > 300) set(other, "silent", true, row);
  }
  return alerts;
}

e2e("the server metrics' alerts are those that a separate program finds", async () => {
  const { code, stderr, events } = await backtest("csv:monitor", [
    ...["--stream", "data/server-metrics.stream.json", "--backtest", "data/server-metrics.csv"],
  ]);
  assert.equal(code, 0, stderr);
  const alerts = eventsOf({ events }, "alert").map(({ id, state }) =>
    `${String(id).split("/").slice(3).join("/")} ${state}`
  );
  const expected = metricsAlerts(await Deno.readTextFile("data/server-metrics.csv"));
  assert.deepEqual(alerts, expected);
  assert.equal(new Set(alerts.map((alert) => alert.split("/")[1])).size, 3);
});
