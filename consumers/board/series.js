/** The panel of a stream of measurements: the latest of each key, a chart of each quantity, the alerts. */
import { drawEpisodes } from "./alerts.js";
import { Chart, drawStrips } from "./chart.js";
import { element, figure, fill, fromTemplate, hintOf, lengthText, recorded, write } from "./dom.js";

const MAX_POINTS = 10_000;
const MAX_RUN_POINTS = 100_000;
/** Keys shown at once, each with a colour of its own. */
const SHOWN = 8;
/** Where there are more, it is looked anew which they are after so long, in milliseconds. */
const RANK_MS = 5000;
/** Points over which a key has moved where no monitor says it. */
const RECENT = 50;

export class SeriesPanel {
  element = fromTemplate("series-panel");
  #stream;
  #names = new Map();
  #charts = [];
  #run = null;
  #full = false;
  #keys = new Map();
  #alerts = [];
  #changed = true;
  #shown = [];
  #ranked = 0;
  #asked = "";
  #colours = new Map();

  /** @param redraw Called when the reader asks for other keys. */
  constructor(stream, redraw) {
    this.take(stream);
    this.element.dataset.stream = stream.name;
    this.#part("h2").textContent = stream.title;
    const { key, quantities } = stream.panel;
    const input = this.#part("input");
    this.#part(".find span").textContent = `Find a ${key}`;
    input.addEventListener("input", () => {
      this.#asked = input.value.trim().toLowerCase();
      this.#ranked = 0;
      this.#changed = true;
      redraw();
    });
    this.#part(".episodes").addEventListener("toggle", () => {
      this.#changed = true;
      redraw();
    });
    this.#charts = quantities.map((_, index) =>
      new Chart({
        onCursor: (index) => this.#tell(index),
        onDrawn: () => index === 0 && this.#drawStrips(),
        sync: `stream ${stream.name}`,
      })
    );
    this.#part(".charts").append(...this.#charts.flatMap((chart, index) => {
      const title = quantities.length > 1 ? [element("h3", quantities[index].name)] : [];
      // Read aloud only to those who move along the chart by keyboard: else it changes all the time.
      chart.element.addEventListener("focus", () => this.#part(".reading").ariaLive = "polite");
      chart.element.addEventListener("blur", () => this.#part(".reading").ariaLive = "off");
      return [...title, chart.element];
    }));
  }

  /** Forgets everything: the server sends all again. */
  clear() {
    this.#keys.clear();
    this.#alerts = [];
    this.#run = null;
    this.#changed = true;
  }

  take(stream) {
    const { panel, series } = stream;
    this.#stream = stream;
    this.#names = new Map(panel.keys);
    if (!series) return;
    if (series.run !== this.#run) this.#keys.clear();
    this.#run = series.run;
    this.#full = series.full;
    this.#alerts = series.alerts;
    this.#changed = true;
    for (const { key, points, changes, windowsMs } of series.keys) {
      const known = this.#keys.get(key) ?? { points: [] };
      const all = known.points;
      const last = all.at(-1)?.[0] ?? -Infinity;
      all.push(...points);
      if (points.some(([time], index) => time < (points[index - 1]?.[0] ?? last))) {
        all.sort(([a], [b]) => a - b);
      }
      const most = Math.min(MAX_POINTS, Math.ceil(MAX_RUN_POINTS / (this.#keys.size || 1)));
      this.#keys.set(key, { points: all.slice(-most), changes, windowsMs });
    }
  }

  /** Open alerts of any run, latest first. */
  get open() {
    const { name: stream, title } = this.#stream;
    return this.#alerts.filter(({ resolved }) => resolved === null)
      .toSorted((a, b) => b.opened - a.opened)
      .map((alert) => ({ ...alert, stream, title }));
  }

  draw({ now }) {
    const panel = this.element;
    const isEmpty = this.#keys.size === 0;
    panel.classList.toggle("empty", isEmpty);
    this.#drawHint(isEmpty);
    for (const part of panel.querySelectorAll(".measured")) part.hidden = isEmpty;
    if (isEmpty) this.#part(".find").hidden = this.#part(".strips").hidden = true;
    if (!this.#changed && now - this.#ranked < RANK_MS) return;
    const width = panel.clientWidth;
    if (width === 0) return;
    this.#changed = false;
    this.#choose(now);
    const alerts = this.#alertsOfRun();
    drawEpisodes(this.#part(".episodes"), alerts);
    if (isEmpty) return;
    this.#drawFind();
    fill(
      this.#part(".figures"),
      this.#shown.map((key) => this.#figure(key, alerts)),
    );
    const data = this.#columns();
    const { quantities } = this.#stream.panel;
    const [first = 0, last = 0] = [data[0][0], data[0].at(-1)];
    const [from, to] = [first * 1000, last * 1000];
    const span = `${recorded.beside(from, to)} to ${recorded.beside(to, from)}`;
    write(this.#part(".run"), `Run ${this.#run}, ${span}`);
    const lines = this.#shown.map((key) => ({
      name: this.#nameOf(key),
      colour: this.#colours.get(key),
    }));
    this.#charts.forEach((chart, index) => {
      const { name, unit } = quantities[index];
      const values = this.#shown.map((key) => `${this.#nameOf(key)} ${this.#latest(key, index)}`);
      chart.draw({
        lines,
        unit,
        data: [data[0], ...data.slice(1).filter((_, at) => at % quantities.length === index)],
        name: `${this.#stream.title}, ${name}, ${span}: ${values.join(", ")}; ` +
          `${alerts.length} ${alerts.length === 1 ? "alert" : "alerts"}`,
      });
    });
    this.#data = data;
    this.#tell(this.#charts[0].index);
  }

  #data = [[]];

  #part(selector) {
    return this.element.querySelector(selector);
  }

  #nameOf(key) {
    return this.#names.get(key) ?? key;
  }

  /** Latest first. */
  #alertsOfRun() {
    return this.#alerts.filter(({ run }) => run === null || run === this.#run)
      .toSorted((a, b) => b.opened - a.opened);
  }

  #drawHint(isEmpty) {
    const hint = this.#part(".hint");
    hint.hidden = !isEmpty;
    fill(hint, hintOf(this.#stream, `Each ${this.#stream.panel.key} shows here`, "monitor"));
  }

  #drawStrips() {
    const alerts = this.#alertsOfRun();
    const strips = this.#shown.map((key) => ({
      key,
      name: this.#nameOf(key),
      colour: this.#colours.get(key),
      alerts: alerts.filter((alert) => alert.key === key),
    })).filter(({ alerts }) => alerts.length > 0);
    drawStrips(this.#part(".strips"), strips, this.#charts[0].range);
  }

  /** Which keys are shown, and in which colours: where there are many, those with open alerts, then the widest movers. */
  #choose(now) {
    const { panel: { keys } } = this.#stream;
    const open = new Set(this.open.map(({ key }) => key));
    const declared = keys.map(([key]) => key).filter((key) => this.#keys.has(key));
    const all = [...new Set([...declared, ...this.#keys.keys()])];
    const found = this.#asked === ""
      ? all
      : all.filter((key) => `${key} ${this.#nameOf(key)}`.toLowerCase().includes(this.#asked));
    const isSame = found.length > SHOWN && now - this.#ranked < RANK_MS &&
      this.#shown.every((key) => this.#keys.has(key)) && this.#shown.length > 0 &&
      [...open].every((key) =>
        this.#shown.includes(key) || this.#shown.every((it) => open.has(it))
      );
    if (isSame) return;
    this.#ranked = now;
    this.#shown = found.length <= SHOWN ? found : this.#ranking(found, open).slice(0, SHOWN);
    const before = this.#colours;
    this.#colours = new Map(
      this.#shown.filter((key) => before.has(key)).map((key) => [key, before.get(key)]),
    );
    const used = new Set(this.#colours.values());
    const free = Array.from({ length: SHOWN }, (_, index) => index).filter((it) => !used.has(it));
    for (const key of this.#shown) {
      if (!this.#colours.has(key)) this.#colours.set(key, free.shift());
    }
  }

  #ranking(keys, open) {
    const moves = new Map(keys.map((key) => [key, this.#changesOf(key).map(Math.abs)]));
    const widest = this.#stream.panel.quantities.map((_, index) =>
      Math.max(...[...moves.values()].map((changes) => changes[index] ?? 0)) || 1
    );
    const move = (key) => Math.max(...widest.map((most, at) => (moves.get(key)[at] ?? 0) / most));
    return keys.toSorted((a, b) => Number(open.has(b)) - Number(open.has(a)) || move(b) - move(a));
  }

  /** By how much a key's quantities have changed of late. */
  #changesOf(key) {
    const { changes, points } = this.#keys.get(key);
    if (changes.length > 0) return changes;
    return this.#stream.panel.quantities.map((_, index) => {
      const values = points.slice(-RECENT).map((point) => point[index + 1])
        .filter((value) => value !== null);
      return values.length === 0 ? 0 : values.at(-1) - values[0];
    });
  }

  #drawFind() {
    const { key } = this.#stream.panel;
    const count = this.#keys.size;
    this.#part(".find").hidden = count <= SHOWN;
    const which = this.#asked === ""
      ? "those with open alerts, then those that moved most"
      : `those with “${this.#asked}” in their name`;
    const full = this.#full ? `; more than ${count} are not kept` : "";
    write(
      this.#part(".find small"),
      this.#shown.length === 0
        ? `No ${key} of ${count} has “${this.#asked}” in its name`
        : `${this.#shown.length} of ${count} shown: ${which}${full}`,
    );
  }

  #figure(key, alerts) {
    const { quantities } = this.#stream.panel;
    const { changes, windowsMs } = this.#keys.get(key);
    const values = quantities.map((_, index) => this.#latest(key, index));
    const [windowed] = windowsMs ?? [];
    const [quantity = 0, windowMs] = windowed ?? [];
    const change = changes[quantity];
    const note = change === undefined || windowMs === undefined
      ? ""
      : `${quantities.length > 1 ? `${quantities[quantity].name} ` : ""}${change < 0 ? "−" : "+"}${
        Math.abs(change).toFixed(digitsOf(this.#newest(key, quantity)))
      } in ${lengthOf(windowMs)}`;
    const isOpen = alerts.some((alert) => alert.key === key && alert.resolved === null);
    const name = isOpen ? `${this.#nameOf(key)} · alert open` : this.#nameOf(key);
    return figure(name, values.join(" · "), {
      note,
      className: `c${this.#colours.get(key)}${isOpen ? " alerting" : ""}`,
    });
  }

  /** The newest value of a quantity. */
  #newest(key, index) {
    return this.#keys.get(key).points.findLast((point) => point[index + 1] !== null)?.[index + 1];
  }

  #latest(key, index) {
    return valueText(this.#newest(key, index), this.#stream.panel.quantities[index].unit);
  }

  /** `[seconds, …]`: a column for each quantity of each key that is shown, a row for each time. */
  #columns() {
    const { length: quantities } = this.#stream.panel.quantities;
    const lists = this.#shown.map((key) => this.#keys.get(key).points);
    const next = lists.map(() => 0);
    const times = [];
    const columns = Array.from({ length: lists.length * quantities }, () => []);
    while (true) {
      const time = Math.min(...lists.map((points, list) => points[next[list]]?.[0] ?? Infinity));
      if (time === Infinity) return [times, ...columns];
      times.push(time / 1000);
      lists.forEach((points, list) => {
        const point = points[next[list]];
        const isNow = point?.[0] === time;
        if (isNow) next[list]++;
        for (let quantity = 0; quantity < quantities; quantity++) {
          columns[list * quantities + quantity].push(isNow ? point[quantity + 1] : null);
        }
      });
    }
  }

  /** Says the values at an index of the data, or before it where a key has none there; without one how to see them. */
  #tell(index) {
    const [times, ...columns] = this.#data;
    const reading = this.#part(".reading");
    if (index === null || index === undefined || times[index] === undefined) {
      return write(reading, "Point at it, or use the arrow keys, for its values");
    }
    const { quantities } = this.#stream.panel;
    const values = this.#shown.flatMap((key, at) => {
      const texts = quantities.flatMap(({ unit }, quantity) => {
        const column = columns[at * quantities.length + quantity];
        const value = column[column.findLastIndex((each, at) => at <= index && each !== null)];
        return value === undefined ? [] : [valueText(value, unit)];
      });
      return texts.length === 0 ? [] : [`${this.#nameOf(key)} ${texts.join(" · ")}`];
    });
    write(reading, [recorded.seconds(times[index] * 1000), ...values].join("   "));
  }
}

/** Digits behind the point that say enough of a value. */
function digitsOf(value = 0) {
  const size = Math.abs(value);
  return size >= 10_000 ? 0 : size >= 10 || size === 0 ? 1 : size >= 0.1 ? 2 : 4;
}

function valueText(value, unit) {
  if (value === undefined) return "–";
  const digits = digitsOf(value);
  const text = value.toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return unit === "" ? text : `${text} ${unit}`;
}

/** `2.5 min`, `1 h`. */
function lengthOf(ms) {
  return ms % 60_000 !== 0 && ms % 30_000 === 0 && ms < 3_600_000
    ? `${ms / 60_000} min`
    : lengthText(ms);
}
