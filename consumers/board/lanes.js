/** Lanes: what came in, and who has what in hand and has handled how much, second by second. */
import { element, keyed, label, lengthText, number, write } from "./dom.js";

const HISTORY_S = 1800;
/** Workers shown at once; those that are gone and did nothing of late aren't. */
const MAX_SHOWN = 12;

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
    others: merge(update.others, before?.others),
    lanes: update.lanes.map((lane) =>
      merge(lane, before?.lanes.find(({ name }) => name === lane.name))
    ),
  };
}

/**
 * Draws the lanes of a stream: what comes in to one scale, what the workers do to another.
 *
 * @param panel The section: `.lanes`, `.axis`, and `.folded` for those that aren't shown at once.
 * @param next What waits, in words.
 */
export function drawLanes(panel, work, { now, span, next, itemText }) {
  const width = span > 120 ? 10 : 1;
  const last = Math.floor(now / 1000 / width);
  const count = span / width;
  const withBars = (lane) => ({
    ...lane,
    bars: barsOf(lane.seconds, { width, first: last - count + 1, count }),
  });
  const handText = ({ inHand, here }) =>
    inHand.length > 0
      ? inHand.map((item) => `${lengthText(now - item.since)} · ${itemText(item)}`).join("; ")
      : here
      ? "free"
      : "gone";
  const workers = work.lanes.map((lane) => ({ ...withBars(lane), hand: handText(lane) }));
  const isAlive = ({ here, bars }) => here || bars.some((count) => count > 0);
  const alive = workers.filter(isAlive);
  const shown = new Set(
    alive.length <= MAX_SHOWN
      ? alive
      : alive.toSorted((a, b) => Number(b.here) - Number(a.here)).slice(0, MAX_SHOWN),
  );
  const others = work.others.total > 0
    ? [{ ...withBars(work.others), hand: "counted when handled", isIn: true, here: true }]
    : [];
  const lanes = [
    { ...withBars(work.in), hand: next, isIn: true, here: true },
    ...others,
    ...workers.filter((lane) => shown.has(lane)),
  ];
  const highest = (isIn) =>
    Math.max(1, ...lanes.flatMap((lane) => Boolean(lane.isIn) === isIn ? lane.bars : []));
  const scales = { in: highest(true), work: highest(false) };
  const draw = { make: makeLane, key: ({ name, isIn }) => `${isIn ? "" : "worker "}${name}` };
  keyed(panel.querySelector(".lanes"), lanes, {
    ...draw,
    update: (row, lane) => drawLane(row, lane, { scales, span }),
  });
  for (const [index, mark] of [`${span / 60} min ago`, `${span / 120} min`, "now"].entries()) {
    write(panel.querySelectorAll(".axis span")[index], mark);
  }
  drawFolded(panel.querySelector(".folded"), workers.filter((lane) => !shown.has(lane)), {
    ...draw,
    update: (row, lane) => drawLane(row, lane, { scales, span }),
  });
}

/** Those that aren't shown at once. */
function drawFolded(details, lanes, draw) {
  details.hidden = lanes.length === 0;
  const gone = lanes.filter(({ here }) => !here).length;
  const more = lanes.length - gone;
  const parts = [
    ...more > 0 ? [`${more} more ${more === 1 ? "worker" : "workers"}`] : [],
    ...gone > 0 ? [`${gone} gone`] : [],
  ];
  write(details.querySelector("summary"), parts.join(", "));
  // Canvases that aren't seen aren't drawn.
  keyed(details.querySelector("div"), details.open ? lanes : [], draw);
}

function barsOf(seconds, { width, first, count }) {
  const bars = new Array(count).fill(0);
  for (const [second, value] of seconds) {
    const index = Math.floor(second / width) - first;
    if (index >= 0 && index < count) bars[index] += value;
  }
  return bars;
}

function makeLane({ isIn }) {
  const canvas = element("canvas");
  canvas.setAttribute("role", "img");
  const row = element("div", [
    element("span", "", "name"),
    element("span", "", "hand"),
    canvas,
    element("span", "", "count"),
  ], isIn ? "lane in" : "lane");
  row.setAttribute("role", "listitem");
  return row;
}

function drawLane(row, { name, total, here, hand, bars, inHand, isIn }, { scales, span }) {
  const [title, inHands, canvas, count] = row.children;
  const shown = bars.reduce((sum, value) => sum + value, 0);
  row.classList.toggle("gone", !here);
  row.classList.toggle("busy", inHand.length > 0);
  write(title, name);
  write(inHands, hand);
  write(count, number(total));
  const gone = here ? "" : ", gone";
  label(canvas, `${name}: ${total} in all, ${shown} in the last ${span / 60} minutes${gone}`);
  const { clientWidth, clientHeight } = canvas;
  const [width, height] = [clientWidth, clientHeight].map((px) =>
    Math.round(px * devicePixelRatio)
  );
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  context.fillStyle = getComputedStyle(canvas).color;
  const step = width / bars.length;
  bars.forEach((value, index) => {
    if (value === 0) return;
    const tall = Math.max(0.2, value / (isIn ? scales.in : scales.work)) * height;
    const bar = Math.max(1, step - devicePixelRatio);
    context.fillRect(index * step, height - tall, bar, tall);
  });
}
