/**
 * The help desk end to end: a producer replays tickets, one worker takes them, is joined by a second and a
 * third, and then one is killed in the middle of a ticket. At the end: who handled what.
 */
import { type Event, type Output, unlessAborted } from "../../script.ts";
import { CATEGORIES } from "../../streams.ts";
import type { DemoTasks } from "./demo_tasks.ts";
import type { TaskProcess } from "./task_process.ts";

const TICKETS = 60;
const INTERVAL = "250ms";
const HANDLE = "600ms";

/** What happens when this number of tickets is published. */
const BOB_JOINS_AT = 12;
const CLEO_JOINS_AT = 24;
const CLEO_DIES_AT = 42;

/** How long it may take at most, in milliseconds. */
const TIMEOUT_MS = 40_000;

/** The workers, and what has become of the tickets. */
class HelpdeskDemo {
  readonly allHandled = Promise.withResolvers<void>();
  confirmed = 0;
  redelivered = 0;
  /** Who handled a ticket first, by its id. */
  readonly handledBy = new Map<string, string>();
  readonly #workers = new Map<string, TaskProcess>();
  readonly #cast: DemoTasks;
  readonly #out: Output;
  readonly #run = `demo-${crypto.randomUUID().slice(0, 8)}`;
  readonly #started = performance.now();

  constructor(cast: DemoTasks, out: Output) {
    this.#cast = cast;
    this.#out = out;
  }

  async play(): Promise<void> {
    await this.#join("ann");
    this.#say("bold", `${TICKETS} tickets come, one every ${INTERVAL}`);
    const pace = ["--run", this.#run, "--limit", String(TICKETS), "--interval", INTERVAL];
    const args = [...pace, ...this.#cast.queues("tickets")];
    const onEvent = ({ event }: Event) => {
      if (event !== "published") return;
      this.confirmed++;
      if (this.confirmed === BOB_JOINS_AT) this.#join("bob").catch(this.allHandled.reject);
      if (this.confirmed === CLEO_JOINS_AT) this.#join("cleo").catch(this.allHandled.reject);
      if (this.confirmed === CLEO_DIES_AT) this.#lose("cleo").catch(this.allHandled.reject);
    };
    await this.#cast.ended(this.#cast.start("helpdesk:produce", args, onEvent));
    await this.allHandled.promise;
  }

  async #join(name: string): Promise<void> {
    const args = ["--name", name, "--handle", HANDLE, ...this.#cast.queues("tickets", "replies")];
    const worker = this.#cast.start("helpdesk:work", args, (event) => {
      if (event.event === "ticket") this.#onTicket(event);
    });
    this.#workers.set(name, worker);
    // A worker that can't even start has said why.
    await Promise.race([worker.ready(), this.#cast.ended(worker)]);
    this.#say("bold", `${name} joins: ${this.#workers.size} at work`);
  }

  async #lose(name: string): Promise<void> {
    const worker = this.#workers.get(name);
    this.#workers.delete(name);
    await worker?.kill("KILL");
    this.#say("red", `${name} is killed in the middle of a ticket: ${this.#workers.size} at work`);
  }

  #onTicket({ worker, id, name, category, redelivered, attempt }: Event): void {
    const again = redelivered ? `  (redelivered, attempt ${attempt})` : "";
    const number = String(id).split("/").at(-1)?.padStart(3);
    const words = CATEGORIES[category as keyof typeof CATEGORIES];
    const line = `${String(worker).padEnd(5)} ticket ${number}  ${name}: ${words}${again}`;
    this.#say(redelivered ? "yellow" : undefined, line);
    if (redelivered) this.redelivered++;
    if (!this.handledBy.has(String(id))) this.handledBy.set(String(id), String(worker));
    if (this.handledBy.size === TICKETS) this.allHandled.resolve();
  }

  #say(style: "bold" | "red" | "yellow" | undefined, text: string): void {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1).padStart(5);
    this.#out.event(
      { event: "demo", seconds: Number(seconds), text },
      () => `${seconds} s  ${style ? this.#out.paint(style, text) : text}`,
    );
  }
}

/**
 * Plays it.
 *
 * @returns The exit code.
 */
export async function helpdeskDemo(
  cast: DemoTasks,
  out: Output,
  signal: AbortSignal,
): Promise<number> {
  const scene = new HelpdeskDemo(cast, out);
  await unlessAborted(scene.play(), AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
  await cast.stop();
  return report(scene, out, signal.aborted);
}

/** Who got what, and whether all arrived. */
function report(
  { handledBy, confirmed, redelivered }: HelpdeskDemo,
  out: Output,
  stopped: boolean,
): number {
  const counts = new Map<string, number>();
  for (const worker of handledBy.values()) counts.set(worker, (counts.get(worker) ?? 0) + 1);
  const waiting = confirmed - handledBy.size;
  const lost = stopped ? 0 : waiting;
  out.summary(
    {
      event: "summary",
      published: confirmed,
      handled: handledBy.size,
      lost,
      redelivered,
      workers: Object.fromEntries(counts),
    },
    () =>
      [
        "",
        "worker  tickets",
        ...[...counts].map(([worker, count]) =>
          `${worker.padEnd(7)} ${String(count).padStart(7)}  ${"█".repeat(count)}`
        ),
        "",
        `${confirmed} tickets confirmed by the broker, ${handledBy.size} handled, ` +
        `${redelivered} of them after a worker died, ` +
        (stopped ? `stopped while ${waiting} were waiting` : `${lost === 0 ? "none" : lost} lost`),
      ].join("\n"),
  );
  return stopped || (lost === 0 && handledBy.size === TICKETS) ? 0 : 1;
}
