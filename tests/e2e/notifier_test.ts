import assert from "node:assert/strict";
import { alertOf, publishAlerts } from "./alert_samples.ts";
import { e2e, eventsOf, Vhost } from "./harness.ts";
import { bodyOf, header, MailServer, mailTo, USER } from "./mail_server.ts";
import { WebHook } from "./web_hook.ts";

const IDLE = ["--exit-when-idle", "1s"];

e2e("an alert that opens and resolves comes as mail, text and web hook", async () => {
  await using vhost = await Vhost.create();
  await using server = await MailServer.start({ secure: true });
  using hook = new WebHook();
  await using connection = await vhost.connect();
  const open = alertOf(5);
  const later = { at: "2021-05-22T13:36:10", fahrenheit: 211.1, min: 200, max: 211.1, change: 9 };
  const resolved = alertOf(5, { state: "resolved", ...later });
  await publishAlerts(connection, [open, resolved]);
  const env = mailTo(server, {
    ALERT_EMAIL_TO: "ann@example.com, Bo <bo@example.com>",
    ALERT_TEXT_TO: "5551234567@txt.example.com",
    ALERT_WEBHOOK_URL: hook.url,
  });
  const { code, events, summary, stderr } = await vhost.run("alerts:notify", IDLE, { env });
  assert.equal(code, 0, stderr);
  assert.equal(stderr, "");
  assert.deepEqual(summary, { event: "summary", handled: 6, duplicates: 0, dead: 0 });
  assert.deepEqual(Object.keys(events[0] ?? {}), ["event", "pid", "name"]);
  assert.equal(events[0]?.event, "ready");
  for (const by of ["email", "text", "webhook"]) {
    assert.deepEqual(events.filter((event) => event.by === by), [
      { event: "notice", id: "r/smoker/drop/5", state: "open", by },
      { event: "notice", id: "r/smoker/drop/5", state: "resolved", by },
    ]);
  }

  const mails = server.mails.filter(({ to }) => to[0] === "ann@example.com");
  assert.deepEqual(mails.map((mail) => header(mail, "subject")), [
    "Smoker dropped 16.6 °F in 2.5 min, now 103.5 °F",
    "Smoker drop of 12:34:10 is over after 1 h 2 min, now 211.1 °F",
  ]);
  const [first, second] = mails;
  assert.ok(first && second);
  assert.deepEqual(first.to, ["ann@example.com", "bo@example.com"]);
  assert.equal(first.from, USER);
  assert.equal(first.tls, true);
  assert.equal(header(first, "from"), `Smoker <${USER}>`);
  assert.equal(header(second, "in-reply-to"), header(first, "message-id"));
  assert.notEqual(header(second, "message-id"), header(first, "message-id"));
  assert.match(bodyOf(first), /text\/plain/);
  assert.match(bodyOf(first), /^Began {4}2021-05-22 12:34:10$/m);
  assert.match(bodyOf(first), /^Highest {2}120\.1 °F$/m);
  assert.match(bodyOf(first), /<td>Rule<\/td><td>drop /);
  assert.match(bodyOf(second), /^Lasted {3}1 h 2 min$/m);

  const texts = server.mails.filter(({ to }) => to[0] === "5551234567@txt.example.com");
  assert.deepEqual(texts.map((text) => header(text, "subject") ?? ""), ["", ""]);
  assert.equal(texts[0] && bodyOf(texts[0]), "Smoker dropped 16.6 F in 2.5 min, now 103.5 F\n");
  assert.deepEqual(hook.requests, [
    { key: "r/smoker/drop/5/open", alert: open },
    { key: "r/smoker/drop/5/resolved", alert: resolved },
  ]);
});

e2e("a drop in the readings comes as a mail, through STARTTLS", async () => {
  await using vhost = await Vhost.create();
  await using server = await MailServer.start();
  const rows = [120.1, 120, 119, 118, 103.5, 104, 104, 104, 104].map((fahrenheit, index) =>
    `2021-05-22T12:3${index}:00,${fahrenheit}`
  );
  const input = ["time,smoker", ...rows].join("\n") + "\n";
  const csv = ["--columns", "food-a=smoker,food-b=smoker"];
  const produced = await vhost.run(
    "smoker:produce",
    ["--file", "-", "--interval", "0", "--run", "r", ...csv],
    { input },
  );
  assert.equal(produced.code, 0, produced.stderr);
  const watched = await vhost.run("smoker:monitor", [
    "--channel",
    "smoker",
    "--window",
    "readings",
    ...IDLE,
  ]);
  assert.equal(watched.code, 0, watched.stderr);
  const notified = await vhost.run("alerts:notify", IDLE, { env: mailTo(server) });
  assert.equal(notified.code, 0, notified.stderr);
  assert.deepEqual(server.mails.map((mail) => header(mail, "subject")), [
    "Smoker dropped 16.6 °F in 2.5 min, now 103.5 °F",
    "Smoker drop of 12:34:00 is over after 2 min, now 104 °F",
  ]);
  assert.ok(server.mails.every(({ tls }) => tls));
});

e2e(
  "a hundred alerts at once come once each and in order, also when they are repeated",
  async () => {
    await using vhost = await Vhost.create();
    await using server = await MailServer.start({ plain: true });
    using hook = new WebHook();
    await using connection = await vhost.connect();
    const alerts = Array.from({ length: 100 }, (_, index) => alertOf(index + 1));
    await publishAlerts(connection, alerts);
    await publishAlerts(connection, alerts);
    const env = mailTo(server, { ALERT_WEBHOOK_URL: hook.url });
    const { code, summary } = await vhost.run("alerts:notify", ["--prefetch", "20", ...IDLE], {
      env,
    });
    assert.equal(code, 0);
    assert.deepEqual(summary, { event: "summary", handled: 200, duplicates: 100, dead: 0 });
    const ids = alerts.map(({ id }) => id);
    assert.deepEqual(hook.requests.map(({ alert }) => alert.id), ids);
    assert.deepEqual(server.mails.map((mail) => /^Alert +(.*)$/m.exec(bodyOf(mail))?.[1]), ids);
  },
);

e2e("what names and values hold stays text", async () => {
  await using vhost = await Vhost.create();
  await using server = await MailServer.start({ secure: true });
  using hook = new WebHook();
  await using connection = await vhost.connect();
  const markup = alertOf(1, { id: `é"><img src=x onerror='1'>&amp;/smoker/drop/1` });
  await publishAlerts(connection, [
    { ...alertOf(2), id: "r/smoker/drop/2\r\nBcc: eve@example.com" },
    { ...alertOf(3), channel: "smoker\r\nBcc: eve@example.com" },
    { ...alertOf(4), fahrenheit: "1\r\nBcc: eve@example.com" },
    { ...alertOf(5), opened: "2021-05-22T12:34:10\r\nBcc: eve@example.com" },
    { ...alertOf(6), id: "r".repeat(300) },
    "no alert",
    markup,
  ]);
  const env = mailTo(server, { ALERT_WEBHOOK_URL: hook.url });
  const notified = await vhost.run("alerts:notify", IDLE, { env });
  assert.deepEqual(notified.summary, { event: "summary", handled: 2, duplicates: 0, dead: 6 });
  assert.ok(eventsOf(notified, "dead").every(({ queue }) => queue === "alert_queue"));
  assert.equal((await connection.inspect("alert_queue.dead"))?.ready, 6);
  const [mail] = server.mails;
  assert.ok(mail);
  assert.deepEqual(mail.to, ["ann@example.com"]);
  assert.equal(header(mail, "bcc"), undefined);
  const [plain, html] = bodyOf(mail).split("text/html");
  assert.ok(plain?.includes(markup.id));
  assert.doesNotMatch(html ?? "", /<img/);
  assert.match(html ?? "", /é&quot;&gt;&lt;img src=x onerror=&#39;1&#39;&gt;&amp;amp;/);
  assert.deepEqual(hook.requests.map(({ alert }) => alert), [markup]);
});

e2e(
  "what has waited is told before the first notice, and left out where that is asked for",
  async () => {
    const HOUR = 3_600_000;
    for (
      const [args, sent, skipped] of [
        [[], 3, undefined],
        [["--since", "90m"], 2, 1],
        [["--skip-waiting"], 0, 3],
      ] as const
    ) {
      await using vhost = await Vhost.create();
      using hook = new WebHook();
      await using connection = await vhost.connect();
      for (const [index, hours] of [2, 1, 0.001].entries()) {
        await publishAlerts(connection, [alertOf(index + 1)], Date.now() - hours * HOUR);
      }
      const env = { ...vhost.env, ALERT_WEBHOOK_URL: hook.url };
      const flags = [...args, ...IDLE];
      const person = await new Deno.Command("deno", {
        args: ["task", "-q", "alerts:notify", ...flags, "--name", "n"],
        env: { NO_COLOR: "1", ...env },
      }).output();
      const text = new TextDecoder();
      const stderr = text.decode(person.stderr);
      assert.equal(person.code, 0, stderr);
      assert.match(stderr, /^3 alerts wait, the first was published 2 h( \d+ min)? ago: /m);
      assert.equal(
        /--skip-waiting leaves them out, --since 1h/.test(stderr),
        skipped === undefined,
      );
      const left = skipped === undefined ? "" : `, ${skipped} skipped`;
      const notices = `${sent} notices`;
      assert.match(
        text.decode(person.stdout),
        new RegExp(`^n: ${notices} sent, 0 duplicates, 0 dead letters${left}$`, "m"),
      );
      assert.equal((await connection.inspect("alert_queue"))?.ready, 0);
      assert.equal((await connection.inspect("alert_queue.webhook"))?.ready, 0);
      // What comes from now on is sent, whatever was left out.
      await publishAlerts(connection, [alertOf(9)]);
      const next = await vhost.run("alerts:notify", ["--since", "1m", ...IDLE], { env });
      assert.deepEqual(next.summary, {
        event: "summary",
        handled: 1,
        duplicates: 0,
        dead: 0,
        skipped: 0,
      });
    }
    const both = await new Deno.Command("deno", {
      args: ["task", "-q", "alerts:notify", "--skip-waiting", "--since", "1h"],
      env: { ALERT_WEBHOOK_URL: "http://localhost:1", NO_COLOR: "1" },
    }).output();
    assert.equal(both.code, 2);
    assert.match(
      new TextDecoder().decode(both.stderr),
      /^--skip-waiting and --since exclude each other/,
    );
  },
);
