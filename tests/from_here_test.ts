import assert from "node:assert/strict";
import { dirname } from "node:path";
import { ofProject, path, pathWithDefault, type Usage } from "../shared/script.ts";
import { fromHere } from "../shared/script/options.ts";
import { parseOptions } from "../shared/script/options.ts";

const PROJECT = dirname(import.meta.dirname ?? "");
const ignore = Deno.permissions.querySync({ name: "env" }).state !== "granted";

/**
 * Does something as if it were typed in one folder and run in another. Test files that run side by side share the
 * process's folder and environment, so it is Deno's answers that are replaced, which belong to this file.
 */
function typedIn<T>(folder: string, work: () => T, { cwd = PROJECT } = {}): T {
  const before = { get: Deno.env.get, cwd: Deno.cwd };
  Deno.env.get = (name) => name === "INIT_CWD" ? folder : before.get(name);
  Deno.cwd = () => cwd;
  try {
    return work();
  } finally {
    Deno.env.get = before.get;
    Deno.cwd = before.cwd;
  }
}

const test = (name: string, fn: () => void) =>
  Deno.test({
    name: ignore ? `${name} (skipped: needs --allow-env)` : name,
    ignore,
    permissions: { env: ["INIT_CWD"] },
    fn,
  });

test("a typed path belongs to the folder in which it was typed", () => {
  const cases: [folder: string, path: string, expected: string][] = [
    [PROJECT, "data/x.csv", "data/x.csv"],
    [`${PROJECT}/producers`, "x.csv", `${PROJECT}/producers/x.csv`],
    [`${PROJECT}/producers`, "../alerts.env", `${PROJECT}/alerts.env`],
    ["/tmp", "x.csv", "/tmp/x.csv"],
    ["/tmp", "/etc/x.csv", "/etc/x.csv"],
  ];
  for (const [folder, path, expected] of cases) {
    assert.equal(typedIn(folder, () => fromHere(path)), expected, `${path} in ${folder}`);
  }
  // Started with `deno run` elsewhere, INIT_CWD unset or inherited from the task that started it.
  for (const inherited of ["", PROJECT, "/"]) {
    assert.equal(typedIn(inherited, () => fromHere("x.csv"), { cwd: "/tmp" }), "/tmp/x.csv");
  }
});

test("a default belongs to the project, from wherever a script is started", () => {
  for (const folder of [PROJECT, `${PROJECT}/producers`, "/tmp"]) {
    assert.equal(typedIn(folder, () => ofProject("data/x.csv")), "data/x.csv", folder);
  }
  const elsewhere = typedIn("", () => ofProject("data/x.csv"), { cwd: "/tmp" });
  assert.equal(elsewhere, `${PROJECT}/data/x.csv`);
});

test("options keep the two apart, and leave - alone", () => {
  const options = {
    file: pathWithDefault("PATH", "data/x.csv", "CSV to read"),
    backtest: path("PATH", "CSV to judge"),
  };
  const usage: Usage<typeof options> = { task: "x", script: "x", summary: "Does x.", options };
  const files = (...args: string[]) => {
    const { file, backtest } = typedIn("/tmp", () => parseOptions(args, usage)).values;
    return [file, backtest];
  };
  assert.deepEqual(files(), ["data/x.csv", undefined]);
  assert.deepEqual(files("--file=data/x.csv"), ["/tmp/data/x.csv", undefined]);
  assert.deepEqual(files("--file", "data/x.csv"), ["/tmp/data/x.csv", undefined]);
  assert.deepEqual(files("--file", "-", "--backtest", "-"), ["-", "-"]);
  assert.throws(() => files("--file", ""), { name: "UsageError", message: /must not be empty/ });
});
