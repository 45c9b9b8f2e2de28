/** Draws the board: merges what the server sends into what is known, and draws it at most five times a second. */
import { drawOpen } from "./alerts.js";
import { clock, keyed, write } from "./dom.js";
import { drawQueues, openLetters } from "./queues.js";
import { SeriesPanel } from "./series.js";
import { WorkPanel } from "./work.js";

const TICK_MS = 1000;
const RETRY_MS = 5000;

const $ = (selector) => document.querySelector(selector);

const known = {
  broker: "",
  away: null,
  full: false,
  queues: [],
  letters: [],
  /** By name, in the order in which they are shown. */
  streams: new Map(),
};
/** When the server was last heard, by its own clock. */
let heardAt = 0;
let isConnected = false;
/** The server's clock is ahead by so much, in milliseconds. */
let skew = 0;
let span = 120;
let isScheduled = false;

/** The panels of one stream: one for its measurements, one for the work on its messages. */
class Stream {
  #series;
  #work;

  constructor(stream) {
    this.name = stream.name;
    if (stream.panel.kind === "series") this.#series = new SeriesPanel(stream, schedule);
    this.#work = new WorkPanel(stream);
  }

  take(stream, now) {
    this.#series?.take(stream);
    this.#work.take(stream, now);
  }

  clear() {
    this.#series?.clear();
    this.#work.clear();
  }

  /** Measurements have a panel of work only where somebody works on them. */
  get panels() {
    if (!this.#series) return [this.#work];
    return this.#work.isWorkedOn ? [this.#series, this.#work] : [this.#series];
  }

  get open() {
    return this.#series?.open ?? [];
  }
}

function take(update) {
  isConnected = true;
  heardAt = update.now;
  skew = update.now - Date.now();
  if (update.all) {
    known.broker = update.broker;
    known.letters = [];
    for (const stream of known.streams.values()) stream.clear();
  }
  if (update.away !== undefined) known.away = update.away;
  known.full = update.full;
  if (update.queues) known.queues = update.queues;
  if (update.letters) known.letters = update.letters;
  for (const stream of update.streams) {
    if (!known.streams.has(stream.name)) known.streams.set(stream.name, new Stream(stream));
    known.streams.get(stream.name).take(stream, update.now);
  }
  schedule();
}

function schedule() {
  if (isScheduled || document.hidden) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    draw();
  });
}

/** Since when nothing new is known, by the server's clock; `null` while all is well. */
function staleSince() {
  return known.away ?? (isConnected ? null : heardAt);
}

function draw() {
  // Time stands still in what is shown while nothing is known of it.
  const now = staleSince() ?? Date.now() + skew;
  const streams = [...known.streams.values()];
  const open = streams.flatMap(({ open }) => open);
  drawStatus(open.length);
  drawOpen($("#alerts"), open);
  const panels = streams.flatMap((stream) => stream.panels);
  keyed($("#streams"), panels, {
    key: (panel) => panel,
    make: ({ element }) => element,
    update() {},
  });
  panels.forEach((panel, index) => {
    const title = panel.element.querySelector("h2");
    title.id = `panel-${index}`;
    panel.element.setAttribute("aria-labelledby", title.id);
    panel.draw({ now, span, queues: known.queues, showLetters });
  });
  $("#more-streams").hidden = !known.full;
  drawQueues(known.queues, known.letters, { now, redraw: schedule });
}

function showLetters(queue) {
  openLetters(queue);
  draw();
  $("#queues-panel").scrollIntoView({ block: "start" });
  $("#queues [aria-expanded=true]")?.focus({ preventScroll: true });
}

function drawStatus(open) {
  const since = staleSince();
  const why = known.away !== null && isConnected
    ? `RabbitMQ is away since ${clock(known.away)}: trying again.`
    : "The board has ended or can't be reached: trying again.";
  const text = since === null
    ? "Live"
    : heardAt === 0
    ? "Connecting …"
    : `${why} All below is as last known, at ${clock(since)}.`;
  write($("#status"), text);
  write($("#broker"), known.broker === "" ? "" : `at ${known.broker}`);
  document.body.classList.toggle("stale", since !== null && heardAt > 0);
  document.title = open > 0 ? `(${open}) Board` : "Board";
}

let events;

/** A hidden tab listens to nothing: a browser has six connections for all tabs of a site. */
function listen() {
  events?.close();
  events = undefined;
  if (document.hidden) return;
  events = new EventSource("/events");
  events.addEventListener("message", ({ data }) => take(JSON.parse(data)));
  events.addEventListener("error", () => {
    isConnected = false;
    schedule();
  });
}

listen();
document.addEventListener("visibilitychange", listen);
// A browser gives up when the answer is an error, such as too many tabs: begin anew.
setInterval(() => events?.readyState === EventSource.CLOSED && listen(), RETRY_MS);
setInterval(schedule, TICK_MS);
document.addEventListener("visibilitychange", schedule);
addEventListener("resize", schedule);
$(".span").addEventListener("change", ({ target }) => {
  span = Number(target.value);
  schedule();
});
