import assert from "node:assert/strict";
import {
  adminSite,
  type BrokerAddress,
  brokerAddress,
  DEFAULT_URL,
  hostList,
  requireNetPermission,
} from "../shared/connection.ts";
import { UsageError } from "../shared/script.ts";

/** Runs a test without any permission. */
function test(name: string, fn: () => void | Promise<void>): void {
  Deno.test({ name, permissions: "none", fn });
}

/** The local broker, but for what is different. */
function local(different: Partial<BrokerAddress> = {}): BrokerAddress {
  return {
    hosts: [{ hostname: "localhost", port: 5672 }],
    username: "guest",
    password: "guest",
    vhost: "/",
    tls: false,
    ...different,
  };
}

function at(...hosts: [hostname: string, port: number][]): Partial<BrokerAddress> {
  return { hosts: hosts.map(([hostname, port]) => ({ hostname, port })) };
}

test("`brokerAddress()` fills in what a URL leaves out", () => {
  const cases: [string, Partial<BrokerAddress>][] = [
    [DEFAULT_URL, {}],
    ["amqp://localhost", {}],
    ["amqp://localhost/", {}],
    [" amqp://localhost ", {}],
    ["AMQP://localhost", {}],
    ["amqp://rabbit:5673", at(["rabbit", 5673])],
    ["amqp://10.0.0.7", at(["10.0.0.7", 5672])],
    ["amqps://rabbit", { ...at(["rabbit", 5671]), tls: true }],
    ["amqps://rabbit:443", { ...at(["rabbit", 443]), tls: true }],
    ["amqp://bob:pass@localhost", { username: "bob", password: "pass" }],
  ];
  for (const [url, different] of cases) assert.deepEqual(brokerAddress(url), local(different), url);
});

test("`brokerAddress()` reads user and password with any characters, percent-encoded", () => {
  const cases: [string, string, string][] = [
    ["bob:p%40ss%3Aw%2Frd", "bob", "p@ss:w/rd"],
    ["bob:%2C%23%3F%25", "bob", ",#?%"],
    ["bob%40example.com:x", "bob@example.com", "x"],
    ["zo%C3%AB:%F0%9F%98%80", "zoë", "😀"],
    ["bob:a:b", "bob", "a:b"],
    ["bob:50%", "bob", "50%"],
    ["bob:a+b", "bob", "a+b"],
  ];
  for (const [credentials, username, password] of cases) {
    const address = brokerAddress(`amqp://${credentials}@localhost:5672`);
    assert.deepEqual(address, local({ username, password }), credentials);
  }
});

test("`brokerAddress()` reads the virtual host", () => {
  const cases: [string, string][] = [
    ["", "/"],
    ["/", "/"],
    ["/%2F", "/"],
    ["/%2f", "/"],
    ["/shop", "shop"],
    ["/%2Fshop", "/shop"],
    ["/shop%2Ftest", "shop/test"],
    ["/my%20shop", "my shop"],
    ["/caf%C3%A9", "café"],
  ];
  for (const [path, vhost] of cases) {
    assert.deepEqual(brokerAddress(`amqp://localhost${path}`), local({ vhost }), path);
  }
  for (const path of ["//", "/shop/", "/shop/test"]) {
    assert.throws(() => brokerAddress(`amqp://localhost${path}`), UsageError, path);
  }
});

test("`brokerAddress()` reads where the admin site is", () => {
  const cases: [string, string][] = [
    ["amqp://rabbit/v?admin=15672", "http://rabbit:15672"],
    ["amqps://rabbit/v?admin=443", "https://rabbit"],
    ["amqp://[::1]:5673/v?admin=8080", "http://[::1]:8080"],
    ["amqp://rabbit/v?admin=https://site.example:15671", "https://site.example:15671"],
    ["amqp://rabbit/v,amqp://other/v?admin=15672", "http://other:15672"],
  ];
  for (const [url, admin] of cases) {
    assert.equal(brokerAddress(url).admin, admin, url);
    assert.equal(adminSite(brokerAddress(url)), admin, url);
  }
  const refused = [
    "?admin=",
    "?admin=x",
    "?admin=99999",
    "?admin=http://u:secret@rabbit",
    "?admin=http://rabbit/path",
    "?admin=ftp://rabbit",
    "?vhost=v",
    "?admin=1&admin=2",
    "?admin=15672&heartbeat=1",
  ];
  for (const search of refused) {
    const thrown = (error: unknown) =>
      error instanceof UsageError && !error.message.includes("secret");
    assert.throws(() => brokerAddress(`amqp://rabbit/v${search}`), thrown, search);
  }
});

test("`adminSite()` is 10,000 ports above the broker, or where RabbitMQ has it", () => {
  const cases: [string, string][] = [
    ["amqp://rabbit", "http://rabbit:15672"],
    ["amqp://[::1]:5690", "http://[::1]:15690"],
    ["amqp://rabbit:60000", "http://rabbit:15672"],
    ["amqps://rabbit:5671", "https://rabbit:15671"],
  ];
  for (const [url, site] of cases) assert.equal(adminSite(brokerAddress(url)), site, url);
});

test("`brokerAddress()` reads IPv6 addresses", () => {
  const cases: [string, string, number][] = [
    ["amqp://[::1]", "::1", 5672],
    ["amqp://[::1]:5673", "::1", 5673],
    ["amqp://guest:guest@[2001:db8::7]:5672/", "2001:db8::7", 5672],
  ];
  for (const [url, hostname, port] of cases) {
    assert.deepEqual(brokerAddress(url), local(at([hostname, port])), url);
  }
});

test("`brokerAddress()` reads the nodes of a cluster", () => {
  const three = "amqp://u:p@a:5672/v,amqp://u:p@b:5673/v, amqp://u:p@[::1]/v";
  assert.deepEqual(brokerAddress(three), {
    hosts: [
      { hostname: "a", port: 5672 },
      { hostname: "b", port: 5673 },
      { hostname: "::1", port: 5672 },
    ],
    username: "u",
    password: "p",
    vhost: "v",
    tls: false,
  });
});

test("`brokerAddress()` refuses nodes that differ in more than host and port", () => {
  const first = "amqp://user:secret@a:5672/v";
  const others = [
    "amqp://other:secret@b:5672/v",
    "amqp://user:secret2@b:5672/v",
    "amqp://b:5672/v",
    "amqp://user:secret@b:5672/w",
    "amqp://user:secret@b:5672",
    "amqps://user:secret@b:5672/v",
  ];
  for (const other of others) {
    for (const list of [[first, other], [other, first], [first, first, other]]) {
      assert.throws(
        () => brokerAddress(list.join(",")),
        (error) =>
          error instanceof UsageError && /host and port only/.test(error.message) &&
          !error.message.includes("secret"),
        list.join(","),
      );
    }
  }
});

test("`brokerAddress()` takes nodes that say the same in other words", () => {
  const same = [
    "amqp://localhost,amqp://localhost:5673/",
    "amqp://localhost/%2F,amqp://localhost:5673/%2f",
    "amqp://guest:guest@localhost,amqp://localhost:5673",
    "amqp://gue%73t:guest@localhost,amqp://guest:guest@localhost:5673",
  ];
  const expected = local(at(["localhost", 5672], ["localhost", 5673]));
  for (const list of same) assert.deepEqual(brokerAddress(list), expected, list);
});

test("`brokerAddress()` refuses what is no broker's URL, without repeating a password", () => {
  const bad = [
    "",
    " ",
    "localhost",
    "localhost:5672",
    "user:secret@localhost",
    "//user:secret@localhost",
    "http://user:secret@localhost",
    "ampq://user:secret@localhost",
    "amqp:user:secret@localhost",
    "amqp:///secret",
    "amqp://user:secret@",
    "amqp://user:secret@:5672",
    "amqp://user:secret@localhost:port",
    "amqp://user:secret@localhost:70000",
    "amqp://user:secret@local host",
    "amqp://user:secret#1@localhost",
    "amqp://user:secret/1@localhost",
    "amqp://user:secret@localhost/a/b",
    "amqp://user:secret@[::1",
    "amqp://user:secret@a,",
    ",amqp://user:secret@a",
    "amqp://user:secret@a,,amqp://user:secret@b",
    "amqp://user:secret@a,b",
    "amqp://user:x,secret@a",
  ];
  for (const url of bad) {
    assert.throws(
      () => brokerAddress(url),
      (error) => {
        assert.ok(error instanceof UsageError, `${url}: ${error}`);
        const shown = [error.message, error.stack, Deno.inspect(error), String(error.cause)].join();
        assert.ok(!shown.includes("secret"), `${url}: ${shown}`);
        assert.match(error.message, /amqp:\/\/user:password@host:port\/vhost/, url);
        return true;
      },
      url,
    );
  }
});

test("`brokerAddress()` refuses a URL with parts that it would leave out", () => {
  // A raw # or ? in a password makes the user the host and the password's digits the port.
  const urls = [
    "amqp://user:12#34@localhost",
    "amqp://user:12?34@localhost",
    "amqp://localhost/shop?heartbeat=5",
    "amqp://localhost/#shop",
  ];
  for (const url of urls) assert.throws(() => brokerAddress(url), UsageError, url);
});

test("`hostList()` gives hosts and ports alone", () => {
  const cases: [string, string][] = [
    [DEFAULT_URL, "localhost:5672"],
    ["amqp://user:secret@rabbit:5673/v", "rabbit:5673"],
    ["amqps://user:secret@rabbit", "rabbit:5671"],
    ["amqp://user:secret@[::1]:5672", "[::1]:5672"],
    ["amqp://u:secret@a,amqp://u:secret@b:7,amqp://u:secret@[::2]", "a:5672,b:7,[::2]:5672"],
  ];
  for (const [url, expected] of cases) assert.equal(hostList(brokerAddress(url)), expected);
});

test("`requireNetPermission()` says what to type when a host is out of bounds", async () => {
  // In a terminal it would ask.
  const isTerminal = Object.getOwnPropertyDescriptor(Deno.stdin, "isTerminal");
  Object.defineProperty(Deno.stdin, "isTerminal", { configurable: true, value: () => false });
  try {
    const address = brokerAddress("amqp://user:secret@a,amqp://user:secret@[::1]:5673");
    await assert.rejects(requireNetPermission(address), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, /a:5672.*AMQP_HOST=a:5672,\[::1\]:5673 AMQP_URL=/);
      assert.ok(!error.message.includes("secret"));
      return true;
    });
  } finally {
    Reflect.deleteProperty(Deno.stdin, "isTerminal");
    if (isTerminal) Object.defineProperty(Deno.stdin, "isTerminal", isTerminal);
  }
});

const netGranted = Deno.permissions.querySync({ name: "net", host: "a:5672" }).state === "granted";

Deno.test({
  name: "`requireNetPermission()` is content with hosts that are allowed",
  permissions: { net: ["a:5672", "[::1]:5673"] },
  ignore: !netGranted,
  async fn() {
    await requireNetPermission(brokerAddress("amqp://a,amqp://[::1]:5673"));
  },
});

Deno.test({
  name: "`brokerAddress()` takes AMQP_URL when there is no --url, else the local broker",
  permissions: "none",
  fn() {
    // Set in the environment it would be there for the tests that run beside this one, too.
    const { get } = Deno.env;
    let url: string | undefined;
    Deno.env.get = (name) => name === "AMQP_URL" ? url : get(name);
    try {
      url = "amqp://bob:pass@rabbit:5673/shop";
      assert.deepEqual(
        brokerAddress(undefined),
        local({ ...at(["rabbit", 5673]), username: "bob", password: "pass", vhost: "shop" }),
      );
      assert.deepEqual(brokerAddress("amqp://other"), local(at(["other", 5672])));
      url = "amqp://rabbit:secret";
      assert.throws(
        () => brokerAddress(undefined),
        (error) => error instanceof UsageError && !error.message.includes("secret"),
      );
      url = "";
      assert.deepEqual(brokerAddress(undefined), local());
      url = undefined;
      assert.deepEqual(brokerAddress(undefined), local());
    } finally {
      Deno.env.get = get;
    }
  },
});
