import assert from "node:assert/strict";
import { percentile } from "../consumers/board/counts.ts";
import { BoardView, HISTORY_MS } from "../consumers/board/board_view.ts";
import { seededRandom } from "../data/seeded_random.ts";

const PURE = { permissions: "none" } as const;
const NOW = Date.UTC(2026, 0, 1, 12);

const about = (name: string, instance = name) => ({ script: "s", name, instance, at: NOW });
const ticket = (row: number, confirmed = row) => ({
  ...about("helpdesk"),
  run: "r",
  row,
  item: { submitted: "2023-02-14T10:15:00", name: `Requester${row}`, category: "A" },
  totals: { rows: confirmed, confirmed, rejected: 0, failed: 0 },
});
const handled = (worker: string, row: number, total: number, instance = worker) => ({
  ...about(`Requester${row}`, instance),
  worker,
  id: `r/${row}`,
  category: "A",
  redelivered: false,
  waitMs: row * 10,
  totals: { handled: total, duplicates: 0, dead: 0, categories: { A: total } },
});
const presence = (worker: string, total: number, here = true) => ({
  ...about(worker),
  here,
  handles: "handled",
  totals: { handled: total, duplicates: 0, dead: 0, categories: { A: total } },
});

function helpdesk(view: BoardView, revision = 0, now = NOW) {
  const stream = view.since(revision, now).helpdesk;
  assert.ok(stream, "the help desk has changed");
  return stream;
}

Deno.test("totals are right though only a sample is announced", PURE, () => {
  const view = new BoardView();
  for (const confirmed of [1, 2, 50, 1000]) view.hear("helpdesk.ticket", ticket(confirmed), NOW);
  for (const total of [1, 400, 600]) {
    view.hear("helpdesk.handled", handled("ann", total, total), NOW);
  }
  view.hear("helpdesk.handled", handled("bob", 700, 400), NOW);
  view.hear("helpdesk.presence", presence("cleo", 7), NOW);
  const stream = helpdesk(view);
  assert.equal(stream.in.total, 1000);
  const lanes = stream.lanes.map(({ name, total }) => [name, total]);
  assert.deepEqual(lanes, [["ann", 600], ["bob", 400], ["cleo", 7]]);
  assert.deepEqual(stream.categories, { A: 1007 });
  assert.equal(stream.sampled, true);
  assert.equal(helpdesk(view, 0, NOW + 60_000).sampled, false);
});

Deno.test("what a worker did before the board was there isn't drawn into this second", PURE, () => {
  const view = new BoardView();
  view.hear("helpdesk.handled", handled("ann", 1, 5000), NOW);
  view.hear("helpdesk.handled", handled("ann", 2, 5003), NOW + 1000);
  view.hear("helpdesk.presence", presence("bob", 100), NOW);
  const [ann, bob] = helpdesk(view).lanes;
  const second = NOW / 1000;
  assert.deepEqual(ann?.seconds, [[second, 1], [second + 1, 3]]);
  assert.deepEqual(bob?.seconds, []);
});

Deno.test("a worker that starts again under its name goes on in its lane", PURE, () => {
  const view = new BoardView();
  view.hear("helpdesk.handled", handled("ann", 1, 10, "first"), NOW);
  view.hear("helpdesk.handled", handled("ann", 2, 1, "second"), NOW);
  view.hear("helpdesk.handled", handled("ann", 3, 2, "second"), NOW);
  assert.deepEqual(helpdesk(view).lanes.map(({ name, total }) => [name, total]), [["ann", 12]]);
});

Deno.test("a worker is gone when it says so, or says nothing for 5 s", PURE, () => {
  const view = new BoardView();
  view.hear("helpdesk.presence", presence("ann", 0), NOW);
  view.hear("helpdesk.presence", presence("bob", 0), NOW);
  view.hear("helpdesk.presence", presence("bob", 0, false), NOW + 100);
  const here = () => Object.fromEntries(helpdesk(view).lanes.map(({ name, here }) => [name, here]));
  assert.deepEqual(here(), { ann: true, bob: false });
  view.tidy(NOW + 5000);
  assert.deepEqual(here(), { ann: true, bob: false });
  const { revision } = view;
  view.tidy(NOW + 5001);
  assert.ok(view.revision > revision, "that shows");
  assert.deepEqual(here(), { ann: false, bob: false });
  view.hear("helpdesk.presence", presence("ann", 1), NOW + 6000);
  assert.deepEqual(here(), { ann: true, bob: false });
});

Deno.test("who reads replies is no worker", PURE, () => {
  const view = new BoardView();
  view.hear("helpdesk.presence", { ...presence("rita", 3), handles: "replied" }, NOW);
  assert.equal(view.since(0, NOW).helpdesk, undefined);
});

Deno.test("waits: the median and the 95th percentile of the last thousand", PURE, () => {
  const view = new BoardView();
  for (let row = 1; row <= 1500; row++) {
    view.hear("helpdesk.handled", handled("ann", row, row), NOW);
  }
  // The waits are 5010, 5020, … 15000 ms.
  assert.deepEqual(helpdesk(view).waits, { count: 1000, median: 10_000, p95: 14_500 });
  assert.equal(percentile([], 0.5), null);
  assert.equal(percentile([3], 0.95), 3);
  assert.equal(percentile([2, 1], 0.5), 1);
});

Deno.test("merging what has changed equals taking everything", PURE, () => {
  const random = seededRandom(6);
  const view = new BoardView();
  const merged = new Map<string, Map<number, number>>();
  let revision = 0;
  const totals = new Map<string, number>();
  for (let step = 0; step < 500; step++) {
    const worker = `w${Math.floor(random() * 5)}`;
    const total = (totals.get(worker) ?? 0) + Math.ceil(random() * 3);
    totals.set(worker, total);
    view.hear("helpdesk.handled", handled(worker, step, total), NOW + step * 100);
    if (random() < 0.7) continue;
    for (const { name, seconds } of helpdesk(view, revision).lanes) {
      const lane = merged.get(name) ?? new Map();
      merged.set(name, lane);
      for (const [second, count] of seconds) lane.set(second, count);
    }
    revision = view.revision;
    const whole = helpdesk(view).lanes;
    for (const { name, seconds } of whole) assert.deepEqual([...merged.get(name) ?? []], seconds);
  }
});

Deno.test(
  "after half an hour everything is forgotten but the totals of workers that are there",
  PURE,
  () => {
    const view = new BoardView();
    view.hear("helpdesk.ticket", ticket(1), NOW);
    view.hear("helpdesk.handled", handled("ann", 1, 1), NOW);
    view.hear("helpdesk.handled", handled("bob", 2, 1), NOW);
    view.hear("smoker.reading", row(1, { smoker: 100 }), NOW);
    const later = NOW + HISTORY_MS + 1000;
    view.hear("helpdesk.presence", presence("ann", 1), later);
    view.tidy(later);
    const { lanes, items, waits } = helpdesk(view);
    assert.deepEqual(lanes.map(({ name, seconds }) => [name, seconds]), [["ann", []]]);
    assert.deepEqual([items, waits.count], [[], 0]);
    assert.equal(view.since(0).smoker?.run, null);
  },
);

Deno.test("many names and many rows stay bounded", PURE, () => {
  const view = new BoardView();
  for (let row = 1; row <= 5000; row++) {
    view.hear("helpdesk.handled", handled(`w${row}`, row, 1), NOW + row);
  }
  const { lanes, items } = helpdesk(view);
  assert.equal(lanes.length, 200);
  assert.equal(items.length, 30);
  assert.equal(lanes.at(-1)?.name, "w5000");
});

Deno.test("sixty workers, and some that are forgotten, keep their totals", PURE, () => {
  const view = new BoardView();
  const names = Array.from({ length: 60 }, (_, index) => `w${index}`);
  for (let round = 1; round <= 7; round++) {
    for (const [index, name] of names.entries()) {
      view.hear("helpdesk.presence", presence(name, index * round), NOW + round * 1000);
    }
  }
  const total = 7 * (59 * 60) / 2;
  assert.equal(helpdesk(view).handled, total);
  assert.equal(helpdesk(view).lanes.reduce((sum, lane) => sum + lane.total, 0), total);
  // A lane is forgotten after half an hour, what it has done isn't.
  const later = NOW + HISTORY_MS + 60_000;
  const { revision } = view;
  view.tidy(later);
  assert.deepEqual([helpdesk(view, revision).handled, helpdesk(view).lanes], [total, []]);
  view.hear("helpdesk.presence", presence("w59", 59 * 7 + 2), later);
  assert.equal(helpdesk(view).handled, total + 2);
  assert.deepEqual(helpdesk(view).lanes.map(({ total }) => total), [59 * 7 + 2]);
});

Deno.test(
  "a ticket came when it was published, though the board heard of it when it was handled",
  PURE,
  () => {
    const view = new BoardView();
    view.hear("helpdesk.ticket", ticket(1), NOW);
    view.hear("helpdesk.handled", { ...handled("ann", 1, 1), publishedAt: NOW - 5 }, NOW + 100);
    view.hear(
      "helpdesk.handled",
      { ...handled("ann", 2, 2), publishedAt: NOW - 99_000 },
      NOW + 200,
    );
    view.hear("helpdesk.handled", handled("ann", 3, 3), NOW + 300);
    const came = helpdesk(view).items.map(({ id, came }) => [id, came]);
    assert.deepEqual(came, [["r/3", undefined], ["r/2", NOW - 99_000], ["r/1", NOW]]);
  },
);

/** A row of temperatures, `minute` minutes after noon. */
function row(minute: number, values: Record<string, number>, run = "r") {
  const time = new Date(Date.UTC(2021, 4, 22, 12, minute)).toISOString().slice(0, 19);
  const readings = Object.entries(values).map(([channel, fahrenheit]) => ({
    time,
    channel,
    fahrenheit,
  }));
  return { ...about("smoker"), run, row: minute, item: { time, readings }, totals: {} };
}

const alert = (state: "open" | "resolved", minute: number) => ({
  ...about("smoker_monitor"),
  id: "r/smoker/drop/3",
  channel: "smoker",
  rule: "drop",
  state,
  opened: "2021-05-22T12:03:00",
  at: `2021-05-22T12:0${minute}:00`,
  fahrenheit: 200,
  change: -20,
  min: 200,
  max: 220,
  readings: 5,
  windowMs: 150_000,
});

function smoker(view: BoardView, revision = 0) {
  const picture = view.since(revision).smoker;
  assert.ok(picture);
  const points = Object.fromEntries(
    picture.channels.map(({ channel, points }) => [channel, points]),
  );
  return { ...picture, points };
}

Deno.test("readings are drawn once and in order, from producer and monitor alike", PURE, () => {
  const view = new BoardView();
  const at = (minute: number) => Date.UTC(2021, 4, 22, 12, minute);
  view.hear("smoker.reading", row(1, { "smoker": 100, "food-a": 40 }), NOW);
  view.hear("smoker.reading", row(3, { smoker: 103 }), NOW);
  const { revision } = view;
  const readings = [["2021-05-22T12:01:00", 100], ["2021-05-22T12:02:00", 102]];
  view.hear("smoker.judged", {
    ...about("m"),
    channel: "smoker",
    run: "r",
    readings,
    change: 2,
    windowMs: 150_000,
    open: null,
  }, NOW);
  assert.deepEqual(smoker(view, revision).points.smoker, [[at(2), 102]]);
  const { points, channels } = smoker(view);
  assert.deepEqual(points.smoker, [[at(1), 100], [at(2), 102], [at(3), 103]]);
  assert.deepEqual(points["food-a"], [[at(1), 40]]);
  assert.equal(channels[0]?.change, 2);
});

Deno.test("the cook that began last is shown, also when an earlier one goes on", PURE, () => {
  const view = new BoardView();
  view.hear("smoker.reading", row(1, { smoker: 100 }, "first"), NOW);
  view.hear("smoker.reading", row(1, { smoker: 200 }, "second"), NOW);
  view.hear("smoker.reading", row(2, { smoker: 101 }, "first"), NOW);
  const { run, points } = smoker(view);
  assert.equal(run, "second");
  assert.deepEqual(points.smoker?.map(([, fahrenheit]) => fahrenheit), [200]);
});

Deno.test(
  "an alert opens and is over; one of before the board comes with its monitor",
  PURE,
  () => {
    const view = new BoardView();
    const open = {
      channel: "food-a",
      id: "r/food-a/stall/9",
      rule: "stall",
      opened: "2021-05-22T12:09:00",
    };
    view.hear("smoker.presence", { ...about("m"), here: true, open: [open] }, NOW);
    view.hear("smoker.alert", alert("open", 3), NOW);
    const texts = () => smoker(view).alerts.map(({ text, resolved }) => [text, resolved]);
    const before = ["Food A stall since 12:09:00", null];
    assert.deepEqual(texts(), [["Smoker dropped 20 °F in 2.5 min, now 200 °F", null], before]);
    view.hear("smoker.alert", alert("resolved", 5), NOW);
    const over = "Smoker drop of 12:03:00 is over after 2 min, now 200 °F";
    assert.deepEqual(texts(), [[over, Date.UTC(2021, 4, 22, 12, 5)], before]);
  },
);

Deno.test("an alert whose end nobody heard is over when its monitor has none open", PURE, () => {
  const view = new BoardView();
  view.hear("smoker.alert", alert("open", 3), NOW);
  const judged = (channel: string, open: string | null) => ({
    ...about("m"),
    channel,
    run: "r",
    readings: [["2021-05-22T12:07:00", 230]],
    change: 2,
    windowMs: 150_000,
    open,
  });
  const ends = () => smoker(view).alerts.map(({ resolved }) => resolved);
  view.hear("smoker.judged", judged("smoker", "r/smoker/drop/3"), NOW);
  view.hear("smoker.judged", judged("food-a", null), NOW);
  assert.deepEqual(ends(), [null]);
  view.hear("smoker.judged", judged("smoker", null), NOW);
  assert.deepEqual(ends(), [Date.UTC(2021, 4, 22, 12, 7)]);
});

Deno.test("back to an earlier cook, a tab gets all of it", PURE, () => {
  const view = new BoardView();
  view.hear("smoker.reading", row(1, { smoker: 100 }, "first"), NOW);
  view.hear("smoker.reading", row(1, { smoker: 200 }, "second"), NOW);
  const later = NOW + HISTORY_MS + 1000;
  view.hear("smoker.reading", row(2, { smoker: 101 }, "first"), NOW + HISTORY_MS);
  view.hear("smoker.reading", row(3, { smoker: 102 }, "first"), NOW + HISTORY_MS);
  const { revision } = view;
  view.tidy(later);
  const { run, points } = smoker(view, revision);
  assert.equal(run, "first");
  assert.deepEqual(points.smoker?.map(([, fahrenheit]) => fahrenheit), [101, 102]);
});

Deno.test("announcements of any form do no harm", PURE, () => {
  const random = seededRandom(66);
  const keys = [
    "helpdesk.ticket",
    "helpdesk.handled",
    "helpdesk.dead",
    "helpdesk.presence",
    "tasks.task",
  ]
    .concat("tasks.done", "tasks.presence", "smoker.reading", "smoker.judged", "smoker.alert")
    .concat("smoker.presence", "elsewhere.x", "constructor", "__proto__");
  const good = [
    ticket(1),
    handled("ann", 1, 1),
    presence("ann", 1),
    row(1, { smoker: 1 }),
    alert("open", 3),
  ];
  const values = [
    null,
    undefined,
    "",
    "x".repeat(10_000),
    -1,
    NaN,
    1e308,
    [],
    {},
    true,
    "2021-99-99T00:00",
  ];
  const any = <T>(choices: readonly T[]) => choices[Math.floor(random() * choices.length)] as T;
  const view = new BoardView();
  for (let turn = 0; turn < 20_000; turn++) {
    const body: Record<string, unknown> = structuredClone(any(good));
    for (let change = 0; change < 3; change++) {
      const target = random() < 0.3 && body.totals instanceof Object
        ? body.totals as Record<string, unknown>
        : body;
      target[any(Object.keys(target))] = any(values);
    }
    view.hear(any(keys), random() < 0.1 ? any(values) : body, NOW);
  }
  assert.ok(JSON.stringify(view.since(0)).length < 500_000);
  view.hear("helpdesk.handled", handled("zoe", 1, 1), NOW);
  assert.ok(helpdesk(view).lanes.some(({ name }) => name === "zoe"), "the board goes on");
});
