import assert from "node:assert/strict";
import {
  installedServer,
  runningPid,
  startNode,
  stopNode,
} from "../../shared/tools/broker/local_node.ts";
import { TaskProcess } from "../../shared/tools/demo/task_process.ts";
import { Authority, type Issued } from "./authority.ts";
import { e2e, eventsOf, eventually } from "./harness.ts";

const PORT = 5689;
const TLS_PORT = 5688;
const WAITING = { signal: new AbortController().signal, report: () => {} };

/** A folder in the one that tasks may read; gone when the test ends. */
async function certsFolder(stack: AsyncDisposableStack): Promise<string> {
  await Deno.mkdir("certs", { recursive: true });
  const folder = await Deno.makeTempDir({ dir: "certs", prefix: "test-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  return folder;
}

/** A broker that demands a client's certificate on its port for TLS. */
async function broker(stack: AsyncDisposableStack, ca: Authority, server: Issued): Promise<void> {
  const data = await Deno.makeTempDir();
  stack.defer(async () => {
    // Its data go with it: no need for the seconds that an orderly end takes.
    await new Deno.Command("kill", { args: ["-KILL", String(await runningPid(data))] }).output();
    await stopNode(data, WAITING);
    await Deno.remove(data, { recursive: true });
  });
  const path = (file: string) => `${Deno.cwd()}/${file}`;
  const conf = [
    `listeners.ssl.local = 127.0.0.1:${TLS_PORT}`,
    `ssl_options.cacertfile = ${path(ca.file)}`,
    `ssl_options.certfile = ${path(server.certFile)}`,
    `ssl_options.keyfile = ${path(server.keyFile)}`,
    "ssl_options.verify = verify_peer",
    "ssl_options.fail_if_no_peer_cert = true",
  ];
  const program = await installedServer() ?? assert.fail("no rabbitmq-server");
  await startNode(program, { port: PORT, data, conf }, WAITING);
}

/** TLS with another certificate and without a client's, before the broker's plain port. */
function front(stack: AsyncDisposableStack, { cert, key }: Issued): number {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
  stack.defer(() => listener.close());
  const pass = async (client: Deno.Conn) => {
    const broker = await Deno.connect({ hostname: "127.0.0.1", port: PORT });
    await Promise.allSettled([
      client.readable.pipeTo(broker.writable),
      broker.readable.pipeTo(client.writable),
    ]);
  };
  (async () => {
    // A refused handshake fails later, when something is read.
    for await (const client of listener) pass(client).catch(() => {});
  })().catch(() => {});
  return listener.addr.port;
}

/** Starts a task that may reach one port of localhost. */
function start(
  task: string,
  port: number,
  args: string[],
  { scheme = "amqps", env = {} }: { scheme?: string; env?: Record<string, string> } = {},
): TaskProcess {
  const host = `localhost:${port}`;
  const AMQP_URL = `${scheme}://guest:guest@${host}`;
  return new TaskProcess(task, args, { env: { AMQP_HOST: host, AMQP_URL, ...env } });
}

/** A connection, as the admin site names it. */
interface Open {
  readonly name: string;
  readonly user_provided_name?: string;
}

async function connections(method: "GET" | "DELETE", name = ""): Promise<Open[]> {
  const answer = await fetch(`http://localhost:${PORT + 10_000}/api/connections/${name}`, {
    method,
    headers: { authorization: `Basic ${btoa("guest:guest")}` },
  });
  return method === "GET" ? await answer.json() : (await answer.body?.cancel(), []);
}

e2e("TLS: who is trusted, who isn't, and what is said then", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await certsFolder(stack);
  const ca = await Authority.make(folder, "ca");
  const stranger = await Authority.make(folder, "stranger");
  const server = await ca.issue("server", "DNS:localhost");
  const client = await ca.issue("client", "DNS:client");
  const foreign = await stranger.issue("foreign", "DNS:client");
  await broker(stack, ca, server);
  const fronts = {
    good: front(stack, server),
    named: front(stack, await ca.issue("named", "DNS:elsewhere.example")),
    expired: front(stack, await ca.issue("expired", "DNS:localhost", 0)),
  };
  const trust = ["--ca", ca.file];
  const show = ({ certFile, keyFile }: Issued) => ["--cert", certFile, "--key", keyFile];

  /** One line that says what to do, exit 1, at once. */
  const refused = async (process: TaskProcess, says: RegExp, { atOnce = true } = {}) => {
    const since = performance.now();
    const { code, stderr } = await process.ended;
    assert.match(stderr, says);
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
    assert.equal(code, 1, stderr);
    assert.equal(performance.now() - since < 9000, atOnce, stderr);
  };
  const produced = async (process: TaskProcess) => {
    const { code, stderr } = await process.ended;
    assert.equal(code, 0, stderr);
    assert.equal(eventsOf(process, "published").length, 1);
  };

  const worker = start("tasks:work", TLS_PORT, [...trust, ...show(client)]);
  stack.defer(() => worker.end());
  const DENO_CERT = `${Deno.cwd()}/${ca.file}`;
  const task = ["task", "--run"];
  /** Its connections are closed by the broker: it comes back with the same certificates. */
  const reconnects = async () => {
    await worker.ready();
    let open: Open[] = [];
    await eventually("the admin site to know the worker's connections", async () => {
      open = (await connections("GET")).filter(({ user_provided_name: name }) =>
        name?.startsWith("task_worker ")
      );
      return open.length === 2;
    });
    for (const { name } of open) await connections("DELETE", encodeURIComponent(name));
    await worker.until((events) => events.some(({ event }) => event === "reconnected"));
    await produced(start("tasks:new", TLS_PORT, [...task, "d", ...trust, ...show(client)]));
    await worker.until((events) => events.filter(({ event }) => event === "task").length === 4);
  };
  await Promise.all([
    reconnects(),
    produced(start("tasks:new", TLS_PORT, [...task, "a", ...trust, ...show(client)])),
    produced(start("tasks:new", TLS_PORT, [...task, "b", ...show(client)], { env: { DENO_CERT } })),
    produced(start("tasks:new", fronts.good, [...task, "c", ...trust])),
    // What takes ten seconds runs beside the others.
    refused(
      start("dead", TLS_PORT, [], { scheme: "amqp" }),
      /after 10 s .*if this is its port for TLS, write amqps:\/\//,
      { atOnce: false },
    ),
    (async () => {
      const cases: [number, string[], RegExp, Record<string, string>?][] = [
        [fronts.good, [], /authority that isn't trusted here: .*--ca FILE/],
        [fronts.good, ["--ca", stranger.file], /isn't from the authority of --ca/],
        // --ca is the only one that is trusted then.
        [fronts.good, ["--ca", stranger.file], /isn't from the authority of --ca/, { DENO_CERT }],
        [fronts.named, trust, /other host names: .*\(DNS:elsewhere\.example\)/],
        [fronts.expired, trust, /isn't valid now: it has expired/],
        [PORT, trust, /doesn't speak TLS on this port: write amqp:\/\//],
        [TLS_PORT, [...trust, ...show(foreign)], /refuses the certificate of --cert/],
        [TLS_PORT, trust, /client certificate.* --cert FILE --key FILE/],
      ];
      for (const [port, args, says, env = {}] of cases) {
        await refused(start("helpdesk:work", port, args, { env }), says);
      }
    })(),
  ]);
});

e2e("TLS: files that aren't what their flags say are one line, exit 2", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await certsFolder(stack);
  const ca = await Authority.make(folder, "ca");
  const client = await ca.issue("client", "DNS:client");
  const broken = `${folder}/broken.pem`;
  await Deno.writeTextFile(
    broken,
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  );
  const cases: [string[], RegExp, string?][] = [
    [["--ca", `${folder}/none.pem`], /none\.pem can't be read: no such file/],
    [["--ca", client.keyFile], /--ca .* must be a certificate in PEM form/],
    [["--ca", broken], /--ca .* must be a certificate in PEM form/],
    [["--ca", "README.md"], /may read certs\/ only\. Type: .*cp README\.md certs/],
    [["--ca", ca.file], /--ca is for TLS: the broker's URL must be amqps:/, "amqp"],
    [["--cert", client.certFile], /--cert and --key go together/],
    [["--cert", client.certFile, "--key", client.certFile], /--key .* must be a private key/],
    [["--cert", ca.file, "--key", client.keyFile], /--key .* doesn't belong to --cert/],
  ];
  await Promise.all(cases.map(async ([args, says, scheme = "amqps"]) => {
    const { code, stderr } = await start("smoker:produce", TLS_PORT, args, { scheme }).ended;
    assert.match(stderr, says);
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
    assert.equal(code, 2, stderr);
  }));
});
