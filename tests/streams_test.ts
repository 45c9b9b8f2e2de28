/**
 * What every stream has beside its declaration: tasks, a panel on the board, mutated messages and files in the fuzz
 * tests. A stream that is added to the list and lacks one of these is named.
 */
import assert from "node:assert/strict";
import config from "../deno.json" with { type: "json" };
import { deadQueue, stateQueue } from "../shared/connection.ts";
import {
  ALERTS,
  allQueues,
  type AnyStream,
  consumedQueues,
  deadQueues,
  STREAMS,
} from "../shared/streams.ts";
import { FUZZED } from "./fuzzed.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

/** Alerts come from monitors, not from a file, and the notifier isn't called after its stream. */
const EXEMPT: readonly string[] = [ALERTS.name];

interface Found {
  readonly tasks: Iterable<string>;
  /** By the names of their streams. */
  readonly fuzzed: Iterable<string>;
}

/** What each stream lacks, in words. */
function lacks(streams: readonly AnyStream[], found: Found): string[] {
  const [tasks, fuzzed] = [new Set(found.tasks), new Set(found.fuzzed)];
  return streams.flatMap((stream) => {
    const { name, queues } = stream;
    // It may be anything in a declaration that nobody has checked.
    const panel: Partial<AnyStream["panel"]> | undefined = stream.panel;
    const wrong = panelProblem(panel);
    const monitored = Object.values(queues).some(({ monitored }) => monitored);
    const needed = EXEMPT.includes(name)
      ? []
      : [`${name}:produce`, `${name}:${monitored ? "monitor" : "work"}`];
    return [
      ...needed.filter((task) => !tasks.has(task)).map((task) => `${name}: no task ${task}`),
      ...fuzzed.has(name) ? [] : [`${name}: nothing in tests/fuzzed.ts`],
      ...wrong === undefined ? [] : [`${name}: ${wrong}`],
    ];
  });
}

/** What is wrong with a panel; `undefined` when it can be shown. */
function panelProblem(panel: Partial<AnyStream["panel"]> | undefined): string | undefined {
  if (panel?.kind === "work") {
    return panel.item && panel.shown ? undefined : "a panel of work without item or what is shown";
  }
  if (panel?.kind === "series") {
    const { key, keys, quantities, measured } = panel;
    return key && keys && quantities?.length && measured
      ? undefined
      : "a panel of a series without key, quantity or measurement";
  }
  return "no panel";
}

/** The names of the streams of which there are bodies to mutate. */
const MUTATED = Object.entries(FUZZED)
  .filter(([, queues]) => Object.values(queues).some((good) => good.length > 0))
  .map(([name]) => name);

test("every stream has its tasks, its panel and its place in the fuzz tests", () => {
  const found = { tasks: Object.keys(config.tasks), fuzzed: MUTATED };
  assert.deepEqual(lacks(STREAMS, found), []);
});

test("a stream that lacks one of them is named, with what it lacks", () => {
  const [first] = STREAMS.filter(({ queues }) => Object.values(queues).some((it) => it.monitored));
  const [work] = STREAMS.filter(({ panel }) => panel.kind === "work");
  assert.ok(first && work);
  const { panel: _, ...rest } = { ...first, name: "greenhouse" };
  const added = [rest as AnyStream, { ...work, name: "orders" }];
  const found = {
    tasks: [...Object.keys(config.tasks), "orders:produce"],
    fuzzed: [...MUTATED, "greenhouse"],
  };
  assert.deepEqual(lacks([...STREAMS, ...added], found), [
    "greenhouse: no task greenhouse:produce",
    "greenhouse: no task greenhouse:monitor",
    "greenhouse: no panel",
    "orders: no task orders:work",
    "orders: nothing in tests/fuzzed.ts",
  ]);
  const empty = { ...first, panel: { ...first.panel, quantities: [] } } as AnyStream;
  assert.deepEqual(lacks([empty], { ...found, fuzzed: MUTATED }), [
    `${first.name}: a panel of a series without key, quantity or measurement`,
  ]);
});

test("no name is used twice: of a stream, of a queue, of a queue beside another", () => {
  const names = STREAMS.map(({ name }) => name);
  assert.deepEqual(names, [...new Set(names)]);
  // They begin routing keys and names of tasks.
  for (const name of names) assert.match(name, /^[a-z][a-z0-9-]*$/);
  assert.deepEqual(allQueues(), [...new Set(allQueues())]);
});

test("`queues` and `dead` know every queue of every stream, and what lies beside it", () => {
  assert.ok(STREAMS.length >= 4);
  for (const { name: stream, queues } of STREAMS) {
    assert.ok(Object.keys(queues).length > 0, stream);
    for (const { name, monitored, deadElsewhere } of Object.values(queues)) {
      const [state, dead] = [stateQueue(name).queue, deadQueue(name).queue];
      assert.ok(allQueues().includes(name), `${stream}: ${name}`);
      assert.ok(consumedQueues().includes(name), `${stream}: ${name}`);
      assert.equal(allQueues().includes(state), monitored === true, `${stream}: ${state}`);
      assert.equal(deadQueues().includes(dead), deadElsewhere !== true, `${stream}: ${dead}`);
      assert.equal(allQueues().includes(dead), deadElsewhere !== true, `${stream}: ${dead}`);
      assert.ok(!consumedQueues().includes(state), "a letter would take the saved state's place");
    }
  }
});
