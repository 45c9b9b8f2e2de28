/** From the kill -9 of a monitor to the first reading that its standby has judged. */
import { Vhost } from "../e2e/harness.ts";
import { alternate, type Bench, short, type Subject } from "./measure.ts";
import type { Result } from "./table.ts";

const TARGET_MS = 100;

/** Time between rows, in milliseconds: short beside the target. */
const INTERVAL = "10ms";

async function measure(bench: Bench): Promise<Result[]> {
  await using vhost = await Vhost.create();
  const producer = vhost.start("smoker:produce", ["--interval", INTERVAL, "--loop"]);
  /** A monitor, and when it told of its first reading. */
  const monitor = async () => {
    const judged = Promise.withResolvers<number>();
    const process = vhost.start("smoker:monitor", [], {
      onEvent: ({ event }) => event === "reading" && judged.resolve(performance.now()),
    });
    // One that ends early has told nothing.
    process.ended.then(({ stderr }) => judged.reject(new Error(stderr))).catch(() => {});
    judged.promise.catch(() => {});
    await process.ready();
    return { process, judged: judged.promise };
  };
  let active = await monitor();
  await active.judged;
  const takeover = async () => {
    const standby = await monitor();
    const killed = performance.now();
    await active.process.kill("KILL");
    active = standby;
    return await standby.judged - killed;
  };
  const medians = await alternate(bench, new Map([["kill to first reading", takeover]]), {
    unit: "ms",
  });
  await producer.stop();
  const took = medians.get("kill to first reading") ?? NaN;
  return [{
    what: "a monitor's kill -9 to its standby's first judged reading",
    ours: `${short(took)} ms`,
    target: { text: `≤ ${TARGET_MS} ms`, met: took <= TARGET_MS },
  }];
}

export const takeover: Subject = {
  name: "takeover",
  about: "milliseconds from a monitor's kill -9 to its standby's first judged reading",
  measure,
};
