/**
 * End-to-end tests: the real tasks with their real flags, as child processes, each test on a virtual host of
 * its own at the tests' broker, so that nobody's queues are touched.
 */
import assert from "node:assert/strict";
import { adminSite, brokerAddress, Connection } from "../../shared/connection.ts";
import { type Event, Output } from "../../shared/script.ts";
import { TaskProcess, type TaskProcessOptions } from "../../shared/tools/demo/task_process.ts";
import { askAdminSite, testBroker, testBrokerEnv, testBrokerUrl } from "../test_broker.ts";

/** What end-to-end tests need; `deno test --allow-net` skips them and names it. */
const NEEDED = [{ name: "run", command: "deno" }, { name: "run", command: "kill" }] as const;

/** Registers an end-to-end test; ignored, with the reason in its name, where permissions are missing. */
export function e2e(name: string, fn: () => Promise<void>): void {
  const ignore = NEEDED.some((it) => Deno.permissions.querySync(it).state !== "granted");
  Deno.test({
    name: ignore ? `${name} (skipped: needs --allow-run, use deno task test)` : name,
    ignore,
    sanitizeOps: false,
    sanitizeResources: false,
    fn,
  });
}

/** A virtual host, with tasks that use it. All is ended and deleted when the test ends. */
export class Vhost implements AsyncDisposable {
  readonly url: string;
  readonly name: string;
  /** The environment in which tasks use it. */
  readonly env: Record<string, string>;
  readonly #tasks: TaskProcess[] = [];

  private constructor(name: string) {
    this.name = name;
    this.url = testBrokerUrl({ pathname: name });
    this.env = testBrokerEnv(this.url);
  }

  static async create(): Promise<Vhost> {
    const name = `test-${crypto.randomUUID().slice(0, 8)}`;
    await admin("PUT", `/vhosts/${name}`);
    return new Vhost(name);
  }

  /** Starts a task at this virtual host. */
  start(task: string, args: string[] = [], options: TaskProcessOptions = {}): TaskProcess {
    const env = { ...this.env, ...options.env };
    const process = new TaskProcess(task, args, { ...options, env });
    this.#tasks.push(process);
    return process;
  }

  /** Runs a task to its end and returns that with its summary. */
  async run(task: string, args: string[] = [], options: TaskProcessOptions = {}) {
    const process = this.start(task, args, options);
    const end = await process.ended;
    return { ...end, events: process.events, summary: summaryOf(process) };
  }

  /** A connection to this virtual host, for looking at queues. */
  async connect(): Promise<Connection> {
    return await Connection.open(brokerAddress(this.url), "publish", {
      out: new Output({ script: "test", quiet: true, onClosed: () => {} }),
      signal: new AbortController().signal,
      name: "test",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#tasks.map((task) => task.end()));
    await admin("DELETE", `/vhosts/${this.name}`);
  }
}

/** The names of all queues of a virtual host. */
export async function queueNames({ name }: Vhost): Promise<string[]> {
  const answer = await askAdminSite("GET", `/queues/${name}?columns=name`);
  return (await answer.json()).map(({ name }: { name: string }) => name);
}

/** The events of a kind. */
export function eventsOf(process: { events: Event[] }, kind: string): Event[] {
  return process.events.filter(({ event }) => event === kind);
}

/** The summary, which is the last event. */
export function summaryOf(process: { events: Event[] }): Event {
  const last = process.events.at(-1);
  assert.equal(last?.event, "summary", `no summary at the end, but ${JSON.stringify(last)}`);
  return last as Event;
}

/** The row of a message id `<run>/<row>`. */
export function rowOf(event: Event): number {
  return Number(String(event.id).split("/").at(-1));
}

/** Waits until something asked again and again is true. */
export async function eventually(
  what: string,
  condition: () => Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!await condition()) {
    assert.ok(performance.now() < deadline, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Lines of a class-form CSV with tickets in rows 1 to `count`. */
export function ticketsCsv(count: number): string {
  const rows = Array.from({ length: count }, (_, index) => `2/14/23 10:15,Requester${index + 1},A`);
  return ["Date_Time,First_Name,Help_Request", ...rows].join("\n") + "\n";
}

/** Asks the admin site for something; fails with a sentence when it doesn't answer or refuses. */
export async function admin(method: string, path: string, body?: unknown): Promise<unknown> {
  const site = adminSite(testBroker());
  const answer = await askAdminSite(method, path, { body }).catch(() =>
    assert.fail(`No admin site at ${site}: the tests need a broker of \`deno task broker\``)
  );
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${site}/api${path}: ${answer.status} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

/** A message as the admin site gives it. */
export interface RawMessage {
  readonly body: Buffer;
  readonly messageId: string | undefined;
  readonly correlationId: string | undefined;
  readonly headers: Record<string, unknown>;
}

/** Takes all ready messages out of a queue, oldest first; none if there is no such queue. */
export async function takeRaw(url: string, queue: string): Promise<RawMessage[]> {
  const { vhost } = brokerAddress(url);
  const path = `/queues/${encodeURIComponent(vhost)}/${encodeURIComponent(queue)}/get`;
  const body = { count: 100_000, ackmode: "ack_requeue_false", encoding: "base64" };
  const answer = await askAdminSite("POST", path, { body, url });
  const messages = await answer.json();
  if (answer.status === 404) return [];
  assert.ok(answer.ok, `${path}: ${answer.status} ${JSON.stringify(messages)}`);
  // deno-lint-ignore no-explicit-any -- the admin site's own form
  return messages.map(({ payload, properties }: any) => ({
    body: Buffer.from(payload, "base64"),
    messageId: properties.message_id,
    correlationId: properties.correlation_id,
    headers: properties.headers ?? {},
  }));
}

/**
 * The alerts in `alert_queue`, which are taken out: each body once, by `message_id`. The same `message_id` again
 * must be the same to the byte.
 */
export async function takeAlerts(url: string): Promise<Map<string, string>> {
  const alerts = new Map<string, string>();
  for (const { messageId, body } of await takeRaw(url, "alert_queue")) {
    assert.ok(messageId, `an alert without message_id: ${body}`);
    assert.equal(alerts.get(messageId) ?? String(body), String(body), "the same alert again");
    alerts.set(messageId, String(body));
  }
  return alerts;
}

/** The reading or alert events of each channel, in order, as their JSON; fails if one is of no channel. */
export function byChannel(events: Event[], kind: "reading" | "alert"): Record<string, string[]> {
  const channels: Record<string, string[]> = { "smoker": [], "food-a": [], "food-b": [] };
  for (const event of events) {
    if (event.event !== kind) continue;
    const of = channels[String(event.channel)] ?? assert.fail(`${JSON.stringify(event)}: of what?`);
    of.push(JSON.stringify(event));
  }
  return channels;
}

/** Fails at the first difference between the reading, or the alert, events of each channel. */
export function assertSame(kind: "reading" | "alert", found: Event[], expected: Event[]): void {
  const [channels, wanted] = [byChannel(found, kind), byChannel(expected, kind)];
  for (const [channel, lines] of Object.entries(wanted)) {
    const others = channels[channel] ?? [];
    for (let i = 0; i < Math.max(lines.length, others.length); i++) {
      assert.equal(others[i], lines[i], `${kind} ${i + 1} of ${lines.length} of ${channel}`);
    }
  }
}

/** The messages that alert events tell of, by `message_id`. */
export function alertMessages(events: Event[]): Map<string, string> {
  return new Map(
    events.filter(({ event }) => event === "alert").map(({ event: _, ...alert }) => [
      `${alert.id}/${alert.state}`,
      JSON.stringify(alert),
    ]),
  );
}
