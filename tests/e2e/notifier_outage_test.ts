import assert from "node:assert/strict";
import type { Event } from "../../shared/script.ts";
import { BrokerProxy } from "../proxy.ts";
import { testBrokerUrl } from "../test_broker.ts";
import { alertOf, publishAlerts } from "./alert_samples.ts";
import { e2e, eventsOf, eventually, summaryOf, Vhost } from "./harness.ts";
import { header, MailServer, mailTo, UNSET } from "./mail_server.ts";
import { WebHook } from "./web_hook.ts";

const IDLE = ["--exit-when-idle", "1s"];
/** Tries soon again. */
const SOON = ["--retry", "50ms"];

const has = (kind: string, by: string) => (events: Event[]) =>
  events.some((event) => event.event === kind && event.by === by);

/** The notices that were sent, as `email r/smoker/drop/1`. */
const sent = (run: { events: Event[] }) =>
  eventsOf(run, "notice").map(({ by, id }) => `${by} ${id}`);

e2e(
  "a mail server that is away for a while gets each mail once, and holds up nobody else",
  async () => {
    await using vhost = await Vhost.create();
    await using server = await MailServer.start({ secure: true });
    using hook = new WebHook();
    await using connection = await vhost.connect();
    await server.stop();
    await publishAlerts(connection, [alertOf(1), alertOf(2)]);
    const env = mailTo(server, { ALERT_WEBHOOK_URL: hook.url });
    const notifier = vhost.start("alerts:notify", [...SOON, "--exit-when-idle", "300ms"], { env });
    await notifier.until((events) =>
      events.filter(({ by, event }) => by === "email" && event === "waiting").length >= 4
    );
    assert.deepEqual(sent(notifier), ["webhook r/smoker/drop/1", "webhook r/smoker/drop/2"]);
    assert.equal(eventsOf(notifier, "waiting")[0]?.reason, "connection refused");
    await server.start();
    assert.equal((await notifier.ended).code, 0);
    assert.deepEqual(sent(notifier).slice(2), ["email r/smoker/drop/1", "email r/smoker/drop/2"]);
    assert.deepEqual(summaryOf(notifier), { event: "summary", handled: 4, duplicates: 0, dead: 0 });
    assert.equal(server.mails.length, 2);
    assert.equal(hook.requests.length, 2);
  },
);

e2e(
  "what one server hasn't taken waits in its queue; a restart repeats nothing to the other",
  async () => {
    await using vhost = await Vhost.create();
    await using server = await MailServer.start({ secure: true });
    using hook = new WebHook();
    await using connection = await vhost.connect();
    hook.onAlert = () => new Response("busy", { status: 503 });
    await publishAlerts(connection, [alertOf(1)]);
    const env = mailTo(server, { ALERT_WEBHOOK_URL: hook.url });
    const first = vhost.start("alerts:notify", ["--retry", "30s"], { env });
    await first.until((events) =>
      has("notice", "email")(events) && has("waiting", "webhook")(events)
    );
    assert.equal(eventsOf(first, "waiting")[0]?.reason, "503 busy");
    await first.kill("INT");
    assert.equal((await first.ended).code, 0);
    assert.deepEqual(summaryOf(first), { event: "summary", handled: 1, duplicates: 0, dead: 0 });
    assert.equal((await connection.inspect("alert_queue.webhook"))?.ready, 1);
    hook.onAlert = () => new Response("thanks");
    const second = await vhost.run("alerts:notify", IDLE, { env });
    assert.deepEqual(sent(second), ["webhook r/smoker/drop/1"]);
    assert.equal(server.mails.length, 1);
  },
);

e2e("killed -9 after a mail was taken: at most one repeat, with the same Message-ID", async () => {
  await using vhost = await Vhost.create();
  await using server = await MailServer.start({ secure: true });
  await using connection = await vhost.connect();
  await publishAlerts(connection, [alertOf(1), alertOf(2)]);
  const taken = Promise.withResolvers<void>();
  const killed = Promise.withResolvers<void>();
  server.onMail = () => {
    taken.resolve();
    return killed.promise;
  };
  const env = mailTo(server);
  const first = await vhost.start("alerts:notify", [], { env }).ready();
  await taken.promise;
  await first.kill("KILL");
  await first.ended;
  killed.resolve();
  const second = await vhost.run("alerts:notify", IDLE, { env });
  assert.deepEqual(sent(second), ["email r/smoker/drop/1", "email r/smoker/drop/2"]);
  const ids = server.mails.map((mail) => header(mail, "message-id"));
  assert.equal(ids.length, 3);
  assert.equal(ids[0], ids[1]);
  assert.notEqual(ids[1], ids[2]);
});

e2e("of two notifiers one sends, and the other goes on when it dies", async () => {
  await using vhost = await Vhost.create();
  using hook = new WebHook();
  await using connection = await vhost.connect();
  const asked = Promise.withResolvers<void>();
  hook.onAlert = () => {
    asked.resolve();
    return new Promise<Response>(() => {});
  };
  const env = { ...UNSET, ALERT_WEBHOOK_URL: hook.url };
  const first = await vhost.start("alerts:notify", [], { env }).ready();
  const second = await vhost.start("alerts:notify", IDLE, { env }).ready();
  const alerts = Array.from({ length: 10 }, (_, index) => alertOf(index + 1));
  await publishAlerts(connection, alerts);
  await asked.promise;
  hook.onAlert = () => new Response("thanks");
  await eventually(
    "both to pass on what they have",
    async () => (await connection.inspect("alert_queue.webhook"))?.ready === 9,
  );
  assert.equal(hook.requests.length, 1);
  await first.kill("KILL");
  assert.equal((await second.ended).code, 0);
  assert.deepEqual(sent(second).sort(), alerts.map(({ id }) => `webhook ${id}`).sort());
  assert.equal(hook.requests.length, 11);
});

e2e("a server that says nothing is given up after --timeout and tried again", async () => {
  await using vhost = await Vhost.create();
  await using server = await MailServer.start({ secure: true });
  using hook = new WebHook();
  await using connection = await vhost.connect();
  await using silent = silentServer();
  const never = new Promise<never>(() => {});
  let [mails, hooks] = [0, 0];
  server.onMail = () => mails++ === 0 ? never : undefined;
  hook.onAlert = () => hooks++ === 0 ? never : new Response(null, { status: 204 });
  await publishAlerts(connection, [alertOf(1)]);
  const env = mailTo(server, { ALERT_WEBHOOK_URL: hook.url });
  const args = ["--timeout", "500ms", ...SOON, "--exit-when-idle", "300ms"];
  const run = await vhost.run("alerts:notify", args, { env });
  assert.deepEqual(sent(run).sort(), ["email r/smoker/drop/1", "webhook r/smoker/drop/1"]);
  const reasons = eventsOf(run, "waiting").map(({ reason }) => reason);
  assert.deepEqual(reasons, ["no answer within 0.5 s", "no answer within 0.5 s"]);
  const elsewhere = { ...env, SMTP_URL: `smtps://${silent.address}`, ALERT_WEBHOOK_URL: "" };
  const tested = await vhost.run("alerts:notify", ["--test", ...args], { env: elsewhere });
  assert.equal(tested.code, 1);
  assert.equal(eventsOf(tested, "test")[0]?.answer, "no answer within 0.5 s");
});

e2e("Ctrl-C finishes what is being sent", async () => {
  await using vhost = await Vhost.create();
  using hook = new WebHook();
  await using connection = await vhost.connect();
  await publishAlerts(connection, [alertOf(1), alertOf(2)]);
  const env = { ...UNSET, ALERT_WEBHOOK_URL: hook.url };
  const asked = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<Response>();
  hook.onAlert = () => {
    asked.resolve();
    return answered.promise;
  };
  const notifier = await vhost.start("alerts:notify", [], { env }).ready();
  await asked.promise;
  await notifier.kill("INT");
  await eventually(
    "the notifier to take no more",
    async () => (await connection.inspect("alert_queue"))?.consumers === 0,
  );
  answered.resolve(new Response("thanks"));
  assert.equal((await notifier.ended).code, 0);
  assert.deepEqual(summaryOf(notifier), { event: "summary", handled: 1, duplicates: 0, dead: 0 });
  assert.equal((await connection.inspect("alert_queue.webhook"))?.ready, 1);
});

e2e(
  "the broker goes while a notice is being sent: it comes back, and is not sent again",
  async () => {
    await using vhost = await Vhost.create();
    using hook = new WebHook();
    using proxy = new BrokerProxy();
    await using connection = await vhost.connect();
    await publishAlerts(connection, [alertOf(1), alertOf(2)]);
    const asked = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    hook.onAlert = async () => {
      asked.resolve();
      await answered.promise;
      return new Response("thanks");
    };
    const env = {
      ...UNSET,
      ALERT_WEBHOOK_URL: hook.url,
      AMQP_HOST: `127.0.0.1:${proxy.port}`,
      AMQP_URL: testBrokerUrl({ pathname: vhost.name, host: `127.0.0.1:${proxy.port}` }),
    };
    const notifier = vhost.start("alerts:notify", IDLE, { env });
    await asked.promise;
    proxy.cut();
    await notifier.until((events) => events.some(({ event }) => event === "disconnected"));
    answered.resolve();
    assert.equal((await notifier.ended).code, 0);
    assert.deepEqual(sent(notifier), ["webhook r/smoker/drop/1", "webhook r/smoker/drop/2"]);
    assert.equal(hook.requests.length, 2);
    assert.equal(summaryOf(notifier).handled, 2);
  },
);

/** Accepts connections and says nothing. */
function silentServer(): AsyncDisposable & { address: string } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of listener) connections.push(connection);
  })();
  return {
    address: `127.0.0.1:${listener.addr.port}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting.catch(() => {});
      for (const connection of connections) connection.close();
    },
  };
}
