/** Elements, figures and times. All text from messages goes into `textContent`, never into markup. */

const DAY_MS = 24 * 3_600_000;
const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** Makes an element with text, or with children. */
export function element(tag, content = "", className = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (Array.isArray(content)) made.append(...content);
  else made.textContent = content;
  return made;
}

/** A copy of what a template holds. */
export function fromTemplate(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** Replaces an element's children, unless they would be the same. */
export function fill(parent, children) {
  const next = document.createElement(parent.tagName);
  next.append(...children);
  if (next.innerHTML !== parent.innerHTML) parent.replaceChildren(...next.childNodes);
}

/** Writes a text, unless it is there. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function label(element, text) {
  if (element.getAttribute("aria-label") !== text) element.setAttribute("aria-label", text);
}

const made = new WeakMap();

/** Makes a child for each item, and keeps it as long as the item is there: with its focus, and open if it is. */
export function keyed(parent, items, { key, make, update }) {
  const before = made.get(parent) ?? new Map();
  const after = new Map();
  items.forEach((item, index) => {
    const id = key(item);
    const child = before.get(id) ?? make(item);
    after.set(id, child);
    if (parent.children[index] !== child) {
      parent.insertBefore(child, parent.children[index] ?? null);
    }
    // In its place it has a size, which what is drawn goes by.
    update(child, item);
  });
  for (const [id, child] of before) if (!after.has(id)) child.remove();
  made.set(parent, after);
}

export function figure(name, value, { note = "", className = "" } = {}) {
  const shown = element("dd", [value instanceof Node ? value : String(value)]);
  if (note) shown.append(" ", element("small", note));
  return element("div", [element("dt", name), shown], className);
}

/**
 * What an empty panel says. Tasks are called after their stream, or the family that it is of: `csv/orders`.
 *
 * @param what What will show there: `A ticket shows here`.
 * @param consumer The task that consumes it.
 */
export function hintOf({ name, known }, what, consumer) {
  if (!known) return [`${what} when it is heard of.`];
  const [family] = name.split("/");
  const task = (task) => element("code", `deno task ${family}:${task}`);
  return [`${what} when `, task("produce"), " and ", task(consumer), " run."];
}

export const number = (value) =>
  value === null || value === undefined ? "–" : value.toLocaleString("en");

export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  return ms < 99_950 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`;
}

/** A length of time in words, to the second: its two largest units. */
export function lengthText(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const units = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, length]) => seconds >= length);
  if (first < 0) return "0 s";
  let rest = seconds;
  return units.slice(first, first + 2).flatMap(([unit, length]) => {
    const count = Math.floor(rest / length);
    rest %= length;
    return count > 0 ? [`${count} ${unit}`] : [];
  }).join(" ");
}

/** When something was, by this machine's clock. */
export const clock = (ms) => CLOCK.format(ms);

/** As {@link clock}, with the day instead if it was another. */
export const moment = (ms, now) => now - ms < DAY_MS ? CLOCK.format(ms) : DAY.format(ms);

const pad = (value) => String(value).padStart(2, "0");
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** Recorded times have no zone: they are kept as if they were UTC. */
export const recorded = {
  clock: (ms) => `${pad(new Date(ms).getUTCHours())}:${pad(new Date(ms).getUTCMinutes())}`,
  seconds: (ms) => `${recorded.clock(ms)}:${pad(new Date(ms).getUTCSeconds())}`,
  day: (ms) => `${new Date(ms).getUTCDate()} ${MONTHS[new Date(ms).getUTCMonth()]}`,
  /** The clock, with the day before it if that is another than of `beside`. */
  beside: (ms, beside) =>
    Math.floor(ms / DAY_MS) === Math.floor(beside / DAY_MS)
      ? recorded.clock(ms)
      : `${recorded.day(ms)}, ${recorded.clock(ms)}`,
};
