/**
 * The board's web site: a page with its style and script, and a stream of server-sent events. For this machine
 * only: other names for it in the Host header are refused, so that no foreign page can reach it through DNS
 * (rebinding), and the page may load nothing from anywhere else.
 */
import chart from "./chart.js" with { type: "text" };
import icon from "./icon.svg" with { type: "text" };
import lanes from "./lanes.js" with { type: "text" };
import page from "./page.html" with { type: "text" };
import script from "./page.js" with { type: "text" };
import style from "./style.css" with { type: "text" };
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
  "/page.js": { body: script, type: "text/javascript" },
  "/chart.js": { body: chart, type: "text/javascript" },
  "/lanes.js": { body: lanes, type: "text/javascript" },
  "/style.css": { body: style, type: "text/css" },
  "/icon.svg": { body: icon, type: "image/svg+xml" },
  "/uplot.js": { body: uPlotScript, type: "text/javascript" },
  "/uplot.css": { body: uPlotStyle, type: "text/css" },
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

  answer(request: Request): Response {
    const host = request.headers.get("host")?.toLowerCase() ?? "";
    if (!this.#hosts.has(host)) return told(403, `The board is for ${[...this.#hosts][0]} only`);
    if (request.method !== "GET" && request.method !== "HEAD") {
      return told(405, "The board only shows: GET", { allow: "GET, HEAD" });
    }
    const { pathname } = new URL(request.url);
    if (pathname === "/events" && request.method === "GET") return this.#events();
    const file = FILES[pathname];
    if (!file) return told(404, "There is no such page");
    const headers = { ...SECURITY, "content-type": `${file.type}; charset=utf-8` };
    return new Response(request.method === "HEAD" ? null : file.body, { headers });
  }

  #events(): Response {
    if (this.#tabs >= MAX_TABS) return told(503, `The board serves ${MAX_TABS} tabs at a time`);
    this.#tabs++;
    let timer: ReturnType<typeof setInterval> | undefined;
    let end = () => {};
    const encoder = new TextEncoder();
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        let revision = 0;
        let last = Date.now();
        const send = () => {
          const now = Date.now();
          // A tab that doesn't read gets nothing more until it does: one event then has all it missed.
          if ((controller.desiredSize ?? 0) <= 0) return;
          if (this.#view.revision > revision) {
            const update = JSON.stringify(this.#view.since(revision, now));
            revision = this.#view.revision;
            controller.enqueue(encoder.encode(`retry: 1000\ndata: ${update}\n\n`));
          } else if (now - last > KEEP_ALIVE_MS) {
            controller.enqueue(encoder.encode(": still here\n\n"));
          } else {
            return;
          }
          last = now;
        };
        end = () => {
          if (timer === undefined) return;
          clearInterval(timer);
          timer = undefined;
          this.#tabs--;
          this.#signal.removeEventListener("abort", onAbort);
        };
        const onAbort = () => {
          end();
          controller.close();
        };
        timer = setInterval(send, UPDATE_MS);
        this.#signal.addEventListener("abort", onAbort, { once: true });
        send();
      },
      cancel: () => end(),
    }, new CountQueuingStrategy({ highWaterMark: 2 }));
    return new Response(stream, { headers: { ...SECURITY, "content-type": "text/event-stream" } });
  }
}

function told(status: number, text: string, headers: Record<string, string> = {}): Response {
  const plain = { "content-type": "text/plain; charset=utf-8" };
  return new Response(`${text}\n`, { status, headers: { ...SECURITY, ...plain, ...headers } });
}
