/**
 * The board: the three streams, their workers, temperatures, alerts and queues on a page in the browser, live.
 *
 *     deno task board
 *     deno task board --port 8080
 *
 * It watches: it hears what the scripts announce and looks at the queues, and takes nothing from anyone. Needs
 * the network for the broker and to listen on 127.0.0.1, `logs/` to write with `--log`.
 */
import { delay, unlessAborted } from "../shared/abort.ts";
import { brokerAddress, URL_OPTION } from "../shared/broker_url.ts";
import { Connection } from "../shared/connection.ts";
import { FailedError, reasonOf } from "../shared/errors.ts";
import { integer, withDefault } from "../shared/options.ts";
import type { Output } from "../shared/output.ts";
import { OUTPUT_OPTIONS, run, type Script } from "../shared/script.ts";
import { QUEUE_TYPE_OPTION } from "../shared/topology.ts";
import { watch } from "../shared/watch.ts";
import { BoardView } from "./board/board_view.ts";
import { QueueWatch } from "./board/queue_watch.ts";
import { Site } from "./board/site.ts";

const usage = {
  task: "board",
  script: "board",
  summary:
    "Shows the streams in a browser: who works on what, temperatures and alerts, every queue.\n" +
    "It takes nothing from anyone; the page is for this machine only.",
  options: {
    port: withDefault("N", integer(0, 65_535), "8000", "where the page is; 0 takes any free port"),
    ...URL_OPTION,
    ...QUEUE_TYPE_OPTION,
    ...OUTPUT_OPTIONS,
  },
};

const HOSTNAME = "127.0.0.1";

/** How long answers may take that are under way when it ends, in milliseconds. */
const GOODBYE_MS = 1000;

/** How long before the page is served again that the system couldn't serve, in milliseconds. */
const RETRY_MS = 1000;

/** How often it is noticed that the broker or a worker is gone, in milliseconds. */
const TIDY_MS = 500;

async function board({ values, out, signal }: Script<typeof usage.options>): Promise<void> {
  const view = new BoardView();
  const options = { out, signal, name: usage.script };
  await using connection = await Connection.open(
    brokerAddress(values.url, values),
    "consume",
    options,
  );
  const stopped = new AbortController();
  const until = AbortSignal.any([signal, stopped.signal]);
  const answer = (request: Request) => site.answer(request);
  const server = listen(values.port, answer);
  const { port } = server.addr;
  const site = new Site(view, port, until);
  const url = `http://localhost:${port}`;
  const queues = new QueueWatch();
  const hear = (key: string, body: unknown) => view.hear(key, body) && queues.stir();
  let ready = false;
  const onReady = () => {
    if (ready) return;
    ready = true;
    out.event(
      { event: "ready", pid: Deno.pid, name: usage.script, url },
      () => `The board is at ${url}; Ctrl-C stops`,
    );
  };
  try {
    await Promise.all([
      watch(connection, { hear, onReady, signal: until }),
      queues.run(connection, (states) => view.queues = states, until),
      tidy(view, connection, until),
      keepServing(server, answer, out, until),
    ]);
  } finally {
    stopped.abort();
  }
  out.summary(
    { event: "summary", announcements: view.heard },
    () => `Shown: ${view.heard} announcements`,
  );
}

/** Serves until `signal`, and again where the system had no room for one more connection. */
async function keepServing(
  first: Server,
  answer: (request: Request) => Response,
  out: Output,
  signal: AbortSignal,
): Promise<void> {
  const { port } = first.addr;
  for (let server: Server | undefined = first; !signal.aborted;) {
    try {
      server ??= listen(port, answer);
      await unlessAborted(server.finished, signal);
      if (!signal.aborted) continue;
      // A request that never ends, or an answer that nobody reads, ends with the script.
      await unlessAborted(server.shutdown(), AbortSignal.timeout(GOODBYE_MS));
    } catch (error) {
      if (server) out.note(`The page is away (${reasonOf(error)}): trying again until it is back`);
      server = undefined;
      await delay(RETRY_MS, signal);
    }
  }
}

type Server = Deno.HttpServer<Deno.NetAddr>;

/** @throws {FailedError} If the port can't be had. */
function listen(
  port: number,
  answer: (request: Request) => Response,
): Server {
  try {
    const quiet = { onListen: () => {}, onError: () => new Response(null, { status: 400 }) };
    return Deno.serve({ hostname: HOSTNAME, port, ...quiet }, answer);
  } catch (error) {
    const why = error instanceof Deno.errors.AddrInUse
      ? "is taken by another program: end that, or take another --port"
      : `can't be used: ${reasonOf(error)}`;
    throw new FailedError(`Port ${port} ${why}`);
  }
}

/** Keeps the view true while nothing is announced: who is gone, what is too old, whether the broker is there. */
async function tidy(view: BoardView, connection: Connection, signal: AbortSignal): Promise<void> {
  let since: number | null = null;
  while (!signal.aborted) {
    since = connection.away ? since ?? Date.now() : null;
    view.away = since;
    view.tidy();
    await delay(TIDY_MS, signal);
  }
}

if (import.meta.main) await run(usage, board);
