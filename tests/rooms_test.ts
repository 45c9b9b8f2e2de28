/**
 * The rooms of shared/: each is entered through its door, `shared/<room>.ts`, and its parts lie in the folder of that
 * name. What may import what is here; which files there are is found.
 */
import assert from "node:assert/strict";
import { dirname, join, normalize } from "node:path/posix";

/** What each room may import, its own parts aside. */
const ROOMS: Record<string, readonly string[]> = {
  script: [],
  deque: [],
  connection: ["script"],
  streams: ["connection", "script", "deque"],
  replay: ["streams", "connection", "script", "deque"],
  worker: ["streams", "connection", "script", "deque"],
  monitor: ["replay", "streams", "connection", "script", "deque"],
  notifier: ["worker", "streams", "connection", "script", "deque"],
};

/** The scripts stand on the uppermost floor. */
const MAX_FLOORS = 6;

const AMQP_LIBRARY = "@cloudamqp/amqp-client";

const FOLDERS = ["shared", "producers", "consumers"];
const mayRead = FOLDERS.every((path) =>
  Deno.permissions.querySync({ name: "read", path }).state === "granted"
);

/** An import of a file of ours by another. */
interface Import {
  readonly from: string;
  readonly to: string;
}

/** Text of files by their paths in the project. */
type Files = ReadonlyMap<string, string>;

/** What a file imports, or hands on, types included: as written. */
function specifiersOf(text: string): string[] {
  const statement = /^[ \t]*(?:import|export)\b[^;"']*?\bfrom\s*["']([^"']+)["']/gm;
  const bare = /^[ \t]*import\s*["']([^"']+)["']/gm;
  const dynamic = /\bimport\(\s*["']([^"']+)["']/g;
  return [statement, bare, dynamic]
    .flatMap((pattern) => [...text.matchAll(pattern)].map(([, specifier = ""]) => specifier));
}

function importsIn(files: Files): Import[] {
  return [...files].flatMap(([from, text]) =>
    specifiersOf(text).filter((specifier) => specifier.startsWith("."))
      .map((specifier) => ({ from, to: normalize(join(dirname(from), specifier)) }))
  );
}

/** The room that a file belongs to; `undefined` outside of all. */
function roomOf(path: string): string | undefined {
  const [, room] = /^shared\/(\w+)(?:\.ts$|\/)/.exec(path) ?? [];
  return room === "tools" ? undefined : room;
}

/** The script that a file is, or a part of. */
function scriptOf(path: string): string | undefined {
  const [, script] = /^((?:producers|consumers|shared\/tools)\/\w+)(?:\.\w+$|\/)/.exec(path) ?? [];
  return script;
}

/** Imports past a door, or of a script's own parts by others; and scripts that are imported. */
function pastDoors(imports: readonly Import[]): string[] {
  return imports.flatMap(({ from, to }) => {
    const [room, script] = [roomOf(to), scriptOf(to)];
    const wrong = room !== undefined && room !== roomOf(from) && to !== `shared/${room}.ts`
      ? `past the door shared/${room}.ts`
      : script !== undefined && script !== scriptOf(from)
      ? `of the script ${script}.ts`
      : script !== undefined && to === `${script}.ts`
      ? "of its own script"
      : undefined;
    return wrong === undefined ? [] : [`${from} imports ${to}, ${wrong}`];
  });
}

/** Imports of rooms by rooms that don't stand below them. */
function upwards(imports: readonly Import[]): string[] {
  return imports.flatMap(({ from, to }) => {
    const [room, other] = [roomOf(from), roomOf(to)];
    if (room === undefined || other === room) return [];
    if (other === undefined) return [`${from} imports ${to}, which is in no room`];
    return ROOMS[room]?.includes(other) ? [] : [`${from} imports ${to}, out of ${room}'s reach`];
  });
}

/** How many floors there are, the scripts' own included; a circle between rooms has no end of them. */
function floorsOf(imports: readonly Import[]): number {
  const below = (room: string) =>
    new Set(
      imports.filter(({ from }) => roomOf(from) === room).flatMap(({ to }) => roomOf(to) ?? []),
    );
  const height = (room: string, path: readonly string[]): number => {
    if (path.includes(room)) return Infinity;
    const others = [...below(room)].filter((other) => other !== room);
    return 1 + Math.max(0, ...others.map((other) => height(other, [...path, room])));
  };
  return 1 + Math.max(...Object.keys(ROOMS).map((room) => height(room, [])));
}

/** Files that import each other, however many are between; types count. */
function circles(imports: readonly Import[]): string[] {
  const next = Map.groupBy(imports, ({ from }) => from);
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, way: readonly string[]) => {
    const before = way.indexOf(path);
    if (before >= 0) found.push([...way.slice(before), path].join(" → "));
    if (before >= 0 || done.has(path)) return;
    for (const { to } of next.get(path) ?? []) visit(to, [...way, path]);
    done.add(path);
  };
  for (const path of next.keys()) visit(path, []);
  return found;
}

/** Files that import the AMQP library outside of the room that hides it. */
function withLibrary(files: Files): string[] {
  return [...files].filter(([path, text]) =>
    !path.startsWith("shared/connection/") &&
    specifiersOf(text).some((one) => one.startsWith(AMQP_LIBRARY) || one.includes("amqp-client"))
  ).map(([path]) => path);
}

/** All that is wrong, in words. */
function problems(files: Files): string[] {
  const imports = importsIn(files);
  return [
    ...pastDoors(imports),
    ...upwards(imports),
    ...circles(imports).map((circle) => `a circle: ${circle}`),
    ...withLibrary(files).map((path) => `${path} imports ${AMQP_LIBRARY}`),
  ];
}

/** Our modules: programs, not what a page in a browser gets. */
function readFiles(folders: readonly string[]): Files {
  const files = new Map<string, string>();
  const visit = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      const path = `${folder}/${name}`;
      if (isDirectory) visit(path);
      else if (name.endsWith(".ts")) files.set(path, Deno.readTextFileSync(path));
    }
  };
  folders.forEach(visit);
  return files;
}

/** Runs a test that reads the modules; skipped by name where it may not. */
function fileTest(name: string, fn: (files: Files) => void): void {
  Deno.test({
    name: name + (mayRead ? "" : " (skipped: needs --allow-read)"),
    ignore: !mayRead,
    permissions: { read: FOLDERS },
    fn: () => fn(readFiles(FOLDERS)),
  });
}

fileTest("every module of shared/ is in a room, and every room has its door", (files) => {
  const shared = [...files.keys()].filter((path) => path.startsWith("shared/"));
  const rooms = new Set(shared.flatMap((path) => roomOf(path) ?? []));
  assert.deepEqual([...rooms].sort(), Object.keys(ROOMS).sort());
  for (const room of rooms) assert.ok(files.has(`shared/${room}.ts`), room);
});

fileTest("outside of a room only its door is imported, and no script by another", (files) => {
  const imports = importsIn(files);
  assert.ok(files.size > 60 && imports.length > 250, `${files.size} files, ${imports.length}`);
  for (const { from, to } of imports) {
    assert.ok(files.has(to) || !to.endsWith(".ts"), `${from} imports ${to}, which isn't there`);
  }
  assert.deepEqual(pastDoors(imports), []);
});

fileTest("imports between rooms go down, over six floors at most with the scripts", (files) => {
  const imports = importsIn(files);
  assert.deepEqual(upwards(imports), []);
  assert.ok(floorsOf(imports) <= MAX_FLOORS, `${floorsOf(imports)} floors`);
});

fileTest("no file imports itself by way of others, not even a type", (files) => {
  assert.deepEqual(circles(importsIn(files)), []);
});

fileTest("only shared/connection/ knows the AMQP library", (files) => {
  const inside = [...files].filter(([path, text]) =>
    path.startsWith("shared/connection/") && text.includes(`"${AMQP_LIBRARY}`)
  );
  assert.ok(inside.length > 0);
  assert.deepEqual(withLibrary(files), []);
});

Deno.test("what breaks a rule is named", { permissions: "none" }, () => {
  const good = new Map([
    ["shared/script.ts", 'export { run } from "./script/run.ts";'],
    ["shared/script/run.ts", 'import process from "node:process";\nimport { z } from "zod";'],
    ["shared/connection.ts", 'export * from "./connection/link.ts";'],
    ["shared/connection/link.ts", `import { A } from "${AMQP_LIBRARY}";\nimport "../script.ts";`],
    ["shared/streams.ts", 'import { type B } from "./connection.ts";'],
    [
      "consumers/board.ts",
      'import {\n  a,\n  b,\n} from "../shared/streams.ts";\nimport "./board/c.ts";',
    ],
    ["consumers/board/c.ts", 'import "./d.ts";'],
    ["consumers/board/d.ts", ""],
    ["producers/tasks.ts", '// import { x } from "./other.ts";\n * import "./other.ts";'],
  ]);
  assert.deepEqual(problems(good), []);
  assert.equal(floorsOf(importsIn(good)), 4);
  const bad: [path: string, text: string, problem: string][] = [
    [
      "consumers/board.ts",
      'const { a } = await import("../shared/script/run.ts");',
      "consumers/board.ts imports shared/script/run.ts, past the door shared/script.ts",
    ],
    [
      "shared/streams.ts",
      'export type { A } from "./connection/link.ts";',
      "shared/streams.ts imports shared/connection/link.ts, past the door shared/connection.ts",
    ],
    [
      "shared/tools/dead.ts",
      'import "../connection/link.ts";',
      "shared/tools/dead.ts imports shared/connection/link.ts, past the door shared/connection.ts",
    ],
    [
      "consumers/board/c.ts",
      "import '../board.ts';",
      "consumers/board/c.ts imports consumers/board.ts, of its own script",
    ],
    [
      "producers/tasks.ts",
      'import { a } from "../consumers/board/c.ts";',
      "producers/tasks.ts imports consumers/board/c.ts, of the script consumers/board.ts",
    ],
    [
      "shared/tools/demo.ts",
      'import { a } from "./dead.ts";',
      "shared/tools/demo.ts imports shared/tools/dead.ts, of the script shared/tools/dead.ts",
    ],
    [
      "shared/script/run.ts",
      'import type { A } from "../connection.ts";',
      "shared/script/run.ts imports shared/connection.ts, out of script's reach",
    ],
    [
      "shared/streams.ts",
      'import { A } from "../data/a.ts";',
      "shared/streams.ts imports data/a.ts, which is in no room",
    ],
    [
      "consumers/board/d.ts",
      'import type { A } from "./c.ts";',
      "a circle: consumers/board/c.ts → consumers/board/d.ts → consumers/board/c.ts",
    ],
    [
      "producers/tasks.ts",
      `import "npm:${AMQP_LIBRARY}@4/amqp-view";`,
      `producers/tasks.ts imports ${AMQP_LIBRARY}`,
    ],
  ];
  for (const [path, text, problem] of bad) {
    const found = problems(new Map([...good, [path, text]]));
    assert.ok(found.includes(problem), `${path}: ${JSON.stringify(found)}`);
  }
  const upward = new Map([...good, ["shared/script/run.ts", 'import "../streams.ts";']]);
  assert.equal(floorsOf(importsIn(upward)), Infinity);
});
