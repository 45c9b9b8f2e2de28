/** Monitoring any CSV: rules of the command line, a window for each value of a column. */
import assert from "node:assert/strict";
import type { Event } from "../../shared/script.ts";
import { e2e, eventsOf, summaryOf, takeRaw, Vhost } from "./harness.ts";
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

e2e(
  "a queue that was declared before, plain, is watched by one monitor after the other",
  async () => {
    await using vhost = await Vhost.create();
    const produce = ["--queue", "q", "--file", "-", "--run", "r"];
    await vhost.run("csv:produce", produce, { input: HOSTS });
    const flags = [
      "--queue",
      "q",
      "--by",
      "host",
      "--value",
      "cpu",
      "--time",
      "time",
      "--window",
      "2m",
    ];
    const rules = ["--alert", "last above 90", "--exit-when-idle", "2s"];
    const first = await vhost.start("csv:monitor", [...flags, ...rules]).ready();
    await first.until((events) => eventsOf({ events }, "reading").length === 7);
    const second = await vhost.start("csv:monitor", [...flags, ...rules]).ready();
    await first.kill("KILL");
    await first.ended;
    // Nothing is judged twice: the second goes on from the state of the first.
    const more = `time,host,cpu\n2024-07-01T08:09:00,a,10\n`;
    await vhost.run("csv:produce", [...produce, "--skip", "7"], { input: HOSTS + more.slice(14) });
    const { code, stderr } = await second.ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /q has a monitor: standing by/);
    assert.deepEqual(eventsOf(second, "reading").map(({ id }) => id), ["r/8"]);
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
