import assert from "node:assert/strict";
import type { Connection } from "../../shared/connection.ts";
import { alertOf, publishAlerts } from "./alert_samples.ts";
import { e2e, eventsOf, Vhost } from "./harness.ts";
import { answer, MailServer, mailTo, PASSWORD, UNSET } from "./mail_server.ts";
import { WebHook } from "./web_hook.ts";
import { jsonIn, textIn } from "../deliveries.ts";

/** Tries soon again, and ends when all is done. */
const SOON = ["--retry", "50ms", "--exit-when-idle", "1s"];

e2e(
  "what may pass is tried again, what won't is a dead letter at once, with the answer",
  async () => {
    await using vhost = await Vhost.create();
    await using server = await MailServer.start({ secure: true });
    using hook = new WebHook();
    await using connection = await vhost.connect();
    const mailAnswers = [answer(451, "greylisted"), answer(550, "no such user"), undefined];
    server.onRecipient = () => {
      const next = mailAnswers.shift();
      if (next) throw next;
    };
    const statuses = [408, 429, 500, 302, 404, 200];
    hook.onAlert = () => {
      const headers = { location: hook.url };
      return new Response(`${statuses.length}`, { status: statuses.shift() ?? 200, headers });
    };
    await publishAlerts(connection, [alertOf(1), alertOf(2)]);
    const env = mailTo(server, { ALERT_WEBHOOK_URL: hook.url });
    const run = await vhost.run("alerts:notify", SOON, { env });
    assert.equal(run.code, 0);
    assert.deepEqual(eventsOf(run, "notice").map(({ id }) => id), [alertOf(2).id, alertOf(2).id]);
    assert.deepEqual(run.summary, { event: "summary", handled: 2, duplicates: 0, dead: 2 });
    const reasonsOf = (by: string) =>
      eventsOf(run, "waiting").filter((event) => event.by === by).map(({ reason }) =>
        String(reason)
      );
    assert.deepEqual(reasonsOf("email"), ["451 greylisted"]);
    assert.deepEqual(reasonsOf("webhook").map((reason) => reason.slice(0, 3)), [
      "408",
      "429",
      "500",
      "302",
    ]);
    const reasons = eventsOf(run, "dead").map(({ reason }) => String(reason)).sort();
    assert.match(reasons[0] ?? "", /^email: localhost:\d+ refuses: 550 no such user$/);
    assert.match(reasons[1] ?? "", /^webhook: 127\.0\.0\.1:\d+ refuses: 404 /);
    const letters = (await takeTwo(connection, "alert_queue.dead"))
      .sort((a, b) => String(a.headers?.reason).localeCompare(String(b.headers?.reason)));
    assert.deepEqual(letters.map(({ headers }) => headers?.["original-queue"]), [
      "alert_queue.email",
      "alert_queue.webhook",
    ]);
    assert.deepEqual(letters.map(({ headers }) => headers?.reason), reasons);
    assert.deepEqual(letters.map(jsonIn)[0], alertOf(1));
  },
);

e2e("of several addresses only those that were put off get the mail again", async () => {
  await using vhost = await Vhost.create();
  await using server = await MailServer.start({ secure: true });
  await using connection = await vhost.connect();
  let putOff = true;
  server.onRecipient = (address) => {
    if (address !== "bo@example.com" || !putOff) return;
    putOff = false;
    throw answer(450, "mailbox busy");
  };
  await publishAlerts(connection, [alertOf(1)]);
  const env = mailTo(server, { ALERT_EMAIL_TO: "ann@example.com, bo@example.com" });
  const run = await vhost.run("alerts:notify", SOON, { env });
  assert.deepEqual(server.mails.map(({ to }) => to), [["ann@example.com"], ["bo@example.com"]]);
  assert.equal(eventsOf(run, "waiting")[0]?.reason, "450 mailbox busy (1 of 2 addresses)");
  assert.equal(run.summary.handled, 1);
});

e2e("after --give-up a notice is a dead letter, and those behind it need no try each", async () => {
  await using vhost = await Vhost.create();
  using hook = new WebHook();
  await using connection = await vhost.connect();
  hook.onAlert = () => new Response("down", { status: 500 });
  await publishAlerts(connection, Array.from({ length: 20 }, (_, index) => alertOf(index + 1)));
  const env = { ...UNSET, ALERT_WEBHOOK_URL: hook.url };
  const args = [...SOON, "--retry", "300ms", "--give-up", "1s"];
  const run = await vhost.run("alerts:notify", args, { env });
  assert.deepEqual(run.summary, { event: "summary", handled: 0, duplicates: 0, dead: 20 });
  assert.ok(hook.requests.length < 10, `${hook.requests.length} tries`);
  for (const { reason } of eventsOf(run, "dead")) {
    assert.match(String(reason), /^webhook: given up, .*could not take it: 500 down$/);
  }
  assert.equal((await connection.inspect("alert_queue.dead"))?.ready, 20);
});

e2e("a refused login is told, waits to be mended, and no output holds a secret", async () => {
  await using vhost = await Vhost.create();
  await using server = await MailServer.start({ secure: true });
  using hook = new WebHook();
  await using connection = await vhost.connect();
  hook.onAlert = () => new Response(`404: POST /hooks/T0P-secret-token`, { status: 404 });
  await publishAlerts(connection, [alertOf(1)]);
  const env = mailTo(server, {
    SMTP_URL: server.url("someone:wr%20ng-secret"),
    ALERT_WEBHOOK_URL: hook.url,
  });
  const name = `test-${crypto.randomUUID()}`;
  const args = [...SOON, "--give-up", "4s", "--log", "--name", name];
  const run = await vhost.run("alerts:notify", args, { env });
  assert.equal(run.code, 0);
  const log = `logs/alert_notifier-${name}.jsonl`;
  const logged = await Deno.readTextFile(log);
  await Deno.remove(log);
  assert.match(
    String(eventsOf(run, "waiting")[0]?.reason),
    /^the login of SMTP_URL is refused: 535 5\.7\.8 not someone with …$/,
  );
  assert.equal(run.summary.dead, 2);
  const letters = JSON.stringify(
    (await takeTwo(connection, "alert_queue.dead")).map((it) => ({ ...it, body: textIn(it) })),
  );
  const everything = [JSON.stringify(run.events), run.stderr, logged, letters].join("\n");
  for (const secret of ["ng-secret", btoa("wr ng-secret"), "T0P", PASSWORD, server.url()]) {
    assert.ok(!everything.includes(secret), secret);
  }
});

async function takeTwo(connection: Connection, queue: string) {
  const channel = await connection.channel("consume", async () => {});
  const messages = [await channel.basicGet(queue), await channel.basicGet(queue)];
  await channel.close();
  return messages.map((message) => message ?? assert.fail(`fewer than two in ${queue}`));
}
