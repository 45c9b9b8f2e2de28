import assert from "node:assert/strict";
import { seededRandom } from "../../data/seeded_random.ts";
import { DATA_STREAMS } from "../../shared/streams.ts";
import { mutate } from "../mutation.ts";
import { e2e, eventsOf, rowOf, Vhost } from "./harness.ts";

const FILES_EACH = 10;

for (const [seed, { name, csv, queues, panel }] of DATA_STREAMS.entries()) {
  if (!csv) continue;
  const { file, columns } = csv;
  const task = `${name}:produce`;
  e2e(
    `${FILES_EACH} mutated files through ${task}: what is confirmed is in its queues`,
    async () => {
      await using vhost = await Vhost.create();
      const random = seededRandom(200 + seed);
      const lines = (await Deno.readTextFile(file)).split("\n").slice(0, 30);
      const good = new TextEncoder().encode(`${lines.join("\n").trimEnd()}\n`);
      let confirmed = 0;
      let codes = 0;
      for (let run = 1; run <= FILES_EACH; run++) {
        const input = new TextDecoder().decode(mutate(good, random));
        const process = vhost.start(task, ["--file", "-", "--interval", "0", "--run", `f${run}`], {
          input,
        });
        const { code, stderr } = await process.ended;
        const published = eventsOf(process, "published");
        const rejected = eventsOf(process, "rejected");
        const summary = process.events.at(-1);
        if (summary?.event !== "summary") {
          assert.deepEqual([code, published.length], [2, 0], stderr);
          assert.equal(stderr.trim().split("\n").length, 1, stderr);
          codes++;
          continue;
        }
        assert.equal(code, rejected.length > 0 ? 2 : 0, stderr);
        assert.deepEqual([summary.confirmed, summary.failed], [published.length, 0]);
        assert.equal(summary.rejected, rejected.length);
        // Nothing may have been measured, as in a smoker's row without temperatures: that makes no message.
        const rows = new Set(published.map((event) => rowOf({ ...event, id: `r/${event.row}` })));
        const told = rows.size + rejected.length;
        if (panel.kind === "series") assert.ok(told <= Number(summary.rows));
        else assert.equal(told, summary.rows);
        confirmed += published.length;
        codes += code;
      }
      await using connection = await vhost.connect();
      const ready = await Promise.all(
        Object.values(queues).map(async ({ name }) => (await connection.inspect(name))?.ready ?? 0),
      );
      assert.equal(ready.reduce((sum, count) => sum + count, 0), confirmed);
      assert.ok(
        // A line of a file without a header is right, whatever is in it.
        confirmed > 20 && (codes > 0 || columns === undefined),
        `${confirmed} confirmed`,
      );
    },
  );
}
