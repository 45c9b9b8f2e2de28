/** Alerts: those that are open on top of the page, those of a run in its panel. */
import { element, fill, keyed, lengthText, recorded, write } from "./dom.js";

const BANNER_SHOWN = 6;

/** Draws what is open in any stream. */
export function drawOpen(section, open) {
  section.hidden = open.length === 0;
  keyed(section.querySelector("ul"), open.slice(0, BANNER_SHOWN), {
    key: ({ stream, id }) => `${stream} ${id}`,
    make() {
      const lasted = element("span");
      // It goes on and on: not for those who have the page read aloud.
      lasted.ariaHidden = "true";
      return element("li", [element("b"), element("span"), lasted]);
    },
    update(item, { title, text, opened, until }) {
      const [what, since, lasted] = item.children;
      write(what, text);
      write(since, `, since ${recorded.beside(opened, until)}`);
      write(lasted, `${until > opened ? ` (${lengthText(until - opened)})` : ""} · ${title}`);
    },
  });
  const more = open.length - BANNER_SHOWN;
  const rest = section.querySelector("p");
  rest.hidden = more <= 0;
  write(rest, `and ${more} more`);
}

/** The alerts of a run, latest first, each with its times. */
export function drawEpisodes(details, alerts) {
  details.hidden = alerts.length === 0;
  const open = alerts.filter(({ resolved }) => resolved === null).length;
  write(
    details.querySelector("summary"),
    `Alerts of this run: ${alerts.length}${open > 0 ? `, ${open} open` : ""}`,
  );
  if (!details.open) return;
  fill(
    details.querySelector("ul"),
    alerts.map(({ text, opened, resolved, until }) => {
      const end = resolved === null ? "open" : recorded.beside(resolved, opened);
      const lasted = until > opened ? `, ${lengthText(until - opened)}` : "";
      return element("li", [
        element("span", `${recorded.beside(opened, until)} – ${end}${lasted}`, "times"),
        element("span", text, "what"),
      ], resolved === null ? "open" : "");
    }),
  );
}
