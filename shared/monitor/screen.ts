/** What a monitor shows: events for programs, plain lines, or in a terminal a panel of the keys. */
import { counted, inert, type Output, Panel, trace } from "../script.ts";
import {
  type Alert,
  alertText,
  type AlertWords,
  formatLocalTime,
  type Quantity,
  spanText,
  timeOfDay,
  withUnit,
} from "../streams.ts";
import type { JudgedReading, KeySummary } from "./queue_monitor.ts";
import type { Rule } from "./rules.ts";

/** Bars in a trace. */
const TRACE_WIDTH = 20;

export interface ScreenOptions {
  readonly quantities: readonly Quantity[];
  readonly words: AlertWords;
  /** Rows of the panel, from the top; further keys follow as they come. */
  readonly keys: readonly string[];
  /** Whether to draw a panel where there is a terminal. */
  readonly panel: boolean;
  /** The event of a reading. */
  readonly event: (judged: JudgedReading) => Record<string, unknown>;
}

export class MonitorScreen implements Disposable {
  readonly #out: Output;
  readonly #options: ScreenOptions;
  readonly #width: number;
  #panel: Panel | undefined;
  #interleavedTold = false;

  constructor(out: Output, options: ScreenOptions) {
    this.#out = out;
    this.#options = options;
    const names = options.keys.map((key) => this.#name(key).length);
    this.#width = Math.max(6, ...names);
    if (!options.panel || !out.terminal || out.quiet) return;
    const drawn = this.#panel = new Panel();
    out.diverted = (text) => text.split("\n").forEach((line) => drawn.tell(line));
    for (const key of options.keys) drawn.set(key, `${this.#label(key)}  no reading yet`);
  }

  /** Shows a reading that was judged, and its alerts. */
  show(judged: JudgedReading): void {
    const { judgement: { verdict, alerts, interleaved }, redelivered, judge } = judged;
    if (verdict !== "duplicate") {
      // Nobody hears most of them: a backtest is for its summary.
      const fields = this.#out.hearsEvents ? this.#options.event(judged) : {};
      const event = { event: "reading", ...fields };
      this.#out.event(event, this.#panel ? undefined : () => this.#line(judged));
      this.#drawRows(judged);
    }
    for (const alert of alerts) {
      const rule = judge.rules.find(({ rule }) => rule.name === alert.rule)?.rule;
      this.#showAlert(alert, rule);
    }
    if (interleaved && !redelivered && !this.#interleavedTold) {
      this.#interleavedTold = true;
      this.#out.note("Two runs come interleaved: readings of the earlier one count as late");
    }
  }

  /** Leaves the panel on the screen; what comes after is plain. */
  [Symbol.dispose](): void {
    this.#panel?.[Symbol.dispose]();
    this.#panel = undefined;
    this.#out.diverted = undefined;
  }

  #showAlert(alert: Alert, rule: Rule | undefined): void {
    const { words } = this.#options;
    const style = alert.state === "open" ? "red" : "green";
    const text = () =>
      `${timeOfDay(alert.at)}  ` +
      this.#out.paint(style, inert(alertText(alert, words, { spanMs: rule?.spanMs ?? 0 })));
    const event = { event: "alert", ...words.write(alert) };
    this.#out.event(event, this.#panel ? undefined : text);
    this.#panel?.tell(this.#out.timed(text()));
  }

  #line({ key, time, values, judgement }: JudgedReading): string {
    const { verdict, changes, alerting } = judgement;
    const note = verdict === "late"
      ? "  late"
      : alerting.length > 0
      ? this.#out.paint("red", `  ${alerting.join(", ")}`)
      : "";
    const figures = values.flatMap((value, quantity) =>
      value === null ? [] : [`${this.#figure(value, quantity)}  ${signed(changes[quantity] ?? 0)}`]
    );
    return `${timeOfDay(formatLocalTime(time))}  ${this.#label(key)} ${figures.join("  ")}${note}`;
  }

  /** A row for each quantity of the key. */
  #drawRows({ key, judge, judgement: { changes } }: JudgedReading): void {
    if (!this.#panel) return;
    const { quantities } = this.#options;
    for (const [quantity, { name }] of quantities.entries()) {
      const rules = judge.rules.filter(({ rule }) => rule.quantity === quantity);
      const [first] = rules;
      if (!first) continue;
      const { rule: { spanMs, scale }, window } = first;
      const recent = window.items().map(({ value }) => value);
      const alerts = rules.flatMap(({ episode }) =>
        episode
          ? [this.#out.paint("red", `${episode.rule} since ${timeOfDay(episode.opened)}`)]
          : []
      );
      const label = quantities.length > 1 ? `${this.#label(key)} ${name}` : this.#label(key);
      const bars = trace(recent, TRACE_WIDTH, scale).padEnd(TRACE_WIDTH);
      this.#panel.set(
        quantity === 0 ? key : `${key} ${name}`,
        `${label}  ${this.#out.paint("bold", this.#figure(recent.at(-1) ?? 0, quantity))}  ` +
          `${signed(changes[quantity] ?? 0)} in ${spanText(spanMs).padEnd(7)}  ` +
          `${this.#out.paint("cyan", bars)}  ${alerts.join(", ")}`,
      );
    }
  }

  #name(key: string): string {
    return inert(this.#options.words.keyName(key));
  }

  #label(key: string): string {
    return this.#name(key).padEnd(this.#width);
  }

  #figure(value: number, quantity: number): string {
    return withUnit(value.toFixed(1).padStart(6), this.#options.quantities[quantity]?.unit ?? "");
  }
}

/** A key's summary, a line for it and one for each episode. */
export function summaryText(
  name: string,
  { readings, alertingReadings, episodes }: KeySummary,
  unit: string,
): string {
  const lines = episodes.map(({ rule, opened, resolved, readings, min, max }) => {
    const end = resolved === null ? "still open" : `to ${timeOfDay(resolved)}`;
    return `  ${rule} from ${timeOfDay(opened)} ${end}: ${counted(readings, "reading")}, ` +
      `${min} to ${withUnit(max, unit)}`;
  });
  return [
    `${name}: ${counted(readings, "reading")} judged, ` +
    `${alertingReadings} alerting, ${counted(episodes.length, "episode")}`,
    ...lines,
  ].join("\n");
}

function signed(change: number): string {
  return `${change < 0 ? "" : "+"}${change.toFixed(1)}`.padStart(6);
}
