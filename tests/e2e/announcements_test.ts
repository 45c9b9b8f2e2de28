/** What the scripts of each stream announce on the exchange `watch`, whoever listens. */
import assert from "node:assert/strict";
import { queueOf, watch } from "../../shared/connection.ts";
import { DATA_STREAMS } from "../../shared/streams.ts";
import { e2e, eventsOf, eventually, Vhost } from "./harness.ts";

interface Heard {
  readonly key: string;
  // deno-lint-ignore no-explicit-any -- anybody's JSON
  readonly body: any;
}

const ROWS = 5;
/** Flags, and a file instead of the stream's own, that leave out what takes time. */
const QUICK: Readonly<Record<string, readonly string[]>> = { "helpdesk:work": ["--handle", "0"] };
const FILES: Readonly<Record<string, string>> = {
  tasks: Array.from({ length: ROWS }, (_, index) => `Task ${index + 1}\n`).join(""),
};

for (const stream of DATA_STREAMS) {
  const { name, title, panel, queues } = stream;
  e2e(`${name}: what is published, done and dead is announced, with who is there`, async () => {
    await using vhost = await Vhost.create();
    await using connection = await vhost.connect();
    const heard: Heard[] = [];
    const of = (kind: string) => heard.filter(({ key }) => key === `${name}.${kind}`);
    const ended = new AbortController();
    const ready = Promise.withResolvers<void>();
    const watching = watch(connection, {
      streams: [name],
      onAnnouncement: (key, body) => heard.push({ key, body }),
      onReady: ready.resolve,
      signal: ended.signal,
    });
    await ready.promise;

    const rows = ["--limit", `${ROWS}`, "--interval", "0", "--run", "r"];
    const input = FILES[name];
    const produced = input === undefined
      ? await vhost.run(`${name}:produce`, rows)
      : await vhost.run(`${name}:produce`, [...rows, "--file", "-"], { input });
    assert.equal(produced.code, 0, produced.stderr);
    const published = eventsOf(produced, "published").length;
    await eventually("all rows", () => Promise.resolve(of("published").length >= ROWS));
    for (const [index, { body }] of of("published").entries()) {
      assert.deepEqual([body.run, body.row], ["r", index + 1]);
    }
    assert.deepEqual(of("published").at(-1)?.body.totals, {
      rows: ROWS,
      confirmed: ROWS,
      rejected: 0,
      failed: 0,
    });

    // Bytes that are no text are no message of any stream.
    const [first] = Object.values(queues);
    assert.ok(first);
    const channel = await connection.channel("publish", async (channel) => {
      await channel.queueDeclare(queueOf(first.name, first.kind));
      await channel.confirmSelect();
    });
    const properties = { messageId: "odd" };
    await channel.publish({ queue: first.name, body: Buffer.from([0xff]), properties });
    await channel.close();

    const task = `${name}:${panel.kind === "work" ? "work" : "monitor"}`;
    const args = ["--name", "ann", "--exit-when-idle", "1s", ...QUICK[task] ?? []];
    const consumed = await vhost.run(task, args);
    assert.equal(consumed.code, 0, consumed.stderr);
    await eventually(
      "its goodbye",
      () => Promise.resolve(of("presence").at(-1)?.body.here === false),
    );
    const count = panel.kind === "work" ? "handled" : "readings";
    assert.deepEqual([consumed.summary[count], consumed.summary.dead], [published, 1]);
    for (const { body } of of("presence")) {
      assert.deepEqual(
        [body.name, body.stream, body.title, body.panel.kind],
        ["ann", name, title, panel.kind],
      );
    }
    assert.equal(of("presence")[0]?.body.here, true);
    const goodbye = of("presence").at(-1)?.body.totals;
    assert.deepEqual([goodbye[count], goodbye.dead], [published, 1]);

    const [dead, ...others] = of("dead");
    assert.deepEqual(others, []);
    assert.deepEqual([dead?.body.id, dead?.body.queue], ["odd", first.name]);
    assert.match(dead?.body.reason, /^.{5,}$/);

    const ids = eventsOf(produced, "published").map(({ id }) => id);
    if (panel.kind === "work") {
      for (const kind of ["taken", "handled"]) {
        const announced = of(kind);
        assert.deepEqual(announced.map(({ body }) => body.id), ids, kind);
        for (const { body } of announced) assert.ok(body.text && body.worker === "ann", kind);
      }
    } else {
      const judged = of("judged").flatMap(({ body }) => body.keys);
      const readings = judged.flatMap(({ key, readings }) =>
        readings.map((reading: unknown) => JSON.stringify([key, reading]))
      );
      assert.equal(new Set(readings).size, published);
      assert.equal(readings.length, published);
      for (const { key, run, changes } of judged) {
        assert.ok(key in panel.keys, key);
        assert.deepEqual([run, changes.length], ["r", panel.quantities.length]);
      }
    }
    ended.abort();
    await watching;
  });
}
