import assert from "node:assert/strict";
import { NoticeQueue } from "../shared/notifier/queue.ts";
import { Refused, Unavailable } from "../shared/notifier/sender.ts";
import { jsonDelivery } from "./deliveries.ts";
import { alertOf } from "./e2e/alert_samples.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void | Promise<void>): void {
  Deno.test({ name, permissions: "none", fn });
}

/** A queue of notices whose sender does what the test says, and what it told. */
function queueWith(answers: (string | Error)[], { giveUpMs = 60_000, retryMs = 20 } = {}) {
  const told: string[] = [];
  const stop = new AbortController();
  const queue = new NoticeQueue({
    kind: "email",
    server: "mail.example.com:465",
    send({ key }) {
      told.push(`try ${key.split("/")[3]}`);
      const answer = answers.shift() ?? "250 OK";
      return typeof answer === "string" ? Promise.resolve(answer) : Promise.reject(answer);
    },
  }, {
    backlog: { skips: () => false },
    giveUpMs,
    retryMs,
    signal: stop.signal,
    hurry: stop.signal,
    onSent: (_notice, answer) => void told.push(answer),
    onWaiting: (_notice, problem, waitMs) => void told.push(`${problem} ${Math.ceil(waitMs / 20)}`),
    onDuplicate: () => void told.push("duplicate"),
  });
  const handle = (row: number, publishedAt = Date.now()) =>
    queue.handle(jsonDelivery(alertOf(row), { headers: { "published-at": publishedAt } }));
  return { handle, queue, told, stop };
}

test("a notice goes back until it is sent, later and later, and is not sent again", async () => {
  const { handle, told } = queueWith([new Unavailable("421"), new Unavailable("busy")]);
  const started = performance.now();
  assert.deepEqual([await handle(1), await handle(1), await handle(1)], ["back", "back", "ack"]);
  assert.ok(performance.now() - started >= 0.8 * (20 + 40) - 1);
  assert.equal(await handle(1), "ack");
  assert.equal(await handle(2), "ack");
  const expected = ["try 1", "421 1", "try 1", "busy 2", "try 1", "250 OK"];
  assert.deepEqual(told, [...expected, "duplicate", "try 2", "250 OK"]);
});

test("what is refused or overdue is a dead letter, with the reason", async () => {
  const { handle, told, stop } = queueWith(
    [new Refused("550 no such user"), new Unavailable("refused")],
    { giveUpMs: 1000, retryMs: 300_000 },
  );
  const server = "mail.example.com:465";
  assert.deepEqual(await handle(1), { dead: `email: ${server} refuses: 550 no such user` });
  const old = Date.now() - 2000;
  const givenUp = { dead: `email: given up, ${server} could not take it: refused` };
  // An old one has its try, unless the server has just failed.
  assert.deepEqual([await handle(2, old), await handle(3, old)], [givenUp, givenUp]);
  assert.deepEqual(told, ["try 1", "try 2"]);
  const waiting = handle(4);
  stop.abort();
  assert.equal(await waiting, "back");
});

test("what is no notice is a dead letter, and an error of ours is not the server's", async () => {
  const { handle, queue } = queueWith([new TypeError("a mistake")]);
  assert.deepEqual(await queue.handle(jsonDelivery({ ...alertOf(1), id: "" })), {
    dead: "the id must be printable text",
  });
  await assert.rejects(handle(1), TypeError);
});
