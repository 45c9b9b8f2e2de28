/** Tests of the board in a real browser: what they share. */
import { Browser, installedChromium } from "./browser.ts";
import { e2e, eventsOf, type Vhost } from "./harness.ts";

/** The topic exchange that scripts announce on. */
export const WATCH_EXCHANGE = "watch";

/** Registers a test that needs a browser; where there is none its name says so. */
export function browserTest(name: string, fn: (browser: Browser) => Promise<void>): void {
  const { state } = Deno.permissions.querySync({ name: "run" });
  const program = state === "granted" ? installedChromium() : undefined;
  if (program === undefined) {
    const why = state === "granted"
      ? "SKIPPED: no Chromium here, apt-get install chromium"
      : "skipped: needs --allow-run, use deno task test";
    Deno.test({ name: `${name} (${why})`, ignore: true, fn() {} });
    return;
  }
  e2e(name, async () => {
    await using browser = await Browser.start(program);
    await fn(browser);
  });
}

/** Starts a board on any free port; its address. */
export async function startBoard(vhost: Vhost): Promise<string> {
  const board = await vhost.start("board", ["--port", "0"]).ready();
  return String(eventsOf(board, "ready")[0]?.url);
}

/** What a browser asked for and complained of, from now on. */
export function watched(browser: Browser) {
  const requests: string[] = [];
  const complaints: string[] = [];
  browser.listen((method, params) => {
    if (method === "Network.requestWillBeSent") requests.push(params.request.url);
    if (method === "Log.entryAdded") complaints.push(params.entry.text);
    if (method === "Runtime.exceptionThrown") complaints.push(params.exceptionDetails.text);
  });
  return { requests, complaints };
}

/** The first element of a selector, in the page. */
export const one = (selector: string) => `document.querySelector(${JSON.stringify(selector)})`;

/** What people read in it; nothing while it isn't there. */
export const text = (selector: string) => `(${one(selector)}?.innerText ?? "")`;

/** The texts of all elements of a selector. */
export const texts = (selector: string) =>
  `[...document.querySelectorAll(${JSON.stringify(selector)})].map((it) => it.innerText)`;

/** A stream's panel, or something in it. */
export const panel = (stream: string, inside = "") => `[data-stream="${stream}"] ${inside}`;

/** Whether a stream's panel shows a figure. */
export function shows(stream: string, name: string, value: string): string {
  const figures = text(panel(stream, ".figures"));
  return `${figures}.includes(${JSON.stringify(`${name}\n${value}\n`)})`;
}

/** The lanes of a stream: name, count, whether the worker is there. */
export function lanes(browser: Browser, stream: string) {
  return browser.evaluate<[name: string, count: string, here: boolean][]>(
    `[...document.querySelectorAll(${
      JSON.stringify(panel(stream, ".lanes .lane"))
    })].map((lane) => [
      lane.children[0].textContent, lane.children[3].textContent, !lane.classList.contains("gone")])`,
  );
}

/** What each worker has in hand, as the page says it. */
export async function hands(browser: Browser, stream: string): Promise<Map<string, string>> {
  const lanes = panel(stream, ".lanes .lane:not(.in)");
  return new Map(
    await browser.evaluate<[name: string, hand: string][]>(
      `[...document.querySelectorAll(${JSON.stringify(lanes)})].map((lane) => [
        lane.children[0].textContent, lane.children[1].textContent])`,
    ),
  );
}

/** Runs in the page: visible texts with less than WCAG's 4.5 to 1 of contrast to what is behind them. */
export const FAINT_TEXTS = `(() => {
  const channel = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((value) => channel(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const { backgroundColor } = getComputedStyle(each);
      if (!/, 0\\)$|transparent/.test(backgroundColor)) return backgroundColor;
    }
    return "rgb(255, 255, 255)";
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility()) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(ground(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(element.textContent);
  }
  return faint;
})()`;

/** Runs in the page: visible texts of which a part is cut off, or that are wider than the page. */
export const CUT_TEXTS = `(() => {
  const cut = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.className === "skip") continue;
    const { left, right } = element.getBoundingClientRect();
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 ||
        left < -1 || right > innerWidth + 1) cut.push(element.textContent);
  }
  return cut;
})()`;

/** The roles and names of what a screen reader finds on the page. */
export async function accessible(browser: Browser): Promise<[role: string, name: string][]> {
  const { nodes } = await browser.call("Accessibility.getFullAXTree");
  return nodes.filter(({ ignored }: { ignored: boolean }) => !ignored)
    .map(({ role, name }: { role: { value: string }; name?: { value?: string } }) => [
      role.value,
      name?.value ?? "",
    ]);
}

/** Takes a picture of the page, for people to look at: into the folder that `BOARD_PICTURES` names, if it names one. */
export async function shot(browser: Browser, name: string): Promise<void> {
  const folder = Deno.env.get("BOARD_PICTURES");
  if (folder) await Deno.writeFile(`${folder}/${name}.png`, await browser.screenshot());
}
