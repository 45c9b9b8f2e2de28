/** The panel of a stream of work: what waits, who has what in hand, what was handled. */
import {
  duration,
  element,
  figure,
  fill,
  fromTemplate,
  hintOf,
  lengthText,
  moment,
  number,
} from "./dom.js";
import { drawLanes, mergeLanes } from "./lanes.js";

const DONE_SHOWN = 6;
/** Items that are named of those that wait. */
const NEXT_SHOWN = 3;
/** What waits for less is as good as taken, in milliseconds. */
const WAITS_MS = 1000;

export class WorkPanel {
  element = fromTemplate("work-panel");
  #stream;
  #groups = new Map();
  #work = null;

  /** @param stream Its name, title, panel. */
  constructor(stream) {
    this.take(stream);
    const { name, title } = stream;
    this.element.dataset.stream = name;
    this.element.querySelector("h2").textContent = stream.panel.kind === "series"
      ? `${title}: work`
      : title;
    this.element.querySelector(".list").ariaLabel = `Latest of ${title}`;
  }

  /** What a tab must be sent again as a whole. */
  clear() {
    this.#work = null;
  }

  take(stream, now) {
    this.#stream = stream;
    const { panel, work } = stream;
    this.#groups = new Map(panel.groups ?? []);
    if (work) this.#work = mergeLanes(this.#work, work, now);
  }

  /** Whether somebody works on it. */
  get isWorkedOn() {
    return this.#work !== null && this.#work.lanes.length > 0;
  }

  draw({ now, span, queues, showLetters }) {
    const panel = this.element;
    const work = this.#work;
    const { item = "message" } = this.#stream.panel;
    const states = queues.filter(({ queue }) => this.#stream.queues.includes(queue));
    const sum = (count) =>
      states.some((state) => state[count] !== null)
        ? states.reduce((sum, state) => sum + (state[count] ?? 0), 0)
        : null;
    const [waiting, dead] = [sum("ready"), sum("dead") ?? 0];
    const hasGroups = this.#groups.size > 0;
    const inHand = work?.lanes.reduce((sum, { inHand }) => sum + inHand.length, 0);
    fill(panel.querySelector(".figures"), [
      ...work ? [figure(`came in${othersText(work)}`, number(work.came))] : [],
      ...work || waiting > 0 ? [figure("waiting now", number(waiting))] : [],
      ...work
        ? [
          figure("in hand", number(inHand)),
          figure("handled", number(work.handled)),
          figure("waited, median", duration(work.waits.median)),
          figure("95 % within", duration(work.waits.p95)),
        ]
        : [],
      ...dead > 0 ? [figure("dead letters", number(dead), { className: "bad" })] : [],
    ]);
    const reasons = panel.querySelector(".why");
    reasons.hidden = dead === 0;
    reasons.onclick = () => showLetters(states.find(({ dead }) => dead > 0)?.queue);
    panel.classList.toggle("empty", work === null);
    const hint = panel.querySelector(".hint");
    hint.hidden = work !== null;
    fill(hint, hintOf(this.#stream, `A ${item} shows here`, "work"));
    for (const part of panel.querySelectorAll(".worked")) part.hidden = work === null;
    if (!work) return;
    drawLanes(panel, work, {
      now,
      span,
      next: this.#nextText(work, waiting, now),
      itemText: (item) => this.#itemText(item),
    });
    panel.querySelector("caption").textContent = "Latest" +
      (work.sampled ? ": a sample, they are too many. The counts are exact" : "");
    panel.querySelector(".what").textContent = item[0].toUpperCase() + item.slice(1);
    const rows = work.done.slice(0, DONE_SHOWN).map((done) => this.#doneRow(done, now));
    fill(panel.querySelector(".items tbody"), rows);
    panel.querySelector(".list").hidden = work.done.length === 0;
    const groups = panel.querySelector(".groups");
    groups.hidden = !hasGroups || work.handled === 0;
    fill(groups, hasGroups ? this.#groupCounts(work) : []);
  }

  #itemText({ text, group, redelivered }) {
    const parts = [text === "" ? "a message without text" : text];
    if (group !== undefined) parts.push(this.#groupText(group));
    if (redelivered) parts.push("redelivered");
    return parts.join(", ");
  }

  #groupText(group) {
    return this.#groups.has(group) ? `${group} ${this.#groups.get(group)}` : group;
  }

  /** What waits, oldest first. */
  #nextText({ next }, waiting, now) {
    const waits = next.filter(({ since }) => now - since >= WAITS_MS);
    if (waits.length === 0 || waiting === 0) return "nothing waits";
    const names = waits.slice(0, NEXT_SHOWN).map(({ text }) => text).join(", ");
    const more = (waiting ?? waits.length) > NEXT_SHOWN ? ", …" : "";
    return `${lengthText(now - waits[0].since)} · next: ${names}${more}`;
  }

  #doneRow({ at, text, group, worker, waitMs, redelivered, dead }, now) {
    const what = element("td", [element("span", text, "clamped")], "wide");
    if (group !== undefined) what.append(element("small", this.#groupText(group), "quiet"));
    if (dead !== undefined) what.append(element("small", `dead letter: ${dead}`, "bad clamped"));
    const who = element("td", worker, "who");
    if (redelivered) who.append(element("small", "redelivered", "quiet"));
    return element("tr", [
      element("td", moment(at, now), "quiet"),
      what,
      who,
      element("td", waitMs === undefined ? "" : duration(waitMs), "number"),
    ]);
  }

  #groupCounts({ groups }) {
    const counts = new Map(groups);
    const all = new Set([...this.#groups.keys(), ...counts.keys()]);
    return [...all].map((group) =>
      element("div", [
        element("dt", this.#groupText(group)),
        element("dd", number(counts.get(group) ?? 0)),
      ])
    );
  }
}

/** What came in that no script of the collection has announced. */
function othersText(work) {
  const others = work.others.total;
  const before = work.came - work.in.total - others;
  return [
    ...others > 0 ? [`, ${number(others)} by other programs`] : [],
    ...before > 0 ? [`, ${number(before)} not announced`] : [],
  ].join("");
}
