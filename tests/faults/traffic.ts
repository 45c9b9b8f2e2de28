/**
 * What a fault happens to: replays, workers and monitors as real processes, on a virtual host of their own, with a
 * ledger of what they say.
 */
import assert from "node:assert/strict";
import type { Event } from "../../shared/script.ts";
import { TaskProcess } from "../../shared/tools/demo/task_process.ts";
import type { OwnCluster } from "../own_cluster.ts";
import { Ledger, type Result } from "./ledger.ts";
import type { Stage } from "./stage.ts";

export type StreamName = "helpdesk" | "smoker";

/**
 * A stream's tasks, the queues of its messages, and all others that must be on disk before a kill: one that RabbitMQ
 * 3.10 loses doesn't answer whoever looks into it at the end.
 */
const STREAMS = {
  helpdesk: {
    produce: "helpdesk:produce",
    consume: "helpdesk:work",
    flags: ["--handle", "0"],
    queues: ["help_queue"],
    others: ["help_replies", "help_queue.dead"],
  },
  smoker: {
    produce: "smoker:produce",
    consume: "smoker:monitor",
    flags: ["--prefetch", "50"],
    queues: ["01-smoker", "02-food-A", "02-food-B"],
    others: [
      ...["01-smoker.state", "02-food-A.state", "02-food-B.state", "alert_queue"],
      ...["01-smoker.dead", "02-food-A.dead", "02-food-B.dead"],
    ],
  },
} as const;

export interface TrafficOptions {
  /** @default both */
  streams?: readonly StreamName[];
  /** Workers at a time; of monitors there are always two. @default 2 */
  workers?: number;
  /** More flags for the workers. @default none */
  workerFlags?: readonly string[];
  /** Other addresses than the cluster's: `AMQP_HOST` and the URLs without the virtual host. @default the cluster's */
  env?: { AMQP_HOST: string; AMQP_URL: string };
}

/**
 * Time between rows, and how long something may take until it counts as stuck, in milliseconds: less than the minute
 * for which RabbitMQ 4.3 would let the consumers of a lost node keep what they held (node_launch.ts).
 */
const INTERVAL = "25ms";
const STUCK_MS = 45_000;
const POLL_MS = 25;
/** Confirms after a fault that show that it goes on. */
const ENOUGH = 10;

export class Traffic implements AsyncDisposable {
  readonly vhost = `faults-${crypto.randomUUID().slice(0, 8)}`;
  readonly problems: string[] = [];
  readonly #cluster: OwnCluster;
  readonly #options: TrafficOptions;
  readonly #env: Record<string, string>;
  readonly #ledgers: ReadonlyMap<StreamName, Ledger>;
  readonly #producers: TaskProcess[] = [];
  readonly #consumers = new Map<string, { stream: StreamName; process: TaskProcess }>();
  readonly #all: TaskProcess[] = [];

  private constructor(cluster: OwnCluster, options: TrafficOptions) {
    this.#cluster = cluster;
    this.#options = options;
    const { AMQP_HOST = "", AMQP_URL = "" } = options.env ?? cluster.env;
    this.#env = {
      AMQP_HOST,
      AMQP_URL: AMQP_URL.split(",").map((url) => `${url}/${this.vhost}`).join(),
    };
    const streams = options.streams ?? ["helpdesk", "smoker"];
    this.#ledgers = new Map(streams.map((stream) => [stream, new Ledger()]));
  }

  /** Starts everything, and waits until it flows and the queues are on disk. */
  static async start(cluster: OwnCluster, options: TrafficOptions = {}): Promise<Traffic> {
    const traffic = new Traffic(cluster, options);
    try {
      await cluster.admin("PUT", `vhosts/${traffic.vhost}`);
      for (const [stream, ledger] of traffic.#ledgers) traffic.#produce(stream, ledger);
      const consumers = [...traffic.#ledgers.keys()].flatMap((stream) => {
        const count = stream === "smoker" ? 2 : options.workers ?? 2;
        return Array.from({ length: count }, (_, index) => traffic.hire(stream, `c${index + 1}`));
      });
      await Promise.all(consumers.map((consumer) => consumer.ready()));
      const queues = [...traffic.#ledgers.keys()].flatMap((stream) =>
        [...STREAMS[stream].queues, ...STREAMS[stream].others].map((queue) =>
          `${traffic.vhost}_${queue}`
        )
      );
      await cluster.persisted(...queues);
      await traffic.flows();
      for (const ledger of traffic.#ledgers.values()) ledger.longestPauseMs = 0;
      return traffic;
    } catch (error) {
      await traffic[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts a consumer, in the place of the one that had its name. */
  hire(stream: StreamName, name: string): TaskProcess {
    const ledger = this.#ledger(stream);
    const { consume, flags } = STREAMS[stream];
    const more = stream === "helpdesk" ? this.#options.workerFlags ?? [] : [];
    const process = this.#start(consume, ["--name", name, ...flags, ...more], (event) => {
      const id = String(event.id);
      if (event.event === "ticket") ledger.handle(id);
      else if (event.event === "reading") ledger.handle(id, JSON.stringify(event));
      else if (event.event === "dead") ledger.bury(id);
    });
    this.#consumers.set(`${stream} ${name}`, { stream, process });
    return process;
  }

  /** Forgets a consumer that has ended by itself, as it should. */
  dismiss(stream: StreamName, name: string): void {
    this.#consumers.delete(`${stream} ${name}`);
  }

  /** The consumers of a stream. */
  consumers(stream: StreamName): { name: string; process: TaskProcess }[] {
    return [...this.#consumers].filter(([, it]) => it.stream === stream)
      .map(([name, { process }]) => ({ name: name.split(" ")[1] ?? "", process }));
  }

  /** Everything confirmed until now and not handled lay in a queue that was deleted. */
  forgive(stream: StreamName): void {
    this.#ledger(stream).deletedUntil = performance.now();
  }

  /** How many messages of a stream that were confirmed between two times nobody has handled yet. */
  unhandled(stream: StreamName, from: number, to: number): number {
    return this.#ledger(stream).unhandled(from, to);
  }

  /** How many messages are confirmed. */
  get published(): number {
    return [...this.#ledgers.values()].reduce((sum, { published }) => sum + published, 0);
  }

  /** Waits until messages that are confirmed from now on are handled, in every stream. */
  async flows(): Promise<void> {
    const since = performance.now();
    for (const [stream, ledger] of this.#ledgers) {
      const enough = ledger.published + ENOUGH;
      await this.until(
        `${stream} to go on`,
        () => ledger.published >= enough && ledger.handledSince(since),
      );
    }
  }

  /** Ends the producers, then, when all is handled, the consumers; adds up. */
  async finish(): Promise<Result> {
    await Promise.all(this.#producers.map((producer) => producer.stop()));
    await this.#settled();
    await Promise.all([...this.#consumers.values()].map(async ({ process }) => {
      await process.stop();
      const { code, stderr } = await process.ended;
      if (code !== 0) this.problems.push(`${process.task} ended with ${code}: ${stderr.trim()}`);
    }));
    for (const [stream, ledger] of this.#ledgers) {
      for (const queue of STREAMS[stream].queues) {
        // A queue with a single active consumer can't be looked into: what is left there counts as lost.
        if (stream === "helpdesk") { for (const id of await this.#take(queue)) ledger.leave(id); }
        for (const id of await this.#take(`${queue}.dead`)) ledger.bury(id);
      }
      this.problems.push(...ledger.contradictions);
    }
    const results = [...this.#ledgers.values()].map((ledger) => ledger.result());
    const sum = (count: (result: typeof results[number]) => number) =>
      results.reduce((total, result) => total + count(result), 0);
    const lostIds = results.flatMap(({ lostIds }) => lostIds);
    if (lostIds.length > 0) this.problems.push(`lost: ${lostIds.slice(0, 10).join(", ")} …`);
    return {
      published: sum(({ published }) => published),
      handled: sum(({ handled }) => handled),
      dead: sum(({ dead }) => dead),
      left: sum(({ left }) => left),
      deleted: sum(({ deleted }) => deleted),
      lost: sum(({ lost }) => lost),
      repeated: sum(({ repeated }) => repeated),
      pause: Math.max(...results.map(({ pause }) => pause)),
      problems: this.problems,
    };
  }

  /** What the processes of a task have said on stderr; they must have ended. */
  async said(task: string): Promise<string> {
    const ends = this.#all.filter((process) => process.task === task).map(({ ended }) => ended);
    return (await Promise.all(ends)).map(({ stderr }) => stderr).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((process) => process.end()));
    await this.#cluster.admin("DELETE", `vhosts/${this.vhost}`).catch(() => {});
  }

  #ledger(stream: StreamName): Ledger {
    const ledger = this.#ledgers.get(stream);
    assert.ok(ledger, `${stream} isn't part of this traffic`);
    return ledger;
  }

  #produce(stream: StreamName, ledger: Ledger): void {
    const flags = ["--loop", "--interval", INTERVAL, "--run", "f"];
    const producer = this.#start(STREAMS[stream].produce, flags, ({ event, id }) => {
      if (event === "published") ledger.publish(String(id));
    });
    this.#producers.push(producer);
  }

  #start(task: string, flags: string[], onEvent: (event: Event) => void): TaskProcess {
    const process = new TaskProcess(task, flags, { env: this.#env, onEvent });
    this.#all.push(process);
    return process;
  }

  /** Waits until every confirmed message is accounted for, or nothing has moved for long. */
  async #settled(): Promise<void> {
    for (const [stream, ledger] of this.#ledgers) {
      let [progress, since] = [ledger.progress, performance.now()];
      while (!ledger.complete && performance.now() - since < STUCK_MS / 2) {
        await pause(POLL_MS);
        if (ledger.progress !== progress) [progress, since] = [ledger.progress, performance.now()];
      }
      if (!ledger.complete) this.problems.push(`${stream} has stopped before all was handled`);
    }
  }

  /** Waits for a condition; fails when it takes too long, or a producer ends. */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + STUCK_MS;
    let ended: TaskProcess | undefined;
    for (const producer of this.#producers) producer.ended.then(() => ended = producer);
    while (!await condition()) {
      if (ended) throw new Error(`${ended.task} ended: ${(await ended.ended).stderr.trim()}`);
      if (performance.now() > deadline) {
        throw new Error(`waited in vain for ${what}\n${await this.#state()}`);
      }
      await pause(POLL_MS);
    }
  }

  /** The last words of every process. */
  async #state(): Promise<string> {
    const lines = this.#all.map(async ({ task, pid, events, ended }) => {
      const end = await Promise.race([ended, pause(0)]);
      const last = events.slice(-3).map((event) => JSON.stringify(event)).join(" ");
      return `  ${task} (${pid}): ${last}${
        end ? ` ended with ${end.code}: ${end.stderr.trim()}` : ""
      }`;
    });
    return (await Promise.all(lines)).join("\n");
  }

  /** The ids of what is ready in a queue, which is taken out. */
  async #take(queue: string): Promise<string[]> {
    const get = { count: 100_000, ackmode: "ack_requeue_false", encoding: "base64" };
    const place = `queues/${this.vhost}/${encodeURIComponent(queue)}/get`;
    const messages = await this.#cluster.admin("POST", place, get);
    return messages.map(({ properties }: { properties: { message_id: string } }) =>
      properties.message_id
    );
  }
}

/**
 * Lets a fault happen as often as its stage says, under running traffic.
 *
 * @param each Makes it happen once, and waits until all goes on.
 */
export async function underTraffic(
  { cluster, times }: Stage,
  options: TrafficOptions,
  each: (traffic: Traffic, time: number) => Promise<void>,
): Promise<Result> {
  await using traffic = await Traffic.start(cluster, options);
  for (let time = 1; time <= times; time++) await each(traffic, time);
  await traffic.flows();
  return await traffic.finish();
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
