/** The queues and their dead letters: why they are dead, and what to type. */
import { clock, element, fill, keyed, number, write } from "./dom.js";

const COPIED_MS = 2000;
const $ = (selector) => document.querySelector(selector);

/** Queues whose letters are shown. */
const opened = new Set();

/** Shows the dead letters of a queue. */
export function openLetters(queue) {
  if (queue !== undefined) opened.add(queue);
}

/** @param redraw Called when something is opened or closed. */
export function drawQueues(queues, letters, { now, redraw }) {
  const there = queues.filter(({ ready, dead }) => ready !== null || dead !== null);
  const states = there.filter(({ queue }) => queue.endsWith(".state"));
  const others = there.filter((state) => !states.includes(state));
  $("#no-queues").hidden = there.length > 0;
  write(
    $("#no-queues"),
    queues.length === 0 ? "Looking for queues …" : "No queues yet: scripts declare them.",
  );
  $("#queues-list").hidden = others.length === 0;
  const rows = others.flatMap((state) => {
    const isOpen = opened.has(state.queue) && state.dead > 0;
    return isOpen ? [state, { ...state, isWhy: true }] : [state];
  });
  const reasonsOf = (queue) => letters.find((each) => each.queue === queue)?.reasons ?? [];
  keyed($("#queues tbody"), rows, {
    key: ({ queue, isWhy }) => `${isWhy ? "why" : "queue"} ${queue}`,
    make: (row) => row.isWhy ? makeWhy(row) : makeRow(row, redraw),
    update(child, row) {
      if (row.isWhy) drawWhy(child, row, reasonsOf(row.queue), now);
      else drawRow(child, row);
    },
  });
  $("#states").hidden = states.length === 0;
  write($("#states summary"), `Saved states of monitors (${states.length})`);
  fill(
    $("#states tbody"),
    states.map(({ queue, ready, consumers }) =>
      element("tr", [
        rowName(queue),
        element("td", number(ready), "number"),
        element("td", number(consumers), "number"),
      ])
    ),
  );
}

function rowName(queue) {
  const name = element("th", queue);
  name.scope = "row";
  return name;
}

function makeRow({ queue }, redraw) {
  const button = element("button", "", "count-button");
  button.type = "button";
  button.addEventListener("click", () => {
    if (!opened.delete(queue)) opened.add(queue);
    redraw();
  });
  return element("tr", [
    rowName(queue),
    element("td", "", "number"),
    element("td", "", "number"),
    element("td", [element("span", "0", "quiet"), button], "number"),
  ]);
}

function drawRow(row, { queue, ready, consumers, dead }) {
  write(row.children[1], number(ready));
  write(row.children[2], number(consumers));
  const [none, button] = row.children[3].children;
  none.hidden = dead > 0;
  button.hidden = !(dead > 0);
  write(button, number(dead));
  button.ariaExpanded = String(opened.has(queue));
  button.ariaLabel = `${number(dead)} dead letters of ${queue}: why`;
}

function makeWhy({ queue }) {
  const cell = element("td", [
    element("p", "", "quiet"),
    element("ul", "", "reasons"),
    element(
      "div",
      commandsOf(queue).map(([what, command]) => commandLine(what, command)),
      "commands",
    ),
  ]);
  cell.colSpan = 4;
  return element("tr", [cell], "letters");
}

function drawWhy(row, { queue, dead }, reasons, now) {
  const [said, list] = row.firstElementChild.children;
  const heard = reasons.reduce((sum, { count }) => sum + count, 0);
  write(
    said,
    heard === 0
      ? `They were there before the board: it has not heard why. It doesn't look into queues; this does:`
      : heard < dead
      ? `Of ${number(heard)} of ${number(dead)} letters in ${queue}.dead the board has heard why:`
      : `Why they are in ${queue}.dead:`,
  );
  list.hidden = reasons.length === 0;
  fill(
    list,
    reasons.map(({ reason, count, id, body, at }) => {
      const about = [id ?? "without id", `heard of at ${clock(at, now)}`].join(", ");
      return element("li", [
        element("b", `${number(count)} × ${reason}`),
        element("small", `${count > 1 ? "the latest: " : ""}${about}`, "quiet"),
        ...body ? [element("pre", body)] : [],
      ]);
    }),
  );
}

/** `[what it does, the command]`. */
function commandsOf(queue) {
  const name = quoted(queue);
  return [
    ["Look at each", `deno task dead --queue ${name}`],
    ["Put back", `deno task dead --requeue --queue ${name} --yes`],
    ["Remove", `deno task dead --discard --queue ${name}`],
  ];
}

/** A name as a shell takes it; those that come from an announcement have no control characters. */
function quoted(name) {
  return /^\w[\w.:/@+-]*$/.test(name) ? name : `'${name.replaceAll("'", `'\\''`)}'`;
}

function commandLine(what, command) {
  const code = element("code", command);
  const button = element("button", "Copy");
  button.type = "button";
  button.ariaLabel = `Copy: ${command}`;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command);
      button.textContent = "Copied";
      setTimeout(() => button.textContent = "Copy", COPIED_MS);
    } catch {
      // Without the right to the clipboard it is selected: Ctrl-C copies it.
      getSelection().selectAllChildren(code);
    }
  });
  return element("div", [element("span", what, "quiet"), code, button]);
}
