/**
 * The board: the streams, their workers, measurements, alerts and queues on a page in the browser, live.
 *
 *     deno task board
 *     deno task board --port 8080
 *
 * It watches: it hears what the scripts announce and looks at the queues, and takes nothing from anyone. Needs
 * the network for the broker and to listen on 127.0.0.1, `logs/` to write with `--log`.
 */
import { createServer, type Server } from "node:http";
import { Duplex } from "node:stream";
import {
  type BrokerAddress,
  brokerAddress,
  Connection,
  hostList,
  QUEUE_TYPE_OPTION,
  URL_OPTION,
  watch,
} from "../shared/connection.ts";
import {
  delay,
  FailedError,
  integer,
  type Output,
  OUTPUT_OPTIONS,
  reasonOf,
  run,
  type Script,
  unlessAborted,
  withDefault,
} from "../shared/script.ts";
import { ALERTS, allQueues, knownStreams } from "../shared/streams.ts";
import { BoardView } from "./board/board_view.ts";
import { QueueWatch } from "./board/queue_watch.ts";
import { Site } from "./board/site.ts";

const usage = {
  task: "board",
  script: "board",
  summary:
    "Shows the streams in a browser: who works on what, measurements and alerts, every queue.\n" +
    "It takes nothing from anyone; the page is for this machine only.",
  options: {
    port: withDefault("N", integer(0, 65_535), "8000", "where the page is; 0 takes any free port"),
    ...URL_OPTION,
    ...QUEUE_TYPE_OPTION,
    ...OUTPUT_OPTIONS,
  },
};

const HOSTNAME = "127.0.0.1";

/** How long a connection may take until its request's headers are whole, in milliseconds. */
const HEADERS_MS = 5000;

/** How often connections are looked at that have taken too long, in milliseconds. */
const CHECK_MS = 500;

/** How long before connections are accepted again after the system had no room, in milliseconds. */
const RETRY_MS = 1000;

/** How often it is noticed that the broker or a worker is gone, in milliseconds. */
const TIDY_MS = 500;

async function board({ values, out, signal }: Script<typeof usage.options>): Promise<void> {
  const address = brokerAddress(values.url, values);
  const known = await knownStreams((text) => out.error(text));
  const shown = known.filter(({ name }) => name !== ALERTS.name);
  const view = new BoardView(shown, brokerText(address));
  const options = { out, signal, name: usage.script };
  await using connection = await Connection.open(address, "consume", options);
  const stopped = new AbortController();
  const until = AbortSignal.any([signal, stopped.signal]);
  using listener = listen(values.port);
  const { port } = listener.addr;
  const site = new Site(view, port, until);
  const limits = { headersTimeout: HEADERS_MS, connectionsCheckingInterval: CHECK_MS };
  const server = createServer(limits, (request, response) => site.answer(request, response));
  const url = `http://localhost:${port}`;
  const queues = new QueueWatch();
  const onAnnouncement = (key: string, body: unknown) => view.hear(key, body) && queues.stir();
  const onUnknown = (stream: string, body: unknown) => view.meet(stream, body);
  const streams = shown.map(({ name }) => name);
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
      watch(connection, { streams, onAnnouncement, onUnknown, onReady, signal: until }),
      queues.run(connection, {
        ours: allQueues(known),
        others: () => view.queueNames,
        tell: (states, at) => view.looked(states, at),
        signal: until,
      }),
      tidy(view, connection, until),
      keepServing(listener, server, out, until),
    ]);
  } finally {
    stopped.abort();
  }
  out.summary(
    { event: "summary", announcements: view.heard },
    () => `Shown: ${view.heard} announcements`,
  );
}

/** The broker for people, without user and password. */
function brokerText(address: BrokerAddress): string {
  const { vhost } = address;
  return hostList(address).replaceAll(",", ", ") + (vhost === "/" ? "" : `, virtual host ${vhost}`);
}

/**
 * Serves until `signal`, and goes on where the system had no room for one more connection. That is why connections
 * are accepted here: `server.listen` of Deno 2.9 accepts no more after that, and reports nothing.
 */
async function keepServing(
  listener: Deno.TcpListener,
  server: Server,
  out: Output,
  signal: AbortSignal,
): Promise<void> {
  // One request a connection: `headersTimeout` doesn't limit the wait for a next one.
  server.maxRequestsPerSocket = 1;
  // The server checks its time limits from this event on.
  server.emit("listening");
  let full = false;
  while (!signal.aborted) {
    try {
      const connection = await unlessAborted(listener.accept(), signal);
      if (connection) server.emit("connection", Duplex.fromWeb(connection));
      full = false;
    } catch (error) {
      if (!full) {
        out.note(`The page takes no new tab (${reasonOf(error)}): trying again until it does`);
      }
      full = true;
      await delay(RETRY_MS, signal);
    }
  }
}

/** @throws {FailedError} If the port can't be had. */
function listen(port: number): Deno.TcpListener {
  try {
    return Deno.listen({ hostname: HOSTNAME, port });
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
    view.setAway(since);
    view.tidy();
    await delay(TIDY_MS, signal);
  }
}

if (import.meta.main) await run(usage, board);
