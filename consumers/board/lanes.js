/** Lanes: what came in and what each worker handled, second by second. */

const HISTORY_S = 1800;
const MAX_SHOWN = 40;
const COLOURS = { in: "--quiet", worker: "--accent" };

/** Adds to a stream's lanes what the server sent of them. */
export function mergeLanes(before, update, now) {
  const oldest = Math.floor(now / 1000) - HISTORY_S;
  const merge = (lane, earlier) => {
    const seconds = earlier?.seconds ?? new Map();
    for (const [second, count] of lane.seconds) seconds.set(second, count);
    for (const second of seconds.keys()) if (second < oldest) seconds.delete(second);
    return { ...lane, seconds };
  };
  return {
    ...update,
    in: merge(update.in, before?.in),
    lanes: update.lanes.map((lane) =>
      merge(lane, before?.lanes.find(({ name }) => name === lane.name))
    ),
  };
}

/** Draws the lanes of a stream, all to one scale. */
export function drawLanes(parent, stream, { now, span }) {
  const width = span > 120 ? 10 : 1;
  const last = Math.floor(now / 1000 / width);
  const count = span / width;
  const lanes = [
    { ...stream.in, name: "came in", colour: COLOURS.in, here: true },
    ...shownOf(stream.lanes).map((lane) => ({ ...lane, colour: COLOURS.worker })),
  ].map((lane) => ({
    ...lane,
    bars: barsOf(lane.seconds, { width, first: last - count + 1, count }),
  }));
  const highest = Math.max(1, ...lanes.flatMap(({ bars }) => bars));
  const rows = [...parent.children];
  lanes.forEach((lane, index) => drawLane(rows[index] ?? addRow(parent), lane, highest, span));
  for (const row of rows.slice(lanes.length)) row.remove();
}

/** Those that are there, then those gone, as many as a page can show. */
function shownOf(lanes) {
  if (lanes.length <= MAX_SHOWN) return lanes;
  return lanes.toSorted((a, b) => Number(b.here) - Number(a.here)).slice(0, MAX_SHOWN);
}

/** How many lanes are too many to be shown. */
export function hiddenLanes(stream) {
  return Math.max(0, stream.lanes.length - MAX_SHOWN);
}

function barsOf(seconds, { width, first, count }) {
  const bars = new Array(count).fill(0);
  for (const [second, value] of seconds) {
    const index = Math.floor(second / width) - first;
    if (index >= 0 && index < count) bars[index] += value;
  }
  return bars;
}

function addRow(parent) {
  const row = document.createElement("div");
  row.className = "lane";
  for (const [tag, className] of [["span", "name"], ["canvas", ""], ["span", "count"]]) {
    const child = document.createElement(tag);
    child.className = className;
    row.append(child);
  }
  row.children[1].setAttribute("role", "img");
  parent.append(row);
  return row;
}

function drawLane(row, { name, total, here, bars, colour }, highest, span) {
  const [title, canvas, count] = row.children;
  const shown = bars.reduce((sum, value) => sum + value, 0);
  const gone = here ? "" : ", gone";
  row.classList.toggle("gone", !here);
  write(title, name);
  title.title = name;
  write(count, total.toLocaleString("en"));
  const label = `${name}: ${total} in all, ${shown} in the last ${span / 60} minutes${gone}`;
  if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
  const { clientWidth, clientHeight } = canvas;
  canvas.width = Math.round(clientWidth * devicePixelRatio);
  canvas.height = Math.round(clientHeight * devicePixelRatio);
  const context = canvas.getContext("2d");
  context.fillStyle = getComputedStyle(canvas).getPropertyValue(colour);
  const step = canvas.width / bars.length;
  bars.forEach((value, index) => {
    if (value === 0) return;
    const height = Math.max(0.2, value / highest) * canvas.height;
    const bar = Math.max(1, step - devicePixelRatio);
    context.fillRect(index * step, canvas.height - height, bar, height);
  });
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
