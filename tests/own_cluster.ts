/** Brokers of a test's own on this machine, one or a cluster of several, to be killed, frozen and started again. */
import assert from "node:assert/strict";
import type { Event } from "../shared/script.ts";
import { installedServer } from "../shared/tools/broker/local_node.ts";
import { TaskProcess } from "../shared/tools/demo/task_process.ts";

const AUTHORIZATION = `Basic ${btoa("guest:guest")}`;
const POLL_MS = 50;

/** What the admin site says of a queue. */
export interface QueueFacts {
  readonly name: string;
  readonly messages: number;
  readonly consumers: number;
  /** Node names: of the quorum queue's leader, of all that keep it, and of those of them that are there. */
  readonly leader: string;
  readonly members: string[];
  readonly online: string[];
}

/** `rabbit-5681@localhost` is on port 5681. */
export const portOf = (node: string) => Number(/rabbit-(\d+)@/.exec(node)?.[1]);

/** Its nodes are ended, and their folders removed, when it is disposed of. */
export class OwnCluster implements AsyncDisposable {
  readonly ports: readonly number[];
  /** What `AMQP_URL` is to be. */
  readonly url: string;
  /** The environment in which tasks may reach it. */
  readonly env: Record<string, string>;
  readonly #flags: string[];

  /** @param count Nodes: 1, 3, 5 or 7, on ports from `first` on. */
  constructor(first: number, count: number) {
    this.ports = Array.from({ length: count }, (_, index) => first + index);
    this.url = this.ports.map((port) => `amqp://guest:guest@localhost:${port}`).join();
    this.env = {
      AMQP_HOST: this.ports.map((port) => `localhost:${port}`).join(),
      AMQP_URL: this.url,
    };
    this.#flags = ["--port", String(first), ...count > 1 ? ["--nodes", String(count)] : []];
  }

  /** Starts a broker that is no cluster. */
  static async single(port: number): Promise<OwnCluster> {
    const broker = new OwnCluster(port, 1);
    await broker.start();
    return broker;
  }

  /** Starts what doesn't run of it; the events of that. */
  async start(): Promise<Event[]> {
    return await broker(this.#flags);
  }

  /** Sends one node a signal. */
  async signal(port: number, signal: "KILL" | "STOP" | "CONT"): Promise<void> {
    const pid = await this.pid(port);
    assert.ok(pid, `the node on port ${port} runs`);
    Deno.kill(pid, `SIG${signal}`);
    while (signal === "KILL" && await this.pid(port) === pid) await pause(POLL_MS);
  }

  /** Ends all nodes without a warning, as a power cut does. */
  async kill(): Promise<void> {
    await Promise.all(this.ports.map((port) => this.signal(port, "KILL")));
  }

  /** The process id of a node; `null` when it doesn't run. */
  async pid(port: number): Promise<number | null> {
    const [node] = await nodes(["--port", String(port), "--status"]);
    return node?.pid as number | null;
  }

  /** What is in the queues of a virtual host, as a node on one of the ports knows it. */
  async queues(vhost = "/", port = this.ports[0]): Promise<QueueFacts[]> {
    return await this.admin("GET", `queues/${encodeURIComponent(vhost)}`, undefined, port);
  }

  /** A queue, as soon as the admin site has found out who leads it and who keeps it. */
  async queue(name: string, vhost = "/"): Promise<QueueFacts> {
    for (const deadline = performance.now() + 20_000;;) {
      const found = (await this.queues(vhost)).find((queue) => queue.name === name);
      if (found?.leader && found.members) return found;
      assert.ok(performance.now() < deadline, `waited in vain for ${name}`);
      await pause(POLL_MS);
    }
  }

  /**
   * Waits until a queue would survive a power cut: RabbitMQ 3.10 loses a quorum queue that is younger than the
   * second in which it writes its name down.
   *
   * @param queues As it writes them: `<virtual host>_<queue>`, that of `/` as `%2F`.
   */
  async persisted(...queues: string[]): Promise<void> {
    for (const port of this.ports) {
      const node = `rabbit-${port}@localhost`;
      const names = `.rabbitmq/${port}/data/${node}/quorum/${node}/names.dets`;
      for (const deadline = performance.now() + 20_000;;) {
        const text = await Deno.readTextFile(names).catch(() => "");
        // A name has its length before it: help_queue isn't help_queue.dead.
        const has = (queue: string) => text.includes(String.fromCharCode(queue.length) + queue);
        if (queues.every(has)) break;
        assert.ok(performance.now() < deadline, `waited in vain for ${queues} on disk`);
        await pause(POLL_MS);
      }
    }
  }

  /** Runs rabbitmqctl on the first node, with the cookie of its folder. */
  async control(...args: string[]): Promise<void> {
    const port = this.ports[0];
    const server = await installedServer() ?? "rabbitmq-server";
    const { success, stderr } = await new Deno.Command(server.replace(/-server$/, "ctl"), {
      args: ["-n", `rabbit-${port}@localhost`, ...args],
      env: { HOME: await Deno.realPath(`.rabbitmq/${port}/home`), LANG: "C.UTF-8" },
      stdin: "null",
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
  }

  /** Asks the admin site of a node. */
  // deno-lint-ignore no-explicit-any -- the admin site's own forms
  async admin(method: string, path: string, body?: unknown, port = this.ports[0]): Promise<any> {
    const answer = await fetch(`http://localhost:${Number(port) + 10_000}/api/${path}`, {
      method,
      headers: { authorization: AUTHORIZATION, "content-type": "application/json" },
      ...body === undefined ? {} : { body: JSON.stringify(body) },
    });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  /** Ends it the way a power cut does: nothing of it is needed any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const port of this.ports) {
      const pid = await this.pid(port);
      if (pid) await this.signal(port, "KILL");
      await Deno.remove(`.rabbitmq/${port}`, { recursive: true }).catch(() => {});
    }
  }
}

/** Runs the broker task to its end; its events. */
export async function broker(args: string[], env: Record<string, string> = {}): Promise<Event[]> {
  const task = new TaskProcess("broker", args, { env });
  const { code, stderr } = await task.ended;
  assert.equal(code, 0, stderr);
  return task.events;
}

/** What it says of each node. */
export async function nodes(args: string[], env: Record<string, string> = {}): Promise<Event[]> {
  return (await broker(args, env)).filter(({ event }) => event === "broker");
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
