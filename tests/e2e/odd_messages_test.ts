/** Messages made by hand, with every property and every type of header: none stops a script, none is lost. */
import assert from "node:assert/strict";
import { brokerAddress } from "../../shared/connection.ts";
import type { Event } from "../../shared/script.ts";
import { deep, field, longText, oddProperties, RawConnection, table } from "../raw_amqp.ts";
import { alertOf } from "./alert_samples.ts";
import { e2e, eventsOf, takeRaw, Vhost } from "./harness.ts";
import { WebHook } from "./web_hook.ts";

const ODD = oddProperties();
/** White space that no program would write, a number that JavaScript can't hold, and nothing that we know. */
const GARBAGE = '{ "submitted":12345678901234567890,\n\t"name" : 1.0 }  ';
const JSON_TYPE = {
  contentType: Uint8Array.of(16, ...new TextEncoder().encode("application/json")),
};

/** A script, the queue that it reads, a body that it handles, and how many of them its summary says it has. */
interface Reader {
  readonly task: string;
  readonly args?: string[];
  readonly env?: Record<string, string>;
  readonly queue: string;
  readonly good: (row: number) => string;
  readonly handled: (summary: Event) => unknown;
}

const READERS: Reader[] = [
  {
    task: "helpdesk:work",
    args: ["--handle", "0"],
    queue: "help_queue",
    good: () => '{"submitted":"2023-02-14T10:15:00","name":"Adam","category":"A"}',
    handled: ({ handled }) => handled,
  },
  {
    task: "helpdesk:replies",
    queue: "help_replies",
    good: () =>
      '{"ticket":"r/1","name":"A","category":"A","worker":"w","handled":"2023-02-14","text":"Hi"}',
    handled: ({ handled }) => handled,
  },
  {
    task: "smoker:monitor",
    args: ["--channel", "smoker"],
    queue: "01-smoker",
    good: (row) =>
      JSON.stringify({
        time: new Date(Date.UTC(2021, 4, 22) + row * 30_000).toISOString().slice(0, 19),
        channel: "smoker",
        fahrenheit: 100,
      }),
    handled: ({ readings }) => readings,
  },
];

/** Publishes each odd message as garbage, with a good message behind it; the good ones have no id. */
async function publishAll({ url }: Vhost, queue: string, good: (row: number) => string) {
  using raw = await RawConnection.open(brokerAddress(url));
  let row = 0;
  for (const properties of ODD.values()) {
    await raw.publish(queue, properties, GARBAGE);
    await raw.publish(queue, JSON_TYPE, good(++row));
  }
  await raw.confirmed();
}

for (const { task, args = [], queue, good, handled } of READERS) {
  e2e(
    `${task}: odd messages become dead letters byte for byte, the others are handled`,
    async () => {
      await using vhost = await Vhost.create();
      // Declares the queues.
      await vhost.run(task, [...args, "--exit-when-idle", "1ms"]);
      await publishAll(vhost, queue, good);
      const reader = await vhost.run(task, [...args, "--exit-when-idle", "1s"]);
      assert.equal(reader.code, 0, reader.stderr);
      assert.equal(handled(reader.summary), ODD.size);
      assert.equal(reader.summary.dead, ODD.size);

      // They are looked at and go back, and die again.
      const look = await vhost.run("dead", ["--queue", queue]);
      assert.equal(look.code, 0, look.stderr);
      assert.equal(eventsOf(look, "letter").length, ODD.size);
      const back = await vhost.run("dead", ["--queue", queue, "--requeue", "--yes"]);
      assert.equal(back.code, 0, back.stderr);
      const again = await vhost.run(task, [...args, "--exit-when-idle", "1s"]);
      assert.equal(again.code, 0, again.stderr);
      assert.equal(again.summary.dead, ODD.size);
      const letters = await takeRaw(vhost.url, `${queue}.dead`);
      assert.equal(letters.length, ODD.size);
      for (const { body } of letters) assert.equal(String(body), GARBAGE);
    },
  );
}

e2e(
  "alerts:notify: odd messages become dead letters, the alerts between them are sent",
  async () => {
    await using vhost = await Vhost.create();
    using hook = new WebHook();
    const env = { ALERT_WEBHOOK_URL: hook.url };
    await vhost.run("alerts:notify", ["--exit-when-idle", "1ms"], { env });
    await publishAll(vhost, "alert_queue", (row) => JSON.stringify(alertOf(row)));
    const notifier = await vhost.run("alerts:notify", ["--exit-when-idle", "1s"], { env });
    assert.equal(notifier.code, 0, notifier.stderr);
    assert.equal(hook.requests.length, ODD.size);
    assert.equal((await takeRaw(vhost.url, "alert_queue.dead")).length, ODD.size);
  },
);

e2e("a dead letter names what of its properties couldn't be kept", async () => {
  await using vhost = await Vhost.create();
  await vhost.run("tasks:work", ["--exit-when-idle", "1ms"]);
  {
    using raw = await RawConnection.open(brokerAddress(vhost.url));
    const headers = table({
      kept: field("S", longText("as it was")),
      ["__proto__"]: field("F", table({ reason: field("S", longText("theirs")) })),
      long: field("S", longText("x".repeat(129_500))),
    });
    await raw.publish("task_queue", { headers }, Uint8Array.of(0xff));
    const unreadable = table({ h: deep(10_000) });
    await raw.publish("task_queue", { headers: unreadable }, Uint8Array.of(0xff));
    await raw.confirmed();
  }
  await vhost.run("tasks:work", ["--exit-when-idle", "1s"]);
  const [letter, unreadable] = await takeRaw(vhost.url, "task_queue.dead");
  const { "failed-at": _, "x-delivery-count": __, ...headers } = letter?.headers ?? {};
  assert.deepEqual(headers, {
    kept: "as it was",
    ["__proto__"]: { reason: "theirs" },
    reason: "the body is not UTF-8 text",
    "original-queue": "task_queue",
    "not-kept": "long (too long)",
  });
  assert.match(String(unreadable?.headers["not-kept"]), /^all properties: Maximum call stack size/);
});
