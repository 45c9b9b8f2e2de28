/** The peak memory of a script that runs below this process, as Linux counts it. */
import { FailedError } from "../../shared/script.ts";

/** Linux keeps the peak: it is enough to look now and then, and not too long before the end. */
const LOOK_MS = 20;

/**
 * Follows the peak resident memory of a script until it ends.
 *
 * @param script Its path, as its command line has it.
 * @param ended Settles when it has ended.
 * @returns Megabytes (of 1,000,000 bytes).
 * @throws {FailedError} If there is no such process, or this isn't Linux.
 */
export async function watchPeak(script: string, ended: Promise<unknown>): Promise<number> {
  let over = false;
  const settled = ended.finally(() => over = true);
  let pid: number | undefined;
  let peak = 0;
  while (!over) {
    pid ??= await find(Deno.pid, script);
    const status = pid === undefined ? "" : await read(`/proc/${pid}/status`);
    peak = Math.max(peak, Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0));
    await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, LOOK_MS))]);
  }
  if (peak === 0) throw new FailedError(`No memory of ${script} was seen: that needs Linux`);
  return peak * 1024 / 1e6;
}

/** The process below another one that runs a script; `deno task` stands between. */
async function find(parent: number, script: string): Promise<number | undefined> {
  for await (const { name } of threads(parent)) {
    const children = await read(`/proc/${parent}/task/${name}/children`);
    for (const child of children.trim().split(" ").filter(Boolean).map(Number)) {
      const words = (await read(`/proc/${child}/cmdline`)).split("\0");
      if (words.includes(script)) return child;
      const below = await find(child, script);
      if (below !== undefined) return below;
    }
  }
  return undefined;
}

async function* threads(pid: number): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(`/proc/${pid}/task`);
  } catch {
    // It has ended meanwhile.
  }
}

async function read(path: string): Promise<string> {
  return await Deno.readTextFile(path).catch(() => "");
}
