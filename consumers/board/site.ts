/**
 * The board's web site: a page with its style and script, and a stream of server-sent events. For this machine
 * only: other names for it in the Host header are refused, so that no foreign page can reach it through DNS
 * (rebinding), and the page may load nothing from anywhere else.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import alerts from "./alerts.js" with { type: "text" };
import chart from "./chart.js" with { type: "text" };
import dom from "./dom.js" with { type: "text" };
import icon from "./icon.svg" with { type: "text" };
import lanes from "./lanes.js" with { type: "text" };
import page from "./page.html" with { type: "text" };
import script from "./page.js" with { type: "text" };
import queues from "./queues.js" with { type: "text" };
import series from "./series.js" with { type: "text" };
import style from "./style.css" with { type: "text" };
import work from "./work.js" with { type: "text" };
import uPlotScript from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import uPlotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import type { BoardView } from "./board_view.ts";

/** Time between two events to a tab, in milliseconds: no page draws more often. */
const UPDATE_MS = 200;

/** A comment so often keeps proxies and the tab from giving up, in milliseconds. */
const KEEP_ALIVE_MS = 10_000;

const MAX_TABS = 50;

const FILES: Record<string, { body: string; type: string }> = {
  "/": { body: page, type: "text/html" },
  "/style.css": { body: style, type: "text/css" },
  "/icon.svg": { body: icon, type: "image/svg+xml" },
  "/uplot.js": { body: uPlotScript, type: "text/javascript" },
  "/uplot.css": { body: uPlotStyle, type: "text/css" },
  ...Object.fromEntries(
    Object.entries({ page: script, work, lanes, series, chart, alerts, queues, dom })
      .map(([name, body]) => [`/${name}.js`, { body, type: "text/javascript" }]),
  ),
};

const SECURITY = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Answers the board's requests. */
export class Site {
  readonly #view: BoardView;
  readonly #signal: AbortSignal;
  readonly #hosts: ReadonlySet<string>;
  #tabs = 0;

  /** @param signal Ends the streams of events. */
  constructor(view: BoardView, port: number, signal: AbortSignal) {
    this.#view = view;
    this.#signal = signal;
    this.#hosts = new Set([`localhost:${port}`, `127.0.0.1:${port}`]);
    if (port === 80) this.#hosts = new Set([...this.#hosts, "localhost", "127.0.0.1"]);
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = "", headersDistinct: { host: hosts = [] } } = request;
    if (hosts.length !== 1 || !this.#hosts.has(hosts.join().toLowerCase())) {
      return tell(response, 403, `The board is for ${[...this.#hosts][0]} only`);
    }
    if (method !== "GET" && method !== "HEAD") {
      return tell(response, 405, "The board only shows: GET", { allow: "GET, HEAD" });
    }
    const path = URL.parse(url, "http://localhost")?.pathname ?? "";
    if (path === "/events" && method === "GET") return this.#events(response);
    const file = FILES[path];
    if (!file) return tell(response, 404, "There is no such page");
    response.writeHead(200, { ...SECURITY, "content-type": `${file.type}; charset=utf-8` });
    response.end(file.body);
  }

  #events(response: ServerResponse): void {
    if (this.#tabs >= MAX_TABS) {
      return tell(response, 503, `The board serves ${MAX_TABS} tabs at a time`);
    }
    this.#tabs++;
    response.writeHead(200, { ...SECURITY, "content-type": "text/event-stream" });
    let revision = 0;
    let last = Date.now();
    const send = () => {
      const now = Date.now();
      // A tab that doesn't read gets nothing more until it does: one event then has all it missed.
      if (response.writableNeedDrain) return;
      if (this.#view.revision > revision) {
        const update = JSON.stringify(this.#view.since(revision, now));
        revision = this.#view.revision;
        response.write(`retry: 1000\ndata: ${update}\n\n`);
      } else if (now - last > KEEP_ALIVE_MS) {
        response.write(": still here\n\n");
      } else {
        return;
      }
      last = now;
    };
    const timer = setInterval(send, UPDATE_MS);
    const end = () => {
      clearInterval(timer);
      response.end();
    };
    this.#signal.addEventListener("abort", end, { once: true });
    response.once("close", () => {
      this.#tabs--;
      clearInterval(timer);
      this.#signal.removeEventListener("abort", end);
    });
    send();
  }
}

function tell(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  const plain = { "content-type": "text/plain; charset=utf-8" };
  response.writeHead(status, { ...SECURITY, ...plain, ...headers });
  response.end(`${text}\n`);
}
