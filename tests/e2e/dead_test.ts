import assert from "node:assert/strict";
import {
  type Connection,
  deadQueue,
  type Message,
  Publisher,
  queueOf,
  stateQueue,
} from "../../shared/connection.ts";
import type { Event } from "../../shared/script.ts";
import { noticeQueue } from "../../shared/streams.ts";
import { e2e, eventsOf, eventually, type RawMessage, takeRaw, Vhost } from "./harness.ts";

const HELP_DEAD = "help_queue.dead";
const FAILED_AT = "2026-01-02T03:04:05.678Z";

/** A ticket that no worker can read. */
function letter(id: string | undefined, headers: Record<string, unknown> = {}): Message {
  return {
    queue: HELP_DEAD,
    body: Buffer.from("[no ticket]"),
    properties: {
      ...(id === undefined ? {} : { messageId: id }),
      headers: {
        reason: "unreadable date",
        "original-queue": "help_queue",
        "failed-at": FAILED_AT,
        ...headers,
      },
    },
  };
}

const letters = (count: number) => Array.from({ length: count }, (_, i) => letter(`r/${i + 1}`));
const ids = (events: Event[]) => events.map(({ id }) => id);
const messageIds = (messages: RawMessage[]) => messages.map(({ messageId }) => messageId);

/** Declares queues of dead letters, and more, and publishes into them. */
async function fill(
  connection: Connection,
  messages: Message[],
  more: Parameters<typeof Publisher.open>[1] = [],
): Promise<void> {
  const { signal } = new AbortController();
  using publisher = await Publisher.open(connection, [deadQueue("help_queue"), ...more]);
  for (const message of messages) {
    await publisher.room(signal);
    publisher.publish(message);
  }
  await publisher.drained(signal);
}

/** What a person sees. */
async function shown(vhost: Vhost, args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: ["task", "--quiet", "dead", ...args],
    env: { ...vhost.env, NO_COLOR: "1", DENO_NO_PROMPT: "1" },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

e2e("`dead` shows letters in order and leaves them so; it creates nothing", async () => {
  await using vhost = await Vhost.create();
  await using connection = await vhost.connect();
  // More than one consumer can hold.
  const many = letters(2500);
  await fill(connection, many);
  // Two at once take turns.
  const looks = await Promise.all([vhost.run("dead"), vhost.run("dead")]);
  for (const look of [...looks, await vhost.run("dead", ["--queue", "help_queue"])]) {
    assert.equal(look.code, 0, look.stderr);
    assert.equal(look.events[0]?.event, "ready");
    assert.deepEqual(eventsOf(look, "letter")[0], {
      event: "letter",
      queue: HELP_DEAD,
      id: "r/1",
      reason: "unreadable date",
      originalQueue: "help_queue",
      failedAt: FAILED_AT,
      body: "[no ticket]",
    });
    assert.deepEqual(
      ids(eventsOf(look, "letter")),
      many.map(({ properties }) => properties.messageId),
    );
    assert.deepEqual(look.summary.queues, {
      [HELP_DEAD]: { letters: 2500, matched: 2500, reasons: { "unreadable date": 2500 } },
    });
  }
  for (const queue of ["help_queue", "task_queue.dead", "dead.lock"]) {
    assert.equal(await connection.inspect(queue), undefined, queue);
  }
});

e2e(
  "letters can't spoil the terminal; --limit, --reason and --queue narrow them down",
  async () => {
    await using vhost = await Vhost.create();
    await using connection = await vhost.connect();
    assert.equal((await shown(vhost, [])).stdout, "No dead letters\n");
    await fill(connection, [
      ...letters(3),
      letter("evil\n\x1b[31m", {
        reason: "Bad\x07\x9b2J",
        "original-queue": "x\r",
        "failed-at": {},
      }),
      { queue: HELP_DEAD, body: Buffer.from([0xff, 0x0a]), properties: {} },
    ]);
    const all = await shown(vhost, ["--limit", "4"]);
    assert.equal(all.code, 0, all.stderr);
    // deno-lint-ignore no-control-regex -- their absence is the point
    assert.doesNotMatch(all.stdout, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
    assert.deepEqual(all.stdout.split("\n").slice(0, 5), [
      `${HELP_DEAD}: 5 letters`,
      "       3  unreadable date",
      "       1  Bad\ufffd\ufffd2J",
      "       1  (no reason given)",
      `  r/1  ${FAILED_AT}  help_queue  unreadable date  [no ticket]`,
    ]);
    assert.match(
      all.stdout,
      /\n {2}… 1 letter more: --limit 5 shows all\n5 letters: nothing changed\n$/,
    );
    const some = await shown(vhost, ["--queue", HELP_DEAD, "--reason", "bAD", "--quiet"]);
    assert.equal(some.stdout, "1 of 5 letters: nothing changed\n");
    const other = await vhost.run("dead", ["--queue", "task_queue"]);
    assert.equal(other.summary.letters, 0);
  },
);

e2e("--requeue puts back the very message, once --yes says so", async () => {
  await using vhost = await Vhost.create();
  await using connection = await vhost.connect();
  const fine = {
    ...letter("r/1", { "published-at": 5, mine: "kept" }),
    body: Buffer.from('{"submitted":"2023-02-14T10:15:00","name":"Adam","category":"A"}'),
  };
  const { properties } = fine;
  fine.properties = { ...properties, contentType: "application/json", correlationId: "c" };
  const email = noticeQueue("email");
  await fill(
    connection,
    [
      letter("other/1", { reason: "Given up" }),
      fine,
      letter("other/2", { reason: "given up" }),
      letter(undefined),
      letter(undefined),
      letter("state", { "original-queue": "01-smoker.state" }),
      letter("none", { "original-queue": "task_queue" }),
      { ...letter("notice", { "original-queue": email.queue }), queue: "alert_queue.dead" },
    ],
    [queueOf("help_queue", "shared"), deadQueue("alert_queue"), email, stateQueue("01-smoker")],
  );
  const args = ["--requeue", "--reason", "unreadable"];
  const dry = await vhost.run("dead", args);
  assert.equal(dry.code, 0, dry.stderr);
  assert.deepEqual(dry.summary.would, { requeue: 5, leave: 1 });
  assert.equal((await connection.inspect("help_queue"))?.ready, 0);

  const real = await vhost.run("dead", [...args, "--yes"]);
  assert.equal(real.code, 1, "two had to stay");
  assert.match(real.stderr, /2 stay there: 1 \(.*isn't one of ours\), 1 \(there is no queue task_/);
  const { matched, requeued, left } = real.summary;
  assert.deepEqual({ matched, requeued, left }, { matched: 6, requeued: 4, left: 2 });
  const back = await takeRaw(vhost.url, "help_queue");
  // The queue's own count of this very delivery.
  for (const { headers } of back) delete headers["x-delivery-count"];
  const [first, ...nameless] = back;
  const { body, ...rest } = first ?? assert.fail("nothing came back");
  assert.deepEqual(String(body), String(fine.body));
  assert.deepEqual(rest, {
    messageId: "r/1",
    correlationId: "c",
    headers: { "published-at": 5, mine: "kept" },
  });
  assert.deepEqual(nameless.map(({ headers }) => headers), [{}, {}]);
  assert.equal((await connection.inspect(email.queue))?.ready, 1);
  const stay = messageIds(await takeRaw(vhost.url, HELP_DEAD));
  assert.deepEqual(stay, ["other/1", "other/2", "state", "none"]);
  assert.equal((await connection.inspect("01-smoker.state"))?.ready, 0);
  assert.equal(await connection.inspect("task_queue"), undefined);
});

e2e("a letter that comes dead again meanwhile isn't taken twice", async () => {
  await using vhost = await Vhost.create();
  await using connection = await vhost.connect();
  const worker = await vhost.start("helpdesk:work", ["--prefetch", "100"]).ready();
  await fill(connection, letters(40));
  const args = ["--requeue", "--queue", "help_queue", "--yes"];
  const { code, stderr, summary, events } = await vhost.run("dead", args);
  assert.equal(code, 0, stderr);
  assert.equal(summary.requeued, 40);
  assert.equal(new Set(ids(eventsOf({ events }, "requeued"))).size, 40);
  await worker.until((events) => events.filter(({ event }) => event === "dead").length === 40);
  assert.equal((await connection.inspect(HELP_DEAD))?.ready, 40);
});

e2e(
  "thousands picked from between others go back, and the others stay in their order",
  async () => {
    await using vhost = await Vhost.create();
    await using connection = await vhost.connect();
    const all = Array.from(
      { length: 5000 },
      (_, i) => letter(`r/${i + 1}`, { reason: i % 2 === 0 ? "even" : "odd" }),
    );
    await fill(connection, all, [queueOf("help_queue", "shared")]);
    const args = ["--requeue", "--queue", "help_queue", "--reason", "odd", "--yes"];
    const { code, stderr, summary } = await vhost.run("dead", args);
    assert.equal(code, 0, stderr);
    assert.equal(summary.requeued, 2500);
    const rows = (start: number) => Array.from({ length: 2500 }, (_, i) => `r/${start + 2 * i}`);
    assert.deepEqual(messageIds(await takeRaw(vhost.url, "help_queue")), rows(2));
    assert.deepEqual(messageIds(await takeRaw(vhost.url, HELP_DEAD)), rows(1));
  },
);

e2e("killed while it puts letters back: none is lost", async () => {
  await using vhost = await Vhost.create();
  await using connection = await vhost.connect();
  const all = letters(3000);
  await fill(connection, all, [queueOf("help_queue", "shared")]);
  const args = ["--requeue", "--queue", HELP_DEAD, "--yes"];
  const first = vhost.start("dead", args);
  await first.until((events) => events.some(({ event }) => event === "requeued"));
  await first.kill("KILL");
  await first.ended;
  const ready = async (queue: string) => (await connection.inspect(queue))?.ready ?? 0;
  await eventually(
    "the broker to have the letters back",
    async () => await ready("help_queue") + await ready(HELP_DEAD) >= all.length,
  );
  assert.ok(await ready(HELP_DEAD) > 0, "killed too late for this test");
  // What came twice was counted for letters that were still to come back.
  await eventually("all letters to be put back", async () => {
    const next = await vhost.run("dead", args);
    assert.equal(next.code, 0, next.stderr);
    return await ready(HELP_DEAD) === 0 && await ready("help_queue") >= all.length;
  });
  const back = messageIds(await takeRaw(vhost.url, "help_queue"));
  assert.equal(new Set(back).size, all.length);
  // 300 are under way; of as many more the acknowledgements may be lost with the connection.
  assert.ok(back.length <= all.length + 600, `${back.length - all.length} came twice`);
});

e2e("--discard removes what matches: asked in a terminal, elsewhere with --yes", async () => {
  await using vhost = await Vhost.create();
  await using connection = await vhost.connect();
  await fill(connection, [letter("keep", { reason: "other" }), ...letters(3)]);
  const args = ["--discard", "--reason", "UNREADABLE"];
  const ready = async () => (await connection.inspect(HELP_DEAD))?.ready;
  const refused = await vhost.start("dead", args).ended;
  assert.deepEqual(refused, {
    code: 2,
    stderr: "--discard asks in a terminal; elsewhere it needs --yes\n",
  });
  // A terminal in which somebody types the answer once the question is there.
  const answer = async (text: string) => {
    const terminal = new Deno.Command("script", {
      args: ["-qec", `deno task --quiet dead ${args.join(" ")}`, "/dev/null"],
      env: { ...vhost.env, NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = terminal.stdin.getWriter();
    let screen = "";
    for await (const part of terminal.stdout.pipeThrough(new TextDecoderStream())) {
      const asked = screen.includes("[y/N]");
      screen += part;
      if (!asked && screen.includes("[y/N]")) await writer.write(new TextEncoder().encode(text));
    }
    await writer.close().catch(() => {});
    assert.match(screen, /Discard 3 letters of help_queue\.dead for good\? \[y\/N\]/);
    return (await terminal.status).code;
  };
  assert.equal(await answer("\n"), 0);
  assert.equal(await ready(), 4);
  assert.equal(await answer("y\n"), 0);
  assert.equal(await ready(), 1);
  await fill(connection, letters(2));
  const { code, summary } = await vhost.run("dead", [...args, "--yes"]);
  assert.deepEqual([code, summary.discarded, summary.matched], [0, 2, 2]);
  assert.deepEqual(messageIds(await takeRaw(vhost.url, HELP_DEAD)), [
    "keep",
  ]);
});

e2e("misuse of `dead` is one line, exit 2, and nothing is changed", async () => {
  await using vhost = await Vhost.create();
  const misuse: [string[], RegExp][] = [
    [["--requeue"], /--requeue needs --queue or --reason/],
    [["--discard", "--yes"], /--discard needs --queue or --reason/],
    [["--requeue", "--discard"], /exclude each other/],
    [["--yes"], /--yes goes with/],
    [["--queue", "nowhere"], /--queue: there is no queue nowhere\.dead/],
    [["--queue", "amq.x"], /--queue must not begin with amq\./],
  ];
  await Promise.all(misuse.map(async ([args, says]) => {
    const { code, stderr } = await vhost.start("dead", args).ended;
    assert.equal(code, 2, stderr);
    assert.match(stderr, says);
    assert.equal(stderr.trimEnd().split("\n").length, 1);
  }));
});
