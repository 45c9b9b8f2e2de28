import assert from "node:assert/strict";
import { Secrets, serversOf, settingsFrom } from "../shared/notifier.ts";
import { readAddresses, readSmtpUrl, readWebhookUrl } from "../shared/notifier/settings.ts";
import type { Variables } from "../shared/notifier/settings.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

const options = (insecure = false) => ({ insecure, secrets: new Secrets() });

test("`readSmtpUrl()` asks for TLS and a trusted certificate except on this machine", () => {
  const cases: [string, boolean, Record<string, unknown>][] = [
    ["smtps://a:b@mail.example.com", false, { port: 465, secure: true, verified: true }],
    ["smtp://a:b@Mail.Example.com", false, {
      host: "mail.example.com",
      port: 587,
      secure: false,
      verified: true,
    }],
    ["smtp://mail.example.com:25/", true, { port: 25, secure: false, verified: false }],
    ["smtp://localhost:2525", false, { host: "localhost", secure: false, verified: false }],
    ["smtp://[::1]:2525", false, { host: "::1", verified: false }],
    ["smtp://127.0.0.1", false, { verified: false }],
    ["smtp://127.0.0.2", false, { verified: true }],
    ["smtp://localhost.example.com", false, { verified: true }],
    ["smtps://me%40x.org:p%2F%20@h", false, { login: { user: "me@x.org", pass: "p/ " } }],
    ["smtps://me@x.org:p@h", false, { login: { user: "me@x.org", pass: "p" } }],
  ];
  for (const [url, insecure, expected] of cases) {
    const server = readSmtpUrl(url, options(insecure));
    assert.deepEqual({ ...server, ...expected }, server, url);
  }
});

test("what can't be read is told without showing it", () => {
  const bad: [() => unknown, RegExp][] = [
    ...["secret", "http://u:secret@h", "smtps://", "smtps://secret@h", "smtps://:secret@h"]
      .concat(
        "smtps://u:sec#ret@h",
        "smtps://h/secret",
        "smtps://h?secret",
        "smtps://u:p@h\r\nsecret:1",
      )
      .map((url): [() => unknown, RegExp] => [() => readSmtpUrl(url, options()), /^SMTP_URL must/]),
    ...["secret", "ftp://h/secret", "https://"]
      .map((url): [() => unknown, RegExp] => [
        () => readWebhookUrl(url, options()),
        /^ALERT_WEBHOOK_URL must/,
      ]),
    [() => readWebhookUrl("http://h/secret", options()), /without TLS/],
    ...["secret", "secret@", "a@b.c,secret", "a@b.c,,", "<a@b.c", "A <a@b.c>\r\nBcc: secret@x.y"]
      .concat("a@b.c\r\nBcc: secret@x.y", 'A "B" <a@b.c>', "A <secret>", "a b@c.d", "a@b.c d@e.f")
      .map((list): [() => unknown, RegExp] => [
        () => readAddresses("ALERT_EMAIL_TO", list),
        /^ALERT_EMAIL_TO must be/,
      ]),
  ];
  for (const [read, message] of bad) {
    assert.throws(read, (error: Error) => {
      assert.equal(error.name, "UsageError");
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  }
  const good = ["me@example.com", "Smoker <me@localhost>", "J. Doe <j+doe@bücher.example>"];
  assert.deepEqual(readAddresses("ALERT_EMAIL_TO", good.join(" , ")), good);
});

test("secrets are taken out in every form, also when one is a part of another", () => {
  const all = options();
  const smtp = "smtps://me%40x.org:p%40ss@mail.example.com";
  readSmtpUrl(smtp, all);
  readWebhookUrl("https://me:hook%20pass@h.example/services/T0123456789?t=abcdefgh", all);
  const travelling = [smtp, "p%40ss", "p@ss", btoa("p@ss"), btoa("\0me@x.org\0p@ss")]
    .concat(
      "hook%20pass",
      "hook pass",
      btoa("me:hook pass"),
      "T0123456789",
      "t=abcdefgh",
      "abcdefgh",
    )
    .concat(
      "/services/T0123456789",
      "https://me:hook%20pass@h.example/services/T0123456789?t=abcdefgh",
    );
  for (const text of travelling) assert.equal(all.secrets.redact(`< ${text} >`), "< … >", text);
  assert.equal(all.secrets.redact("535 5.7.8 no"), "535 5.7.8 no");
});

test("settings are all or nothing for each kind", () => {
  const mail = { SMTP_URL: "smtps://u:p@mail.example.com", ALERT_FROM: "me@example.com" };
  const hook = { ALERT_WEBHOOK_URL: "https://hooks.example.com/x" };
  const servers = (variables: Variables) =>
    Object.fromEntries(serversOf(settingsFrom(variables, options())));
  const [at, web] = ["mail.example.com:465", "hooks.example.com:443"];
  assert.deepEqual(servers({ ...mail, ALERT_EMAIL_TO: "a@b.c" }), { email: at });
  assert.deepEqual(servers({ ...mail, ALERT_TEXT_TO: "a@b.c", ...hook }), {
    text: at,
    webhook: web,
  });
  assert.deepEqual(servers(hook), { webhook: web });
  assert.deepEqual(servers({ ALERT_WEBHOOK_URL: "http://[::1]:8080" }), { webhook: "[::1]:8080" });
  const bad: [Variables, RegExp][] = [
    [{}, /^Nothing to send/],
    [
      { ...hook, ALERT_FROM: "a@b.c" },
      /^ALERT_FROM is set, .*needs SMTP_URL and ALERT_EMAIL_TO or/,
    ],
    [mail, /^SMTP_URL and ALERT_FROM are set, .* needs ALERT_EMAIL_TO or ALERT_TEXT_TO$/],
    [{ SMTP_URL: mail.SMTP_URL, ALERT_TEXT_TO: "a@b.c" }, / needs ALERT_FROM$/],
    [{ ...mail, ALERT_FROM: "a@b.c,d@e.f", ALERT_TEXT_TO: "a@b.c" }, /^ALERT_FROM must be one/],
  ];
  for (const [variables, message] of bad) {
    assert.throws(() => settingsFrom(variables, options()), { name: "UsageError", message });
  }
});
