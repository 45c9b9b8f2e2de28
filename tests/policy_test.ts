import assert from "node:assert/strict";
import config from "../deno.json" with { type: "json" };

const TASKS: [string, { description: string; command: string }][] = Object.entries(config.tasks);
/** For people who work on the project: these may do anything. */
const DEVELOPER_TASKS = ["check", "test", "bench", "test:faults"];
/** The one starts brokers, the other reads a file and needs no network. */
const OTHER_NETWORK = ["broker", "csv:init"];
const FOLDERS = ["producers", "consumers"];
const mayRead = FOLDERS.every((path) =>
  Deno.permissions.querySync({ name: "read", path }).state === "granted"
);

Deno.test("every task says what it does", { permissions: "none" }, () => {
  for (const [name, { description }] of TASKS) assert.ok(description.length > 10, name);
});

Deno.test("no task that a user runs has an unlimited permission", { permissions: "none" }, () => {
  const checked = TASKS.filter(([name]) => !DEVELOPER_TASKS.includes(name));
  assert.ok(checked.length >= 5);
  for (const [name, { command }] of checked) {
    assert.doesNotMatch(command, /\s(-A|--allow-all|-P)\b/, name);
    assert.doesNotMatch(command, /\s--allow-\w+(?!\S*=)(\s|$)/, name);
    assert.doesNotMatch(command, /\s--allow-\w+=(\s|$)/, name);
    assert.match(command, /deno run /, name);
  }
});

Deno.test(
  "the network is the broker's, or what the environment names",
  { permissions: "none" },
  () => {
    for (const [name, { command }] of TASKS) {
      if (DEVELOPER_TASKS.includes(name) || OTHER_NETWORK.includes(name)) continue;
      assert.match(command, /--allow-net=\$AMQP_HOST[\s,]/, name);
    }
  },
);

Deno.test("what needs no network has none", { permissions: "none" }, () => {
  assert.doesNotMatch(config.tasks["csv:init"].command, /--allow-net/);
});

Deno.test(
  "without AMQP_HOST it is this machine, under each of its names: localhost may be ::1, too",
  { permissions: "none" },
  () => {
    const ports = [5672, 5673, 5674];
    const hosts = ["localhost", "127.0.0.1", "[::1]"].flatMap((host) =>
      ports.map((port) => `${host}:${port}`)
    );
    for (const [name, { command }] of TASKS) {
      if (DEVELOPER_TASKS.includes(name) || OTHER_NETWORK.includes(name)) continue;
      const [, set = ""] = /^test -n "\$AMQP_HOST" \|\| export AMQP_HOST=(\S+); /.exec(command) ??
        [];
      assert.deepEqual(set.split(",").sort(), hosts.toSorted(), name);
    }
  },
);

Deno.test({
  name: "each producer and consumer has one task" +
    (mayRead ? "" : " (skipped: needs --allow-read)"),
  ignore: !mayRead,
  permissions: { read: FOLDERS },
  fn() {
    for (const folder of FOLDERS) {
      for (const { name, isFile } of Deno.readDirSync(folder)) {
        if (!isFile || !name.endsWith(".ts")) continue;
        const tasks = TASKS.filter(([, { command }]) => command.endsWith(` ${folder}/${name}`));
        assert.equal(tasks.length, 1, `${folder}/${name}`);
      }
    }
  },
});
