/** A chart of one quantity over recorded time, a line for each key, and below it a strip for each key with alerts. */
/* global uPlot -- /uplot.js, which is loaded before */
import { element, keyed, label, recorded, write } from "./dom.js";

const DAY_S = 86_400;
const AXIS_PX = 56;
const TIME_AXIS_PX = 30;
/** A character of a strip's name is about so wide. */
const CHARACTER_PX = 7;
/** Between a strip's names and what they name. */
const LABEL_GAP_PX = 4;

export class Chart {
  element = element("div", "", "chart");
  #listener;
  #plot;
  #lines = [];
  #unit = "";
  #data = [[]];

  /**
   * @param listener `onCursor` gets the index of the data that the cursor points at, `onDrawn` is called whenever it
   * is drawn; charts of the same `sync` share their cursor.
   */
  constructor(listener) {
    this.#listener = listener;
    this.element.setAttribute("role", "img");
    this.element.tabIndex = 0;
    this.element.addEventListener("keydown", (event) => this.#move(event));
    this.element.addEventListener("blur", () => this.#plot?.setCursor({ left: -10, top: -10 }));
    new ResizeObserver(() => this.#resize()).observe(this.element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#rebuild());
    matchMedia("(resolution: 1dppx)").addEventListener("change", () => this.#rebuild());
  }

  /**
   * @param lines `[{name, colour}]`: colour is the number of one.
   * @param data `[seconds, …values of each line]`.
   */
  draw({ lines, unit, data, name }) {
    label(this.element, name);
    this.#data = data;
    if (this.element.clientWidth === 0) return;
    const changed = JSON.stringify([lines, unit]) !== JSON.stringify([this.#lines, this.#unit]);
    this.#lines = lines;
    this.#unit = unit;
    if (changed || !this.#plot) this.#rebuild();
    else this.#plot.setData(data);
  }

  /** The index of the data that the cursor points at. */
  get index() {
    return this.#plot?.cursor.idx;
  }

  /** Where the plot lies in the element, and which recorded times it shows, in ms; `undefined` while it isn't drawn. */
  get range() {
    if (!this.#plot || this.#plot.scales.x.min === null) return undefined;
    const { bbox, scales: { x } } = this.#plot;
    const [left, width] = [bbox.left, bbox.width].map((px) => px / devicePixelRatio);
    return { left, width, from: x.min * 1000, to: x.max * 1000 };
  }

  #options() {
    const style = getComputedStyle(this.element);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--quiet"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 },
      font: "12px system-ui, sans-serif",
    };
    const unit = this.#unit === "" ? "" : ` ${this.#unit}`;
    return {
      ...this.#size(),
      tzDate: (seconds) => new Date(seconds * 1000),
      cursor: { drag: { x: false, y: false }, sync: { key: this.#listener.sync } },
      axes: [
        {
          ...axis,
          size: TIME_AXIS_PX,
          values: (_, times, __, ___, step) => times.map((time) => tick(time, step)),
        },
        {
          ...axis,
          size: AXIS_PX,
          values: (_, values) => values.map((value) => `${value.toLocaleString("en")}${unit}`),
        },
      ],
      series: [
        {},
        ...this.#lines.map(({ name, colour: index }) => ({
          label: name,
          stroke: colour(`--c${index}`),
          width: 1.75,
          spanGaps: true,
          points: { show: false },
        })),
      ],
      legend: { show: false },
      hooks: {
        setCursor: [(plot) => this.#listener.onCursor(plot.cursor.idx)],
        draw: [() => this.#listener.onDrawn()],
      },
    };
  }

  /** Moves the cursor by the arrow keys, a hundredth of the time at once. */
  #move(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !this.#plot) return;
    event.preventDefault();
    const { cursor, over } = this.#plot;
    const width = over.clientWidth;
    const from = cursor.left < 0 || cursor.left === undefined ? width : cursor.left;
    const left = Math.min(width - 1, Math.max(0, from + step * width / 100));
    this.#plot.setCursor({ left, top: over.clientHeight / 2 });
  }

  #size() {
    const width = this.element.clientWidth;
    return { width, height: width < 560 ? 190 : 240 };
  }

  #resize() {
    const { width, height } = this.#size();
    if (this.#plot && width > 0 && width !== this.#plot.width) {
      this.#plot.setSize({ width, height });
    }
  }

  #rebuild() {
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#options(), this.#data, this.element);
  }
}

/** A time on the axis: the day where one begins. */
function tick(seconds, step) {
  if (seconds % DAY_S === 0) return recorded.day(seconds * 1000);
  return (step < 60 ? recorded.seconds : recorded.clock)(seconds * 1000);
}

/**
 * Draws when each key's alerts were open, a strip for each key.
 *
 * @param range Of the chart above.
 * @param rows `[{key, name, colour, alerts}]`
 */
export function drawStrips(parent, rows, range) {
  parent.hidden = rows.length === 0 || !range;
  if (parent.hidden) return;
  keyed(parent, rows, {
    key: ({ key }) => key,
    make() {
      const canvas = element("canvas");
      canvas.setAttribute("role", "img");
      return element("div", [element("span", "", "name"), canvas], "strip");
    },
    update: (row, strip) => drawStrip(row, strip, range),
  });
}

function drawStrip(row, { name, colour, alerts }, { left, width, from, to }) {
  const [title, canvas] = row.children;
  write(title, name);
  // Beside its strip, or above it where that is too narrow.
  const isLong = name.length * CHARACTER_PX > left;
  row.classList.toggle("long", isLong);
  title.style.width = isLong ? "auto" : `${left - LABEL_GAP_PX}px`;
  row.style.paddingLeft = isLong ? `${left}px` : "0";
  canvas.style.width = `${width}px`;
  const spans = alerts.map(({ rule, opened, resolved }) =>
    `${rule} ${recorded.clock(opened)} to ${resolved === null ? "now" : recorded.clock(resolved)}`
  );
  label(canvas, `Alerts of ${name}: ${spans.join(", ")}`);
  const scale = devicePixelRatio;
  const size = [Math.round(width * scale), Math.round(canvas.clientHeight * scale)];
  [canvas.width, canvas.height] = size;
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const paint = style.getPropertyValue(`--c${colour}`).trim();
  const ink = style.getPropertyValue("--quiet").trim();
  context.font = `${11 * scale}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  const x = (time) => (Math.min(to, Math.max(from, time)) - from) / (to - from) * size[0];
  const bars = alerts
    .filter(({ opened, resolved }) => opened <= to && (resolved ?? to) >= from)
    .map(({ rule, opened, resolved }) => [rule, x(opened), x(resolved ?? to)])
    .sort(([, a], [, b]) => a - b);
  let free = 0;
  bars.forEach(([rule, start, end], index) => {
    const wide = Math.max(3 * scale, end - start);
    context.fillStyle = paint;
    context.globalAlpha = 0.75;
    context.fillRect(Math.min(start, size[0] - wide), size[1] * 0.22, wide, size[1] * 0.56);
    context.globalAlpha = 1;
    // Beside its bar where there is room before the next one, else before it; labels never cross.
    const gap = LABEL_GAP_PX * scale;
    const length = context.measureText(rule).width;
    const next = bars[index + 1]?.[1] ?? size[0];
    const after = start + wide + gap;
    const before = start - gap - length;
    context.fillStyle = ink;
    if (after + length <= next) context.fillText(rule, after, size[1] / 2);
    else if (before >= free) context.fillText(rule, before, size[1] / 2);
    free = after + (after + length <= next ? length : 0);
  });
}
