import assert from "node:assert/strict";
import { percentile } from "../consumers/board/counts.ts";
import { BoardView, HISTORY_MS, type QueueState } from "../consumers/board/board_view.ts";
import { DATA_STREAMS } from "../shared/streams.ts";
import { seededRandom } from "../data/seeded_random.ts";

const PURE = { permissions: "none" } as const;
const NOW = Date.UTC(2026, 0, 1, 12);

/** What a stream's announcements can be about. */
const KINDS = ["published", "taken", "handled", "dead", "presence", "judged", "alert"];
const KEYS = new Set(
  [...DATA_STREAMS.map(({ name }) => name), "own", "beds.2"].flatMap((stream) =>
    KINDS.map((kind) => `${stream}.${kind}`)
  ),
);

/** A board as it is, for announcements that scripts make: a mistyped key fails. */
class Board extends BoardView {
  constructor() {
    super(DATA_STREAMS);
  }

  say(key: string, body: unknown, now = NOW): void {
    assert.ok(KEYS.has(key), `no script announces ${key}`);
    const { revision } = this;
    this.hear(key, body, now);
    assert.ok(this.since(revision, now).streams.length > 0, `${key} was not taken`);
  }
}

const about = (name: string, instance = name) => ({ script: "s", name, instance, at: NOW });
const ticket = (row: number, confirmed = row) => ({
  ...about("helpdesk"),
  run: "r",
  row,
  text: `Requester${row}`,
  group: "A",
  totals: { rows: confirmed, confirmed, rejected: 0, failed: 0 },
});
const taken = (worker: string, row: number, instance = worker) => ({
  ...about(worker, instance),
  worker,
  id: `r/${row}`,
  text: `Requester${row}`,
  group: "A",
  redelivered: false,
});
const handled = (worker: string, row: number, total: number, instance = worker) => ({
  ...taken(worker, row, instance),
  waitMs: row * 10,
  totals: { handled: total, duplicates: 0, dead: 0, others: 0, groups: { A: total } },
});
const WORK = { stream: "helpdesk", title: "Help desk", panel: { kind: "work", item: "ticket" } };
const presence = (worker: string, total: number, here = true) => ({
  ...about(worker),
  ...WORK,
  here,
  role: "worker",
  queues: ["help_queue"],
  inHand: null,
  totals: { handled: total, duplicates: 0, dead: 0, others: 0, groups: { A: total } },
});

function streamOf(view: BoardView, name: string, revision = 0, now = NOW) {
  return view.since(revision, now).streams.find((stream) => stream.name === name);
}

function helpdesk(view: BoardView, revision = 0, now = NOW) {
  const work = streamOf(view, "helpdesk", revision, now)?.work;
  assert.ok(work, "the help desk has changed");
  return work;
}

Deno.test("totals are right though only a sample is announced", PURE, () => {
  const view = new Board();
  for (const confirmed of [1, 2, 50, 1000]) view.say("helpdesk.published", ticket(confirmed), NOW);
  for (const total of [1, 400, 600]) {
    view.say("helpdesk.handled", handled("ann", total, total), NOW);
  }
  view.say("helpdesk.handled", handled("bob", 700, 400), NOW);
  view.say("helpdesk.presence", presence("cleo", 7), NOW);
  const stream = helpdesk(view);
  assert.equal(stream.in.total, 1000);
  const lanes = stream.lanes.map(({ name, total }) => [name, total]);
  assert.deepEqual(lanes, [["ann", 600], ["bob", 400], ["cleo", 7]]);
  assert.deepEqual(stream.groups, [["A", 1007]]);
  assert.equal(stream.sampled, true);
  assert.equal(helpdesk(view, 0, NOW + 60_000).sampled, false);
});

Deno.test("what a worker did before the board was there isn't drawn into this second", PURE, () => {
  const view = new Board();
  view.say("helpdesk.handled", handled("ann", 1, 5000), NOW);
  view.say("helpdesk.handled", handled("ann", 2, 5003), NOW + 1000);
  view.say("helpdesk.presence", presence("bob", 100), NOW);
  const [ann, bob] = helpdesk(view).lanes;
  const second = NOW / 1000;
  assert.deepEqual(ann?.seconds, [[second, 1], [second + 1, 3]]);
  assert.deepEqual(bob?.seconds, []);
});

Deno.test("a worker that starts again under its name goes on in its lane", PURE, () => {
  const view = new Board();
  view.say("helpdesk.handled", handled("ann", 1, 10, "first"), NOW);
  view.say("helpdesk.handled", handled("ann", 2, 1, "second"), NOW);
  view.say("helpdesk.handled", handled("ann", 3, 2, "second"), NOW);
  assert.deepEqual(helpdesk(view).lanes.map(({ name, total }) => [name, total]), [["ann", 12]]);
});

Deno.test("a worker is gone when it says so, or says nothing for 5 s", PURE, () => {
  const view = new Board();
  view.say("helpdesk.presence", presence("ann", 0), NOW);
  view.say("helpdesk.presence", presence("bob", 0), NOW);
  view.say("helpdesk.presence", presence("bob", 0, false), NOW + 100);
  const here = () => Object.fromEntries(helpdesk(view).lanes.map(({ name, here }) => [name, here]));
  assert.deepEqual(here(), { ann: true, bob: false });
  view.tidy(NOW + 5000);
  assert.deepEqual(here(), { ann: true, bob: false });
  const { revision } = view;
  view.tidy(NOW + 5001);
  assert.ok(view.revision > revision, "that shows");
  assert.deepEqual(here(), { ann: false, bob: false });
  view.say("helpdesk.presence", presence("ann", 1), NOW + 6000);
  assert.deepEqual(here(), { ann: true, bob: false });
});

Deno.test("who is there and doesn't work is no worker", PURE, () => {
  const view = new Board();
  for (const role of ["producer", undefined]) {
    view.hear("helpdesk.presence", { ...presence("rita", 3), role }, NOW);
  }
  assert.equal(streamOf(view, "helpdesk")?.work, undefined);
});

Deno.test("waits: the median and the 95th percentile of the last thousand", PURE, () => {
  const view = new Board();
  for (let row = 1; row <= 1500; row++) {
    view.say("helpdesk.handled", handled("ann", row, row), NOW);
  }
  // The waits are 5010, 5020, … 15000 ms.
  assert.deepEqual(helpdesk(view).waits, { count: 1000, median: 10_000, p95: 14_500 });
  assert.equal(percentile([], 0.5), null);
  assert.equal(percentile([3], 0.95), 3);
  assert.equal(percentile([2, 1], 0.5), 1);
});

Deno.test("merging what has changed equals taking everything", PURE, () => {
  const random = seededRandom(6);
  const view = new Board();
  const merged = new Map<string, Map<number, number>>();
  let revision = 0;
  const totals = new Map<string, number>();
  for (let step = 0; step < 500; step++) {
    const worker = `w${Math.floor(random() * 5)}`;
    const total = (totals.get(worker) ?? 0) + Math.ceil(random() * 3);
    totals.set(worker, total);
    view.say("helpdesk.handled", handled(worker, step, total), NOW + step * 100);
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
    const view = new Board();
    view.say("helpdesk.published", ticket(1), NOW);
    view.say("helpdesk.handled", handled("ann", 1, 1), NOW);
    view.say("helpdesk.handled", handled("bob", 2, 1), NOW);
    view.say("smoker.published", row(1, { smoker: 100 }), NOW);
    const later = NOW + HISTORY_MS + 1000;
    view.say("helpdesk.presence", presence("ann", 1), later);
    view.tidy(later);
    const { lanes, done, next, waits } = helpdesk(view);
    assert.deepEqual(lanes.map(({ name, seconds }) => [name, seconds]), [["ann", []]]);
    assert.deepEqual([done, next, waits.count], [[], [], 0]);
    assert.equal(smoker(view).run, null);
  },
);

Deno.test("many names and many rows stay bounded", PURE, () => {
  const view = new Board();
  for (let row = 1; row <= 5000; row++) {
    view.say("helpdesk.handled", handled(`w${row}`, row, 1), NOW + row);
  }
  const { lanes, done } = helpdesk(view);
  assert.equal(lanes.length, 200);
  assert.equal(done.length, 30);
  assert.equal(lanes.at(-1)?.name, "w5000");
});

Deno.test("sixty workers, and some that are forgotten, keep their totals", PURE, () => {
  const view = new Board();
  const names = Array.from({ length: 60 }, (_, index) => `w${index}`);
  for (let round = 1; round <= 7; round++) {
    for (const [index, name] of names.entries()) {
      view.say("helpdesk.presence", presence(name, index * round), NOW + round * 1000);
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
  view.say("helpdesk.presence", presence("w59", 59 * 7 + 2), later);
  assert.equal(helpdesk(view).handled, total + 2);
  assert.deepEqual(helpdesk(view).lanes.map(({ total }) => total), [59 * 7 + 2]);
});

Deno.test("what is done with comes latest first, dead letters with their reason", PURE, () => {
  const view = new Board();
  view.say("helpdesk.published", ticket(1), NOW);
  view.say("helpdesk.handled", handled("ann", 2, 1), NOW + 100);
  view.say("helpdesk.handled", handled("bob", 1, 1), NOW + 200);
  const dead = { ...about("ann"), id: null, queue: "help_queue", reason: "why", body: "the body" };
  view.say("helpdesk.dead", { ...dead, totals: {} }, NOW + 300);
  const done = helpdesk(view).done.map((
    { at, text, worker, dead },
  ) => [at - NOW, text, worker, dead]);
  assert.deepEqual(done, [
    [300, "the body", "ann", "why"],
    [200, "Requester1", "bob", undefined],
    [100, "Requester2", "ann", undefined],
  ]);
});

const at = (minute: number) => Date.UTC(2021, 4, 22, 12, minute);

/** A row of temperatures, `minute` minutes after noon. */
function row(minute: number, values: Record<string, number>, run = "r") {
  const readings = Object.entries(values).map(([key, value]) => [key, at(minute), value]);
  const totals = { rows: minute, confirmed: minute, rejected: 0, failed: 0 };
  return { ...about("smoker"), run, row: minute, readings, totals };
}

const judged = (
  key: string,
  readings: unknown[],
  open: string[] = [],
  run: string | null = "r",
) => ({
  ...about("m"),
  keys: [{ key, run, readings, changes: [2], windowsMs: [[0, 150_000]], open }],
  totals: {},
});

const alert = (state: "open" | "resolved", minute: number) => ({
  ...about("smoker_monitor"),
  id: "r/smoker/drop/3",
  key: "smoker",
  rule: "drop",
  state,
  opened: "2021-05-22T12:03:00",
  at: `2021-05-22T12:0${minute}:00`,
  text: state === "open" ? "Smoker dropped 20 °F in 2.5 min" : "Smoker drop is over",
  run: "r",
});

function smoker(view: BoardView, revision = 0, name = "smoker") {
  const picture = streamOf(view, name, revision)?.series;
  assert.ok(picture, "the smoker has changed");
  return { ...picture, points: Object.fromEntries(picture.keys.map((it) => [it.key, it.points])) };
}

Deno.test("readings are drawn once and in order, from producer and monitor alike", PURE, () => {
  const view = new Board();
  view.say("smoker.published", row(1, { "smoker": 100, "food-a": 40 }));
  view.say("smoker.published", row(3, { smoker: 103 }));
  const { revision } = view;
  view.say("smoker.judged", judged("smoker", [[at(1), 100], [at(2), 102]]));
  assert.deepEqual(smoker(view, revision).points, { smoker: [[at(2), 102]] });
  const { points, keys } = smoker(view);
  assert.deepEqual(points.smoker, [[at(1), 100], [at(2), 102], [at(3), 103]]);
  assert.deepEqual(points["food-a"], [[at(1), 40]]);
  assert.deepEqual(keys[0]?.changes, [2]);
  assert.deepEqual(keys[0]?.windowsMs, [[0, 150_000]]);
});

Deno.test("the run that began last is shown, also when an earlier one goes on", PURE, () => {
  const view = new Board();
  view.say("smoker.published", row(1, { smoker: 100 }, "first"));
  view.say("smoker.published", row(1, { smoker: 200 }, "second"));
  view.say("smoker.published", row(2, { smoker: 101 }, "first"));
  const { run, points } = smoker(view);
  assert.equal(run, "second");
  assert.deepEqual(points.smoker, [[at(1), 200]]);
});

Deno.test(
  "an alert opens and is over; one of before the board comes with its monitor",
  PURE,
  () => {
    const view = new Board();
    const opened = "2021-05-22T12:09:00";
    const open = {
      key: "food-a",
      id: "r/food-a/stall/9",
      rule: "stall",
      opened,
      text: "Food A stall",
    };
    const { panel } = DATA_STREAMS.find(({ name }) => name === "smoker") ?? {};
    const monitor = { ...about("m"), stream: "smoker", title: "Smart smoker", panel, here: true };
    view.say("smoker.presence", { ...monitor, open: [open] });
    view.say("smoker.alert", alert("open", 3));
    view.say("smoker.published", row(8, { smoker: 230 }));
    const alerts = () =>
      smoker(view).alerts.map(({ text, opened, resolved, until }) => [
        ...[text, opened, resolved, until],
      ]);
    const before = ["Food A stall", at(9), null, at(9)];
    const dropped = "Smoker dropped 20 °F in 2.5 min";
    assert.deepEqual(alerts(), [[dropped, at(3), null, at(8)], before]);
    view.say("smoker.alert", alert("resolved", 5));
    assert.deepEqual(alerts(), [[dropped, at(3), at(5), at(5)], before]);
  },
);

Deno.test("an alert whose end nobody heard is over when its monitor has none open", PURE, () => {
  const view = new Board();
  view.say("smoker.alert", alert("open", 3));
  const ends = () => smoker(view).alerts.map(({ resolved }) => resolved);
  view.say("smoker.judged", judged("smoker", [[at(7), 230]], ["r/smoker/drop/3"]));
  view.say("smoker.judged", judged("food-a", [[at(7), 150]]));
  assert.deepEqual(ends(), [null]);
  view.say("smoker.judged", judged("smoker", [[at(7), 230]]));
  assert.deepEqual(ends(), [at(7)]);
});

Deno.test("back to an earlier run, a tab gets all of it", PURE, () => {
  const view = new Board();
  view.say("smoker.published", row(1, { smoker: 100 }, "first"));
  view.say("smoker.published", row(1, { smoker: 200 }, "second"));
  const later = NOW + HISTORY_MS + 1000;
  view.say("smoker.published", row(2, { smoker: 101 }, "first"), NOW + HISTORY_MS);
  view.say("smoker.published", row(3, { smoker: 102 }, "first"), NOW + HISTORY_MS);
  const { revision } = view;
  view.tidy(later);
  const { run, points } = smoker(view, revision);
  assert.equal(run, "first");
  assert.deepEqual(points.smoker, [[at(2), 101], [at(3), 102]]);
});

Deno.test("who has what in hand, since when: from what is taken, and from presences", PURE, () => {
  const view = new Board();
  const inHand = () =>
    helpdesk(view).lanes.map((
      { name, inHand },
    ) => [name, inHand.map(({ id, since }) => [id, since])]);
  view.say("helpdesk.taken", taken("ann", 1), NOW);
  assert.deepEqual(inHand(), [["ann", [["r/1", NOW]]]]);
  view.say("helpdesk.taken", taken("ann", 2), NOW + 1000);
  // Of a sample the end of an earlier one can come later: it takes nothing out of her hands.
  view.say("helpdesk.handled", handled("ann", 1, 1), NOW + 1100);
  assert.deepEqual(inHand(), [["ann", [["r/2", NOW + 1000]]]]);
  // What was taken before the board was there.
  const held = { id: "r/9", text: "Zoe", group: "B", redelivered: true, forMs: 4000 };
  view.say("helpdesk.presence", { ...presence("bob", 0), inHand: held }, NOW + 1200);
  assert.deepEqual(inHand()[1], ["bob", [["r/9", NOW - 2800]]]);
  view.say("helpdesk.presence", { ...presence("ann", 1), inHand: null }, NOW + 1300);
  view.say("helpdesk.presence", presence("bob", 0, false), NOW + 1400);
  assert.deepEqual(inHand(), [["ann", []], ["bob", []]]);
});

Deno.test("a worker that is gone has nothing in hand, a dead letter neither", PURE, () => {
  const view = new Board();
  view.say("helpdesk.taken", taken("ann", 1), NOW);
  view.say("helpdesk.taken", taken("bob", 2), NOW);
  const dead = { ...about("bob"), id: "r/2", queue: "help_queue", reason: "why", body: "x" };
  view.say("helpdesk.dead", { ...dead, totals: { handled: 0, dead: 1 } }, NOW);
  assert.deepEqual(helpdesk(view).lanes.map(({ inHand }) => inHand.length), [1, 0]);
  view.tidy(NOW + 6000);
  assert.deepEqual(helpdesk(view).lanes.map(({ inHand }) => inHand.length), [0, 0]);
});

const looks = (ready: number | null, dead: number | null = null): QueueState[] => [
  { queue: "help_queue", ready, consumers: 1, dead },
];

Deno.test("what waits is what was published and nobody has taken, oldest first", PURE, () => {
  const view = new Board();
  for (let row = 1; row <= 20; row++) view.say("helpdesk.published", ticket(row), NOW + row);
  view.say("helpdesk.taken", taken("ann", 1), NOW + 30);
  const next = () => helpdesk(view).next.map(({ id }) => id);
  assert.deepEqual(next(), ["r/2", "r/3", "r/4", "r/5", "r/6"]);
  // Of a sample not every end is heard: what the queue doesn't hold any more doesn't wait.
  view.looked(looks(3), NOW + 5000);
  assert.deepEqual(next(), ["r/18", "r/19", "r/20"]);
  // Ids can have something else than the row.
  view.say("helpdesk.published", { ...ticket(30), named: "Nr-7" }, NOW + 5100);
  view.say("helpdesk.published", { ...ticket(31), part: "a" }, NOW + 5100);
  for (const id of ["r/Nr-7", "r/31/a"]) {
    view.say("helpdesk.taken", { ...taken("ann", 0), id }, NOW + 5200);
  }
  assert.deepEqual(next(), ["r/18", "r/19", "r/20"]);
  // What was announced just before the look may not be in the queue yet.
  view.say("helpdesk.published", ticket(21), NOW + 5500);
  view.looked(looks(0), NOW + 6000);
  assert.deepEqual(next(), ["r/21"]);
});

Deno.test("what other programs send is counted as come in", PURE, () => {
  const view = new Board();
  view.say("helpdesk.published", ticket(122), NOW);
  const totals = { handled: 100, duplicates: 0, dead: 1, others: 2, groups: { A: 100 } };
  view.say("helpdesk.handled", { ...handled("ann", 1, 100), id: null, totals }, NOW);
  const { came, others } = helpdesk(view);
  assert.deepEqual([came, others.total], [124, 2]);
  // What was published before the board was there, nobody has announced.
  view.say("helpdesk.handled", { ...handled("bob", 2, 60) }, NOW);
  assert.equal(helpdesk(view).came, 161);
});

Deno.test("while the broker is away nobody is gone, and for a while after", PURE, () => {
  const view = new Board();
  view.say("helpdesk.presence", presence("ann", 0), NOW);
  view.say("helpdesk.taken", taken("ann", 1), NOW);
  const state = () => helpdesk(view).lanes.map(({ here, inHand }) => [here, inHand.length]);
  view.setAway(NOW + 1000, NOW + 1000);
  view.tidy(NOW + 60_000);
  assert.deepEqual(state(), [[true, 1]]);
  view.setAway(null, NOW + 61_000);
  view.tidy(NOW + 75_000);
  assert.deepEqual(state(), [[true, 1]]);
  view.tidy(NOW + 77_000);
  assert.deepEqual(state(), [[false, 0]]);
});

Deno.test("why letters are dead is known until their queue is empty", PURE, () => {
  const view = new Board();
  const dead = (id: string | null, reason: string, now: number) =>
    view.say(
      "helpdesk.dead",
      { ...about("ann"), id, queue: "help_queue", reason, body: "the body", totals: {} },
      now,
    );
  dead("r/1", "the name is empty", NOW);
  dead(null, "the name is empty", NOW + 1);
  dead("r/3", "not a ticket", NOW + 2);
  const letters = () =>
    view.since(0).letters?.map(({ queue, reasons }) => [
      queue,
      reasons.map(({ reason, count, id, body }) => [reason, count, id, body]),
    ]);
  const reasons = [["not a ticket", 1, "r/3", "the body"], [
    ...["the name is empty", 2],
    ...[null, "the body"],
  ]];
  assert.deepEqual(letters(), [["help_queue", reasons]]);
  // A look that began before the last one came says nothing.
  view.looked(looks(0, 0), NOW);
  view.looked(looks(0, 3), NOW + 5000);
  assert.deepEqual(letters(), [["help_queue", reasons]]);
  view.looked(looks(0, 0), NOW + 7000);
  assert.deepEqual(letters(), []);
  for (let row = 0; row < 500; row++) dead(`r/${row}`, `reason ${row}`, NOW);
  assert.equal(view.since(0).letters?.[0]?.reasons.length, 30);
});

const BEDS = {
  stream: "beds.2",
  title: "Beds",
  panel: {
    kind: "series",
    key: "bed",
    keys: { north: "North bed" },
    quantities: [{ name: "soil", unit: "%" }, { name: "air", unit: "°C" }],
  },
};

Deno.test("a stream that describes itself is shown, and its announcements are taken", PURE, () => {
  const view = new Board();
  const names = () => view.since(0).streams.map(({ name }) => name);
  const known = DATA_STREAMS.map(({ name }) => name);
  assert.deepEqual(names(), known);
  const own = {
    stream: "own",
    title: "Own",
    panel: { kind: "work", item: "thing", groups: { x: "Ex" } },
  };
  assert.equal(view.meet("own", { ...about("w"), ...own, here: true }), true);
  assert.equal(view.meet("beds.2", { ...about("m"), ...BEDS, here: true }), true);
  assert.deepEqual(names(), [...known, "own", "beds.2"]);
  const shown = streamOf(view, "own");
  assert.deepEqual([shown?.title, shown?.panel], ["Own", {
    kind: "work",
    item: "thing",
    groups: [["x", "Ex"]],
  }]);
  view.say("own.handled", handled("ann", 1, 3));
  assert.equal(streamOf(view, "own")?.work?.handled, 3);
  const totals = { confirmed: 1 };
  const readings = [["north", at(1), 40, null], ["south", at(1), 30, 21, 99], ["west", at(1), 5]];
  view.say("beds.2.published", { ...about("p"), run: "r", row: 1, readings, totals });
  assert.deepEqual(smoker(view, 0, "beds.2").points, {
    north: [[at(1), 40, null]],
    south: [[at(1), 30, 21]],
    west: [[at(1), 5, null]],
  });
  view.say("own.presence", { ...presence("ann", 3), ...own, queues: ["own_queue"] });
  assert.ok(view.queueNames.includes("own_queue"));
});

Deno.test("unknown streams stay few, and only what is a description makes one", PURE, () => {
  const view = new Board();
  const body = (stream: string) => ({ ...about("m"), ...BEDS, stream });
  const { panel } = BEDS;
  const bad: [string, unknown][] = [
    ["a", body("b")],
    ["a", null],
    ["a", { ...body("a"), title: 7 }],
    ["a", { ...body("a"), panel: { kind: "pie" } }],
    ["a", { ...body("a"), panel: { ...panel, quantities: [] } }],
    ["a", {
      ...body("a"),
      panel: { ...panel, quantities: Array(99).fill({ name: "x", unit: "" }) },
    }],
    ["a\nb", body("a\nb")],
    ["helpdesk", body("helpdesk")],
    ["x".repeat(300), body("x".repeat(300))],
  ];
  for (const [name, said] of bad) assert.equal(view.meet(name, said), false, JSON.stringify(said));
  const met = Array.from({ length: 100 }, (_, index) => view.meet(`s${index}`, body(`s${index}`)));
  assert.equal(met.filter(Boolean).length, 20);
  assert.equal(view.since(0).full, true);
});

Deno.test("five hundred keys at most, and a part of the points for each", PURE, () => {
  const view = new Board();
  for (let minute = 0; minute < 300; minute++) {
    const readings = Array.from({ length: 600 }, (_, key) => [`k${key}`, at(minute), key]);
    view.say("smoker.published", { ...row(minute, {}), readings });
  }
  const { keys, full } = smoker(view);
  assert.equal(keys.length, 500);
  assert.equal(full, true);
  assert.ok(keys.every(({ points }) => points.length === 200), "100,000 points in all");
});

Deno.test("announcements of any form do no harm", PURE, () => {
  const random = seededRandom(66);
  const keys = [...KEYS, "elsewhere.x", "constructor", "__proto__", "helpdesk", "", "."];
  const good = [
    ticket(1),
    taken("ann", 1),
    handled("ann", 1, 1),
    presence("ann", 1),
    { ...presence("ann", 1), inHand: { id: "r/1", text: "x", redelivered: false, forMs: 1 } },
    { ...about("ann"), id: "r/1", queue: "help_queue", reason: "why", totals: {} },
    row(1, { smoker: 1 }),
    judged("smoker", [[at(1), 100]]),
    alert("open", 3),
    { ...about("m"), ...BEDS, here: true, open: [] },
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
    [[]],
    JSON.parse(`{"__proto__": 1, "constructor": "x"}`),
    true,
    "2021-99-99T00:00",
  ];
  const any = <T>(choices: readonly T[]) => choices[Math.floor(random() * choices.length)] as T;
  const view = new Board();
  view.meet("beds.2", { ...about("m"), ...BEDS });
  for (let turn = 0; turn < 20_000; turn++) {
    const body: Record<string, unknown> = structuredClone(any<Record<string, unknown>>(good));
    for (let change = 0; change < 3; change++) {
      const target = random() < 0.3 && body.totals instanceof Object
        ? body.totals as Record<string, unknown>
        : body;
      target[any(Object.keys(target))] = any(values);
    }
    const said = random() < 0.1 ? any(values) : body;
    view.hear(any(keys), said, NOW);
    if (random() < 0.1) view.meet(`s${turn}`, said);
  }
  assert.ok(JSON.stringify(view.since(0)).length < 500_000);
  view.say("helpdesk.handled", handled("zoe", 1, 1), NOW);
  assert.ok(helpdesk(view).lanes.some(({ name }) => name === "zoe"), "the board goes on");
});
