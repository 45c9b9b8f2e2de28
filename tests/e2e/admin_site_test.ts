/** The admin site: who is sent user and password. */
import assert from "node:assert/strict";
import { adminSite } from "../../shared/connection.ts";
import { BrokerProxy } from "../proxy.ts";
import { testBroker, testBrokerUrl } from "../test_broker.ts";
import { admin, e2e, eventsOf, Vhost } from "./harness.ts";

/** A broker with a foreign web server where its admin site usually is. */
class ForeignSite implements AsyncDisposable {
  readonly proxy: BrokerProxy;
  /** The `authorization` of each request, `null` where it has none. */
  readonly logins: (string | null)[] = [];
  readonly #server: Deno.HttpServer;

  /** @param realm What it says to be. */
  constructor(realm: string) {
    const answer = ({ headers }: Request) => {
      this.logins.push(headers.get("authorization"));
      return new Response(null, { status: 401, headers: { "www-authenticate": realm } });
    };
    while (true) {
      const proxy = new BrokerProxy();
      const port = proxy.port + 10_000;
      try {
        if (port > 65_535) throw new RangeError("no such port");
        this.#server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, answer);
        this.proxy = proxy;
        return;
      } catch {
        proxy[Symbol.dispose]();
      }
    }
  }

  /** Lists the queues of a virtual host through the proxy. */
  async queues(vhost: Vhost, login = {}, search = "") {
    const host = `127.0.0.1:${this.proxy.port}`;
    const hosts = [host, `127.0.0.1:${this.proxy.port + 10_000}`];
    if (search !== "") hosts.push(new URL(adminSite(testBroker())).host);
    const list = vhost.start("queues", [], {
      env: {
        AMQP_HOST: hosts.join(),
        AMQP_URL: testBrokerUrl({ host, pathname: vhost.name, ...login }) + search,
      },
    });
    const { code, stderr } = await list.ended;
    return { code, stderr, queue: eventsOf(list, "queue")[0] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.proxy[Symbol.dispose]();
    await this.#server.shutdown();
  }
}

e2e("guest's public password isn't sent to what doesn't say that it is RabbitMQ's", async () => {
  await using vhost = await Vhost.create();
  await vhost.run("tasks:work", ["--exit-when-idle", "300ms"]);
  await using site = new ForeignSite('Basic realm="Something else"');
  const { code, stderr, queue } = await site.queues(vhost);
  assert.deepEqual([code, queue?.queue, queue?.unacknowledged], [0, "task_queue", null]);
  assert.match(stderr, /doesn't say that it is RabbitMQ's admin site/);
  assert.deepEqual(site.logins, [null]);
});

e2e("a password of one's own is sent only to the admin site that the URL names", async () => {
  await using vhost = await Vhost.create();
  const user = vhost.name;
  await admin("PUT", `/users/${user}`, { password: "secret", tags: "management" });
  try {
    const rights = { configure: ".*", write: ".*", read: ".*" };
    await admin("PUT", `/permissions/${vhost.name}/${user}`, rights);
    await vhost.run("tasks:work", ["--exit-when-idle", "300ms"]);
    await using site = new ForeignSite('Basic realm="RabbitMQ Management"');
    const login = { username: user, password: "secret" };
    const without = await site.queues(vhost, login);
    assert.deepEqual([without.code, without.queue?.unacknowledged], [0, null]);
    assert.match(without.stderr, /anybody may listen.*name it in the URL: .*\?admin=\d+$/m);
    assert.doesNotMatch(without.stderr, /secret/);
    assert.deepEqual(site.logins, []);
    const named = await site.queues(vhost, login, `?admin=${adminSite(testBroker())}`);
    assert.deepEqual([named.code, named.queue?.unacknowledged], [0, 0], named.stderr);
  } finally {
    await admin("DELETE", `/users/${user}`);
  }
});
