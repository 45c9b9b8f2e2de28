/** The cook: temperatures over recorded time, with the episodes of alerts as bands. */
/* global uPlot -- /uplot.js, which is loaded before */

const CHANNELS = [
  { channel: "smoker", name: "Smoker" },
  { channel: "food-a", name: "Food A" },
  { channel: "food-b", name: "Food B" },
];
const MAX_POINTS = 10_000;
const BAND_LABEL_PX = 15;

const pad = (value) => String(value).padStart(2, "0");
/** Recorded times have no zone: they are kept as if they were UTC. */
const hours = (date) => `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}`;
const clock = (ms) => hours(new Date(ms));
const seconds = (ms) => `${clock(ms)}:${pad(new Date(ms).getUTCSeconds())}`;

export class SmokerChart {
  #parent;
  #tell;
  #plot;
  #run = null;
  #points = new Map();
  #latest = new Map();
  #alerts = [];
  #changed = true;

  /** @param tell Shows in words what the cursor points at. */
  constructor(parent, tell) {
    this.#parent = parent;
    this.#tell = tell;
    parent.addEventListener("keydown", (event) => this.#move(event));
    parent.addEventListener("blur", () => this.#plot?.setCursor({ left: -10, top: -10 }));
    new ResizeObserver(() => this.#resize()).observe(parent);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#rebuild());
    matchMedia("(resolution: 1dppx)").addEventListener("change", () => this.#rebuild());
  }

  /** Forgets everything: the server sends all again. */
  clear() {
    this.#points.clear();
    this.#latest.clear();
    this.#alerts = [];
    this.#changed = true;
  }

  /** Takes what the server sent. */
  take({ run, channels, alerts }) {
    if (run !== this.#run) {
      this.#points.clear();
      this.#latest.clear();
      this.#run = run;
    }
    for (const { channel, points, change, windowMs } of channels) {
      const all = this.#points.get(channel) ?? [];
      const last = all.at(-1)?.[0] ?? -Infinity;
      all.push(...points);
      if (points.some(([time], index) => time < (points[index - 1]?.[0] ?? last))) {
        all.sort(([a], [b]) => a - b);
      }
      this.#points.set(channel, all.slice(-MAX_POINTS));
      if (change !== undefined) this.#latest.set(channel, { change, windowMs });
    }
    this.#alerts = alerts;
    this.#changed = true;
  }

  /** Open alerts, of any cook. */
  get open() {
    return this.#alerts.filter(({ resolved }) => resolved === null);
  }

  /** The alerts of the cook that is shown, newest first. */
  get alerts() {
    return this.#alerts.filter(({ run }) => run === this.#run);
  }

  /** Each channel's current value, as text. */
  get channels() {
    return CHANNELS.map(({ channel, name }) => {
      const [, fahrenheit] = this.#points.get(channel)?.at(-1) ?? [];
      const { change, windowMs } = this.#latest.get(channel) ?? {};
      return {
        channel,
        name,
        value: fahrenheit === undefined ? "–" : `${fahrenheit.toFixed(1)} °F`,
        note: change === undefined
          ? ""
          : `${change < 0 ? "−" : "+"}${Math.abs(change).toFixed(1)} in ${windowMs / 60_000} min`,
      };
    });
  }

  /** @returns Whether there is something to show. */
  draw() {
    const drawn = [...this.#points.values()].some((points) => points.length > 0);
    if (!drawn || !this.#changed || this.#parent.clientWidth === 0) return drawn;
    this.#changed = false;
    const data = this.#data();
    if (this.#plot) this.#plot.setData(data);
    else this.#plot = new uPlot(this.#options(), data, this.#parent);
    const [first, last] = [data[0][0], data[0].at(-1)];
    const values = this.channels.map(({ name, value }) => `${name} ${value}`).join(", ");
    const label = `Temperatures from ${clock(first * 1000)} to ${clock(last * 1000)}: ${values}; ` +
      `${this.alerts.length} alerts`;
    this.#parent.setAttribute("aria-label", label);
    this.#tell(this.#at(this.#plot.cursor.idx));
    return true;
  }

  /** `[seconds, smoker, food A, food B]`: one column for each time at which any channel has a value. */
  #data() {
    const rows = new Map();
    CHANNELS.forEach(({ channel }, index) => {
      for (const [time, fahrenheit] of this.#points.get(channel) ?? []) {
        const row = rows.get(time) ?? [null, null, null];
        row[index] = fahrenheit;
        rows.set(time, row);
      }
    });
    const times = [...rows.keys()].sort((a, b) => a - b);
    return [
      times.map((time) => time / 1000),
      ...CHANNELS.map((_, index) => times.map((time) => rows.get(time)[index])),
    ];
  }

  #options() {
    const style = getComputedStyle(this.#parent);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--quiet"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 },
      font: "12px system-ui, sans-serif",
    };
    return {
      ...this.#size(),
      tzDate: (seconds) => new Date(seconds * 1000),
      cursor: { drag: { x: false, y: false } },
      axes: [
        {
          ...axis,
          values: (_, times, __, ___, step) =>
            times.map((time) => (step < 60 ? seconds : clock)(time * 1000)),
        },
        { ...axis, size: 56, values: (_, values) => values.map((value) => `${value} °F`) },
      ],
      series: [
        {},
        ...CHANNELS.map(({ channel, name }) => ({
          label: name,
          stroke: colour(`--${channel}`),
          width: 1.75,
          spanGaps: true,
          points: { show: false },
        })),
      ],
      legend: { show: false },
      hooks: {
        drawClear: [(plot) => this.#drawBands(plot, colour)],
        setCursor: [(plot) => this.#tell(this.#at(plot.cursor.idx))],
      },
    };
  }

  /** The values at an index of the data, or before it where a channel has none there; what is shown without. */
  #at(index) {
    const [times, ...channels] = this.#plot?.data ?? [[]];
    if (index === null || index === undefined || times.length === 0) {
      const points = times.length === 0
        ? ""
        : `, ${clock(times[0] * 1000)} to ${
          clock(times.at(-1) * 1000)
        }; point at it, or use the arrow keys, for its values`;
      return `Run ${this.#run}${points}`;
    }
    const values = channels.map((values, channel) => {
      const value = values[values.findLastIndex((each, at) => at <= index && each !== null)];
      return value === undefined ? "" : `${CHANNELS[channel].name} ${value.toFixed(1)} °F`;
    });
    return [seconds(times[index] * 1000), ...values].filter(Boolean).join("   ");
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

  /** A band from the opening of each episode to its end, labelled; a row of labels for each channel. */
  #drawBands(plot, colour) {
    const { ctx, bbox } = plot;
    const [from, to] = [plot.scales.x.min, plot.scales.x.max];
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textBaseline = "top";
    for (const { channel, rule, opened, resolved } of this.alerts) {
      const start = Math.max(from, opened / 1000);
      const end = Math.min(to, resolved === null ? to : resolved / 1000);
      if (end < start) continue;
      const [left, right] = [start, end].map((time) => plot.valToPos(time, "x", true));
      const row = CHANNELS.findIndex((each) => each.channel === channel);
      ctx.fillStyle = colour(`--${channel}`);
      ctx.globalAlpha = 0.14;
      ctx.fillRect(left, bbox.top, Math.max(2 * devicePixelRatio, right - left), bbox.height);
      ctx.globalAlpha = 1;
      const top = bbox.top + (4 + row * BAND_LABEL_PX) * devicePixelRatio;
      ctx.fillText(rule, left + 3 * devicePixelRatio, top);
    }
    ctx.restore();
  }

  #size() {
    const width = this.#parent.clientWidth;
    return { width, height: width < 560 ? 220 : 300 };
  }

  #resize() {
    const { width, height } = this.#size();
    if (this.#plot && width > 0 && width !== this.#plot.width) {
      this.#plot.setSize({ width, height });
    }
  }

  #rebuild() {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#changed = true;
    this.draw();
  }
}
