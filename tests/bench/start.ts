/** From starting a program to its first message being confirmed. */
import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { Vhost } from "../e2e/harness.ts";
import { alternate, type Bench, short, type Subject } from "./measure.ts";
import { type Role, runPeer } from "./peers.ts";
import { taskRows } from "./rows.ts";
import type { Result } from "./table.ts";

/** Seconds; the script's own, without what `deno task` takes before it. */
const TARGET_S = 0.25;

const FLAGS = ["--limit", "1", "--json"];
const ROLES: Role[] = ["publish with confirms"];

async function measure(bench: Bench): Promise<Result[]> {
  await using vhost = await Vhost.create();
  const task = async () => {
    const began = performance.now();
    let confirmed = NaN;
    await vhost.run("tasks:produce", FLAGS, {
      onEvent: ({ event }) => {
        if (event === "published") confirmed = performance.now();
      },
    });
    return (confirmed - began) / 1000;
  };
  const contenders = new Map([
    ["deno task tasks:produce", task],
    ["the script of tasks:produce", () => script(config.tasks["tasks:produce"].command, vhost.env)],
  ]);
  for (const { name, commands } of bench.peers) {
    for (const role of ROLES) {
      const command = commands[role]?.(vhost.url);
      if (!command) continue;
      contenders.set(
        name,
        async () => (await runPeer(command, { input: taskRows(1), rows: 1 })).wholeSeconds,
      );
    }
  }
  const medians = await alternate(bench, contenders, { unit: "s" });
  const own = medians.get("the script of tasks:produce") ?? NaN;
  const what = "start to first confirmed message";
  const ours = `${short(own)} s`;
  return [
    {
      what: `${what}, script`,
      ours,
      target: { text: `≤ ${TARGET_S} s`, met: own <= TARGET_S },
    },
    {
      what: `${what}, with \`deno task\``,
      ours: `${short(medians.get("deno task tasks:produce") ?? NaN)} s`,
    },
    ...bench.peers.map(({ name }) => {
      const theirs = medians.get(name) ?? NaN;
      return { what: `${what}: ${name}`, ratio: own / theirs, ours, other: `${short(theirs)} s` };
    }),
  ];
}

/** Runs a task's command without `deno task` around it; seconds to the first confirmed message. */
async function script(command: string, env: Record<string, string>): Promise<number> {
  const began = performance.now();
  const child = new Deno.Command("sh", {
    args: ["-c", `${command} "$@"`, "sh", ...FLAGS],
    env: { ...env, NO_COLOR: "1", DENO_NO_PROMPT: "1" },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let printed = "";
  let confirmed = NaN;
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    printed += piece;
    if (Number.isNaN(confirmed) && printed.includes('"published"')) confirmed = performance.now();
  }
  assert.ok((await child.status).success);
  return (confirmed - began) / 1000;
}

export const start: Subject = {
  name: "start",
  about: "seconds from starting a producer to its first confirmed message, beside other clients",
  peers: true,
  measure,
};
