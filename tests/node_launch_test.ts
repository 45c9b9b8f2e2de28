import assert from "node:assert/strict";
import { whyItEnded } from "../shared/tools/broker/node_launch.ts";

const write = Deno.permissions.querySync({ name: "write" }).state === "granted";

/** What the log of a start says, put into one line. */
async function why(log: string): Promise<string> {
  const data = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${data}/log`);
    await Deno.writeTextFile(`${data}/log/startup.log`, log);
    return (await whyItEnded(data)).replaceAll(data, "DATA");
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

Deno.test({
  name: "why a broker didn't start is one line; of data of an older version, with what to do",
  ignore: !write,
  fn: async () => {
    // As RabbitMQ 4.0.5 says it of the data of 3.10.8.
    const flags =
      "Feature flags: `stream_single_active_consumer`: required feature flag not enabled! It must be " +
      "enabled before upgrading RabbitMQ.\nFeature flags: failed to initialize the registry: true\n";
    assert.equal(
      await why(flags),
      "RabbitMQ didn't start: the data in DATA are of an older version, which this one can't take over. " +
        "Give it another folder (--data DATA-new), or remove that one with its messages: rm -r DATA",
    );
    assert.equal(
      await why("ERROR: could not bind to distribution port 25672\nmore\n"),
      "RabbitMQ didn't start, see DATA/log/startup.log: ERROR: could not bind to distribution port 25672",
    );
  },
});
