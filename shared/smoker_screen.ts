/** What a monitor shows: events for programs, plain lines, or in a terminal a panel of the channels. */
import type { Alert, Channel, ChannelRule } from "./alerts.ts";
import { alertText, CHANNEL_NAMES, spanText, timeOfDay } from "./alert_text.ts";
import type { ChannelSummary, Judged } from "./channel_monitor.ts";
import { counted, type Output } from "./output.ts";
import { Panel, trace } from "./panel.ts";

/** Bars in a channel's trace. */
const TRACE_WIDTH = 20;

export class SmokerScreen implements Disposable {
  readonly #out: Output;
  #panel: Panel | undefined;
  #interleavedTold = false;

  /**
   * @param channels Rows of the panel, from the top.
   * @param panel Whether to draw one where there is a terminal.
   */
  constructor(out: Output, channels: readonly Channel[], { panel }: { panel: boolean }) {
    this.#out = out;
    if (!panel || !out.terminal || out.quiet) return;
    const drawn = this.#panel = new Panel();
    out.diverted = (text) => text.split("\n").forEach((line) => drawn.tell(line));
    for (const channel of channels) {
      drawn.set(channel, `${CHANNEL_NAMES[channel].padEnd(6)}  no reading yet`);
    }
  }

  /** Shows a reading that was judged, and its alerts. */
  show(rule: ChannelRule, judged: Judged): void {
    const { id, reading: { time, fahrenheit }, redelivered } = judged;
    const { verdict, change, alert, alerts, interleaved } = judged.verdict;
    const { channel } = rule;
    if (verdict !== "duplicate") {
      this.#out.event(
        {
          event: "reading",
          id,
          channel,
          time,
          fahrenheit,
          change,
          alert,
          ...(verdict === "late" ? { late: true } : {}),
        },
        this.#panel ? undefined : () => this.#line(rule, judged),
      );
      this.#panel?.set(channel, this.#row(rule, judged));
    }
    for (const alert of alerts) this.#showAlert(alert, rule);
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

  #showAlert(alert: Alert, rule: ChannelRule): void {
    const style = alert.state === "open" ? "red" : "green";
    const text = () =>
      `${timeOfDay(alert.at)}  ${this.#out.paint(style, alertText(alert, rule.span))}`;
    this.#out.event({ event: "alert", ...alert }, this.#panel ? undefined : text);
    this.#panel?.tell(this.#out.timed(text()));
  }

  #line({ channel }: ChannelRule, { reading, verdict }: Judged): string {
    const { change, alert } = verdict;
    const note = verdict.verdict === "late"
      ? "  late"
      : alert
      ? this.#out.paint("red", `  ${alert}`)
      : "";
    return `${timeOfDay(reading.time)}  ${CHANNEL_NAMES[channel].padEnd(6)} ` +
      `${degrees(reading.fahrenheit)}  ${signed(change)}${note}`;
  }

  #row({ channel, span, threshold }: ChannelRule, { judge, verdict: { change } }: Judged): string {
    const { window, episode } = judge;
    const values = window.items().map(({ value }) => value);
    const now = values.at(-1) ?? 0;
    const alert = episode
      ? this.#out.paint("red", `${episode.rule} since ${timeOfDay(episode.opened)}`)
      : "";
    return `${CHANNEL_NAMES[channel].padEnd(6)}  ${this.#out.paint("bold", degrees(now))}  ` +
      `${signed(change)} in ${spanText(span).padEnd(7)}  ` +
      `${
        this.#out.paint("cyan", trace(values, TRACE_WIDTH, threshold).padEnd(TRACE_WIDTH))
      }  ${alert}`;
  }
}

/** A channel's summary, a line for it and one for each episode. */
export function summaryText(channel: keyof typeof CHANNEL_NAMES, summary: ChannelSummary): string {
  const { readings, alertingReadings, episodes } = summary;
  const lines = episodes.map(({ rule, opened, resolved, readings, min, max }) => {
    const end = resolved === null ? "still open" : `to ${timeOfDay(resolved)}`;
    return `  ${rule} from ${timeOfDay(opened)} ${end}: ${counted(readings, "reading")}, ` +
      `${min} to ${max} °F`;
  });
  return [
    `${CHANNEL_NAMES[channel]}: ${counted(readings, "reading")} judged, ` +
    `${alertingReadings} alerting, ${counted(episodes.length, "episode")}`,
    ...lines,
  ].join("\n");
}

function degrees(fahrenheit: number): string {
  return `${fahrenheit.toFixed(1).padStart(6)} °F`;
}

function signed(change: number): string {
  return `${change < 0 ? "" : "+"}${change.toFixed(1)}`.padStart(6);
}
