import assert from "node:assert/strict";
import { Certificate } from "./certificate.ts";
import { e2e, eventsOf, Vhost } from "./harness.ts";
import { bodyOf, LOGIN, MailServer, mailTo, PASSWORD, UNSET, USER } from "./mail_server.ts";
import { WebHook } from "./web_hook.ts";

e2e("--test sends one notice of each kind without a broker, and says what failed", async () => {
  await using vhost = await Vhost.create();
  await using server = await MailServer.start({ secure: true });
  using hook = new WebHook();
  hook.onAlert = () => new Response("no such hook", { status: 404 });
  const options = {
    env: {
      ...mailTo(server, { ALERT_TEXT_TO: "5551234567@txt.example.com" }),
      AMQP_URL: "amqp://localhost:1",
    },
  };
  const good = await vhost.run("alerts:notify", ["--test"], options);
  assert.equal(good.code, 0, good.stderr);
  assert.deepEqual(eventsOf(good, "test"), [
    { event: "test", by: "email", ok: true, answer: "250 OK: message queued" },
    { event: "test", by: "text", ok: true, answer: "250 OK: message queued" },
  ]);
  assert.ok(server.mails.every((mail) => /Test: Smoker dropped/.test(bodyOf(mail))));
  Object.assign(options.env, { ALERT_WEBHOOK_URL: hook.url });
  const bad = await vhost.run("alerts:notify", ["--test"], options);
  assert.equal(bad.code, 1);
  const failed = { event: "test", by: "webhook", ok: false, answer: "404 no such hook" };
  assert.deepEqual(eventsOf(bad, "test").at(-1), failed);
  assert.deepEqual(bad.summary, { event: "summary", handled: 2, duplicates: 0, dead: 0 });
  assert.equal(server.mails.length, 4);
});

e2e("elsewhere only a trusted certificate will do, or --insecure", async () => {
  await using vhost = await Vhost.create();
  await using certificate = await Certificate.make();
  const hostname = "127.0.0.2";
  await using direct = await MailServer.start({ hostname, certificate, secure: true });
  await using later = await MailServer.start({ hostname, certificate });
  await using never = await MailServer.start({ hostname, plain: true });
  const trusted = { DENO_CERT: certificate.authority };
  const cases: [MailServer, Record<string, string>, string[], RegExp | true][] = [
    [direct, trusted, [], true],
    [later, trusted, [], true],
    [direct, {}, [], /certificate isn't trusted.*DENO_CERT=.*--insecure/],
    [later, {}, [], /certificate isn't trusted.*DENO_CERT=.*--insecure/],
    [never, trusted, [], /no TLS.*--insecure/],
    [direct, {}, ["--insecure"], true],
    [never, {}, ["--insecure"], true],
  ];
  await Promise.all(cases.map(async ([server, more, flags, expected], index) => {
    const env = mailTo(server, { ALERT_HOSTS: server.address, ...more });
    const run = await vhost.run("alerts:notify", ["--test", ...flags], { env });
    const [event] = eventsOf(run, "test");
    const { ok, answer } = event ?? { ok: undefined, answer: undefined };
    const context = `case ${index}: ${answer} ${run.stderr}`;
    assert.equal(ok, expected === true, context);
    if (expected !== true) assert.match(String(answer), expected, context);
  }));
  assert.deepEqual([direct, later, never].map(({ mails }) => mails.length), [2, 1, 1]);
});

e2e("a web hook of https needs a trusted certificate, and one that is away is told", async () => {
  await using vhost = await Vhost.create();
  await using certificate = await Certificate.make();
  using hook = new WebHook({ key: certificate.key, cert: certificate.cert });
  const away = new WebHook();
  away[Symbol.dispose]();
  const cases: [string, Record<string, string>, RegExp][] = [
    [hook.url, { DENO_CERT: certificate.authority }, /^204 ?$/],
    [hook.url, {}, /^its certificate isn't trusted/],
    [away.url, {}, /^connection refused$/],
  ];
  for (const [url, more, expected] of cases) {
    const env = { ...UNSET, ALERT_WEBHOOK_URL: url, ...more };
    const run = await vhost.run("alerts:notify", ["--test"], { env });
    const [event] = eventsOf(run, "test");
    assert.match(String(event?.answer), expected);
    assert.doesNotMatch(JSON.stringify(run.events) + run.stderr, /T0P|secret/);
  }
});

e2e("misuse is one line and exit 2", async () => {
  await using vhost = await Vhost.create();
  const mail = {
    SMTP_URL: `smtps://${LOGIN}@localhost`,
    ALERT_FROM: USER,
    ALERT_EMAIL_TO: "ann@example.com",
  };
  const file = (input: string) => ({ args: ["--env-file", "-"], input });
  const cases: { env: Record<string, string>; args?: string[]; input?: string; says: RegExp }[] = [
    { env: {}, says: /^Nothing .*SMTP_URL.*ALERT_EMAIL_TO.*ALERT_TEXT_TO.*ALERT_WEBHOOK_URL/ },
    {
      env: { ALERT_EMAIL_TO: "a@b.c" },
      says: /^ALERT_EMAIL_TO is set, .* SMTP_URL and ALERT_FROM$/,
    },
    { env: { ...mail, ALERT_HOSTS: "" }, args: ["--give-up", "soon"], says: /--give-up must be/ },
    { env: mail, args: ["--timeout", "6m"], says: /--timeout must be at most 5m/ },
    { env: { ALERT_WEBHOOK_URL: "http://example.com/x" }, says: /without TLS.*--insecure/ },
    {
      env: { ...mail, SMTP_URL: `smtps://${LOGIN}@mail.example.com` },
      says: /ALERT_HOSTS=mail\.example\.com:465 deno task alerts:notify/,
    },
    { env: {}, ...file(`ALERT_EMAILTO=a@b.c\n`), says: /no ALERT_EMAILTO, only SMTP_URL/ },
    {
      env: {},
      args: ["--env-file", "none.env"],
      says: /may read alerts\.env only.*--env-file - </,
    },
    { env: {}, args: ["--env-file", "alerts.env"], says: /alerts\.env.*no such file/ },
  ];
  await Promise.all(cases.map(async ({ env, args = [], input, says }) => {
    const options = { env: { ...UNSET, ...env }, ...(input === undefined ? {} : { input }) };
    const { code, stderr } = await vhost.start("alerts:notify", args, options).ended;
    assert.equal(code, 2, stderr);
    assert.match(stderr.trimEnd(), says);
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
    assert.ok(!stderr.includes(PASSWORD) && !stderr.includes(LOGIN), stderr);
  }));
});

e2e("an env file sets what the environment doesn't", async () => {
  await using vhost = await Vhost.create();
  await using server = await MailServer.start({ secure: true });
  const input = `# secrets\nSMTP_URL="${server.url()}"\nexport ALERT_FROM=other@example.com\n` +
    "ALERT_EMAIL_TO=ann@example.com\nALERT_HOSTS=localhost\nEDITOR=vi\n";
  const env = { ...UNSET, ALERT_FROM: USER };
  const args = ["--test", "--env-file", "-"];
  const { code, stderr } = await vhost.run("alerts:notify", args, { env, input });
  assert.equal(code, 0, stderr);
  assert.equal(server.mails[0]?.from, USER);
});
