/**
 * End-to-end tests: the real tasks with their real flags, as child processes, each test on a virtual host of
 * its own at the broker on localhost:5672, so that nobody's queues are touched.
 */
import assert from "node:assert/strict";
import { brokerAddress } from "../../shared/broker_url.ts";
import { Connection } from "../../shared/connection.ts";
import type { Event } from "../../shared/output.ts";
import { Output } from "../../shared/output.ts";
import { TaskProcess, type TaskProcessOptions } from "../../shared/tools/task_process.ts";

const ADMIN = "http://localhost:15672/api";
const AUTHORIZATION = `Basic ${btoa("guest:guest")}`;

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
  readonly #name: string;
  readonly #tasks: TaskProcess[] = [];

  private constructor(name: string) {
    this.#name = name;
    this.url = `amqp://guest:guest@localhost:5672/${name}`;
  }

  static async create(): Promise<Vhost> {
    const name = `test-${crypto.randomUUID().slice(0, 8)}`;
    await admin("PUT", `/vhosts/${name}`);
    return new Vhost(name);
  }

  /** Starts a task at this virtual host. */
  start(task: string, args: string[] = [], options: TaskProcessOptions = {}): TaskProcess {
    const env = { AMQP_URL: this.url, ...options.env };
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
    await admin("DELETE", `/vhosts/${this.#name}`);
  }
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

async function admin(method: string, path: string): Promise<void> {
  let answer: Response;
  try {
    answer = await fetch(`${ADMIN}${path}`, {
      method,
      headers: { authorization: AUTHORIZATION, "content-type": "application/json" },
    });
  } catch {
    throw new Error(`No admin site at ${ADMIN}: the tests need a broker of \`deno task broker\``);
  }
  await answer.body?.cancel();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
}
