/**
 * Draws the board: merges what the server sends into what is known, and draws it at most five times a second.
 * All text from messages goes into `textContent`, never into markup.
 */
import { drawLanes, hiddenLanes, mergeLanes } from "./lanes.js";
import { SmokerChart } from "./chart.js";

const ITEMS_SHOWN = 8;
const LANES_MS = 1000;
const RETRY_MS = 5000;

const $ = (selector, parent = document) => parent.querySelector(selector);
const DAY_MS = 24 * 3_600_000;
const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

const known = { words: {}, queues: [], away: null, connected: false, helpdesk: null, tasks: null };
const chart = new SmokerChart($("#chart"), (text) => $("#reading").textContent = text);
// Read aloud only to those who move along the chart by keyboard: else it changes all the time.
$("#chart").addEventListener("focus", () => $("#reading").ariaLive = "polite");
$("#chart").addEventListener("blur", () => $("#reading").ariaLive = "off");
let span = 120;
let scheduled = false;
let skew = 0;

/** Makes an element with text, or with children. */
function element(tag, content = "", className = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (Array.isArray(content)) made.append(...content);
  else made.textContent = content;
  return made;
}

/** Replaces an element's children, unless they would be the same. */
function fill(parent, children) {
  const next = document.createElement(parent.tagName);
  next.append(...children);
  if (next.innerHTML !== parent.innerHTML) parent.replaceChildren(...next.childNodes);
}

function figure(name, value, { note = "", className = "" } = {}) {
  const shown = element("dd", [String(value)]);
  if (note) shown.append(" ", element("small", note));
  return element("div", [element("dt", name), shown], className);
}

const number = (value) => value === null || value === undefined ? "–" : value.toLocaleString("en");

function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  return ms < 99_950 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`;
}

function take(update) {
  known.connected = true;
  known.now = update.now;
  skew = update.now - Date.now();
  if (update.all) {
    known.helpdesk = known.tasks = null;
    known.words = update.words;
    chart.clear();
  }
  if (update.away !== undefined) known.away = update.away;
  if (update.queues) known.queues = update.queues;
  for (const stream of ["helpdesk", "tasks"]) {
    if (update[stream]) known[stream] = mergeLanes(known[stream], update[stream], update.now);
  }
  if (update.smoker) chart.take(update.smoker);
  schedule();
}

function schedule() {
  if (scheduled || document.hidden) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    draw();
  });
}

function draw() {
  drawStatus();
  drawSmoker();
  drawStream("helpdesk", "help_queue", helpdeskRow, helpdeskFigures);
  drawStream("tasks", "task_queue", taskRow, () => []);
  drawCategories();
  drawQueues();
}

function drawStatus() {
  const text = !known.connected
    ? "The board has ended or can't be reached: trying again"
    : known.away !== null
    ? `RabbitMQ is away since ${CLOCK.format(known.away)}: trying again`
    : "Live";
  const status = $("#status");
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("away", text !== "Live");
  document.title = chart.open.length > 0 ? `(${chart.open.length}) Board` : "Board";
}

function drawSmoker() {
  $("#alerts").hidden = chart.open.length === 0;
  fill($("#open"), chart.open.map(({ text }) => element("li", text)));
  fill(
    $("#temperatures"),
    chart.channels.map(({ channel, name, value, note }) =>
      figure(name, value, { note, className: channel })
    ),
  );
  const drawn = chart.draw();
  $("#chart-hint").hidden = drawn;
  $("#chart").hidden = $("#reading").hidden = !drawn;
  $("#episodes").hidden = chart.alerts.length === 0;
  fill($("#episodes ul"), chart.alerts.map(({ text }) => element("li", text)));
}

function drawStream(id, queue, row, more) {
  const section = document.getElementById(id);
  const stream = known[id];
  const state = known.queues.find((each) => each.queue === queue);
  const dead = state?.dead ?? 0;
  fill($(".figures", section), [
    figure("came in", number(stream?.in.total ?? 0)),
    figure("handled", number(stream?.handled ?? 0)),
    figure("waiting now", number(state?.ready)),
    ...more(stream),
    ...(stream && hiddenLanes(stream) > 0
      ? [figure("more workers", number(hiddenLanes(stream)))]
      : []),
    ...(dead > 0 ? [figure("dead letters", number(dead), { className: "bad" })] : []),
  ]);
  $(".hint", section).hidden = stream !== null;
  for (const part of section.querySelectorAll(".lanes, .list, .categories")) {
    part.hidden = stream === null;
  }
  if (!stream) return;
  $("caption", section).textContent = `Latest ${id === "tasks" ? "tasks" : "tickets"}` +
    (stream.sampled ? ", a sample: they are too many. The counts are exact" : "");
  fill($(".items tbody", section), stream.items.slice(0, ITEMS_SHOWN).map(row));
  drawLanes($(".lanes", section), stream, { now: Date.now() + skew, span });
}

function helpdeskFigures(stream) {
  const { median, p95 } = stream?.waits ?? {};
  return [figure("waited, median", duration(median)), figure("95 % within", duration(p95))];
}

function cameAt(time) {
  if (time === undefined || time === null) return "";
  return known.now - time < DAY_MS ? CLOCK.format(time) : DAY.format(time);
}

function helpdeskRow({ came, text, category, ...item }) {
  return element("tr", [
    element("td", cameAt(came), "quiet"),
    element("td", text, "wide"),
    element("td", category ? [`${category} `, element("span", known.words[category] ?? "")] : ""),
    whoHandled(item),
    element("td", item.waitMs === undefined ? "" : duration(item.waitMs), "number"),
  ]);
}

function taskRow({ came, text, ...item }) {
  return element("tr", [
    element("td", cameAt(came), "quiet"),
    element("td", text, "wide"),
    whoHandled(item),
  ]);
}

function whoHandled({ worker = "", redelivered, dead }) {
  if (dead !== undefined) return element("td", `dead letter: ${dead}`, "bad wide");
  const cell = element("td", worker);
  if (redelivered) cell.append(" ", element("small", "redelivered", "quiet"));
  return cell;
}

function drawCategories() {
  const counts = known.helpdesk?.categories ?? {};
  fill(
    $(".categories tbody"),
    Object.entries(known.words).map(([letter, words]) =>
      element("tr", [
        element("td", `${letter} ${words}`),
        element("td", number(counts[letter] ?? 0), "number"),
      ])
    ),
  );
}

function drawQueues() {
  const rows = known.queues.filter(({ ready, dead }) => ready !== null || dead !== null);
  const empty = element("tr", [element("td", "No queues yet: scripts declare them", "quiet")]);
  fill(
    $("#queues tbody"),
    rows.length === 0 ? [empty] : rows.map(({ queue, ready, consumers, dead }) => {
      const name = element("th", queue);
      name.scope = "row";
      return element("tr", [
        name,
        element("td", number(ready), "number"),
        element("td", number(consumers), "number"),
        element("td", number(dead ?? 0), dead > 0 ? "number bad" : "number quiet"),
      ]);
    }),
  );
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
    known.connected = false;
    schedule();
  });
}

listen();
document.addEventListener("visibilitychange", listen);
// A browser gives up when the answer is an error, such as too many tabs: begin anew.
setInterval(() => events?.readyState === EventSource.CLOSED && listen(), RETRY_MS);
setInterval(schedule, LANES_MS);
document.addEventListener("visibilitychange", schedule);
addEventListener("resize", schedule);
$(".span").addEventListener("change", ({ target }) => {
  span = Number(target.value);
  schedule();
});
