/** The board says who works on what, what waits, and why letters are dead. */
import assert from "node:assert/strict";
import {
  accessible,
  browserTest,
  CUT_TEXTS,
  FAINT_TEXTS,
  hands,
  lanes,
  one,
  panel,
  shot,
  shows,
  startBoard,
  text,
  texts,
  WATCH_EXCHANGE,
  watched,
} from "./board_page.ts";
import { eventsOf, eventually, Vhost } from "./harness.ts";

const HOSTILE = `<img src=x onerror="document.title='run'">`;

/** Runs no markup: nothing but the page's own elements is there. */
const NO_MARKUP = `document.querySelectorAll("img, script:not([src])").length === 0`;

/** Runs in the page: whether something is drawn on a canvas. */
const isPainted = `(canvas) => canvas && canvas.width * canvas.height > 0 &&
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)`;

/** Announces as any script can. */
async function announcer(vhost: Vhost, stack: AsyncDisposableStack) {
  const connection = stack.use(await vhost.connect());
  const channel = await connection.channel("publish", async () => {});
  return (key: string, body: Record<string, unknown>) =>
    channel.announce(WATCH_EXCHANGE, key, { script: "test", at: Date.now(), ...body });
}

browserTest("three workers have one ticket each in hand, and twenty wait", async (browser) => {
  await using vhost = await Vhost.create();
  const { complaints } = watched(browser);
  const url = await startBoard(vhost);
  await browser.open(url);
  await browser.until(`${text("#status")} === "Live"`);
  const names = ["ann", "bob", "cleo"];
  const start = (name: string) => vhost.start("helpdesk:work", ["--handle", "20s", "--name", name]);
  const workers = await Promise.all(names.map((name) => start(name).ready()));
  const rows = Array.from({ length: 23 }, (_, row) => `2/14/23 10:15,Requester${row + 1},C`);
  const input = ["Date_Time,First_Name,Help_Request", ...rows].join("\n") + "\n";
  await vhost.run("helpdesk:produce", ["--file", "-", "--interval", "0", "--run", "r"], { input });
  await browser.until(shows("helpdesk", "waiting now", "20"));
  await browser.until(shows("helpdesk", "in hand", "3"));

  // As the workers themselves say it.
  const inHand = await hands(browser, "helpdesk");
  for (const [index, worker] of workers.entries()) {
    const row = String(eventsOf(worker, "taken")[0]?.id).split("/")[1];
    const hand = inHand.get(String(names[index])) ?? "";
    assert.match(hand, new RegExp(`^\\d+ s · Requester${row}, C purchasing$`));
  }
  // How long goes on.
  const seconds = async () => Number.parseInt((await hands(browser, "helpdesk")).get("ann") ?? "");
  const before = await seconds();
  await browser.until(
    `Number.parseInt(${texts(panel("helpdesk", ".lane.busy .hand"))}[0]) > ${before}`,
  );
  await browser.until(
    `${
      text(panel("helpdesk", ".lane.in .hand"))
    }.includes("next: Requester4, Requester5, Requester6, …")`,
  );
  await shot(browser, "backlog");

  // A tab, and a board, that come later know it from the presences.
  const second = await startBoard(vhost);
  await browser.open(second);
  await browser.until(shows("helpdesk", "in hand", "3"));
  assert.deepEqual(
    [...await hands(browser, "helpdesk")].map(([name, hand]) => [name, hand.replace(/^\d+ s/, "")])
      .toSorted(),
    [...inHand].map(([name, hand]) => [name, hand.replace(/^\d+ s/, "")]).toSorted(),
  );
  await browser.open(url);

  // Who is killed has nothing in hand; another one has it then, redelivered.
  const [ann] = workers;
  const lost = /Requester\d+/.exec(inHand.get("ann") ?? "")?.[0];
  await ann?.end();
  await start("dora").ready();
  await browser.until(
    `${text(panel("helpdesk", ".lanes"))}.includes(${
      JSON.stringify(`${lost}, C purchasing, redelivered`)
    })`,
  );
  await browser.until(
    `${texts(panel("helpdesk", ".lane.gone"))}.length > 0 || ${
      text(panel("helpdesk", ".folded summary"))
    } === "1 gone"`,
  );
  assert.deepEqual(complaints, []);
});

browserTest("what is done is sorted by time; who is long gone is folded away", async (browser) => {
  await using vhost = await Vhost.create();
  await using stack = new AsyncDisposableStack();
  const say = await announcer(vhost, stack);
  const url = await startBoard(vhost);
  await browser.open(url);
  await browser.until(`${text("#status")} === "Live"`);
  const totals = (handled: number) => ({ handled, duplicates: 0, dead: 0, groups: {} });
  // One was there before, and did nothing since.
  const worker = { role: "worker", stream: "tasks", title: "Work queue", totals: totals(7) };
  const declared = { ...worker, panel: { kind: "work", item: "task" } };
  say("tasks.presence", { name: "old", instance: "o", here: true, ...declared });
  say("tasks.presence", { name: "old", instance: "o", here: false, ...declared });
  for (let row = 1; row <= 20; row++) {
    const published = { name: "p", instance: "p", run: "r", row, text: `task ${row}` };
    say("tasks.published", { ...published, totals: { confirmed: row } });
  }
  for (const row of [3, 1, 2]) {
    const id = { id: `r/${row}`, worker: "ann", redelivered: false, text: `task ${row}` };
    say("tasks.taken", { name: "ann", instance: "a", ...id });
    say("tasks.handled", { name: "ann", instance: "a", ...id, waitMs: row, totals: totals(4) });
    await browser.until(`${text(panel("tasks", ".items"))}.includes("task ${row}")`);
  }
  const rows = await browser.evaluate<string[]>(texts(panel("tasks", ".items tbody tr")));
  assert.deepEqual(rows.map((row) => /task \d+/.exec(row)?.[0]), ["task 2", "task 1", "task 3"]);
  const times = rows.map((row) => row.slice(0, 8));
  assert.deepEqual(times, times.toSorted().toReversed());
  assert.ok(rows.every((row) => row.includes("ann")), "a row without a worker isn't done");

  assert.equal(await browser.evaluate(text(panel("tasks", ".folded summary"))), "1 gone");
  assert.deepEqual((await lanes(browser, "tasks")).map(([name]) => name), ["came in", "ann"]);
  await browser.evaluate(`${one(panel("tasks", ".folded"))}.open = true`);
  await browser.until(`${texts(panel("tasks", ".folded .lane"))}.join().startsWith("old")`);
});

browserTest(
  "why letters are dead, and what to type; other programs' are counted",
  async (browser) => {
    await using vhost = await Vhost.create();
    const { complaints, requests } = watched(browser);
    const worker = vhost.start("helpdesk:work", ["--handle", "0", "--name", "ann"]);
    await worker.ready();
    await using connection = await vhost.connect();
    const channel = await connection.channel("publish", async () => {});
    const send = (body: string, messageId?: string) =>
      channel.publish({
        queue: "help_queue",
        body: new TextEncoder().encode(body),
        properties: messageId === undefined ? {} : { messageId },
      });
    // One before the board.
    await send("nobody heard why");
    await eventually(
      "a letter",
      async () => (await connection.inspect("help_queue.dead"))?.ready === 1,
    );
    const url = await startBoard(vhost);
    await browser.open(url);
    await browser.until(shows("helpdesk", "dead letters", "1").replace(`1\\n"`, `1"`));
    await browser.evaluate(`${one(panel("helpdesk", ".why"))}.click()`);
    await browser.until(
      `${text("#queues .letters")}.startsWith("They were there before the board")`,
    );
    assert.equal(await browser.evaluate("document.activeElement.className"), "count-button");

    await send(HOSTILE, "x/1");
    await send(HOSTILE, "x/2");
    await send(`{"submitted":"2023-02-14T10:15:00","name":"Zed","category":"Q"}`, "x/3");
    await send("[2/14/23 10:15, Pika, A]");
    await browser.until(`${text("#queues .letters")}.includes("3 of 4 letters")`);
    const [latest, before] = await browser.evaluate<string[]>(texts("#queues .reasons li"));
    assert.match(
      latest ?? "",
      /^1 × the category must be A, B, C, D or E\nx\/3, heard of at .*\n.*"Zed"/,
    );
    assert.match(before ?? "", /^2 × neither JSON nor a ticket .*\nthe latest: x\/2, heard of at /);
    assert.ok(before?.endsWith(`\n${HOSTILE}`), before);
    assert.ok(await browser.evaluate(NO_MARKUP));
    await browser.until(
      `${text(panel("helpdesk", ".figures"))}.includes("came in, 5 by other programs\\n5\\n")`,
    );
    await browser.until(shows("helpdesk", "handled", "1"));
    assert.ok(
      (await lanes(browser, "helpdesk")).some(([name, count]) =>
        name === "other programs" && count === "5"
      ),
    );
    await shot(browser, "letters");

    // What to type is right, and is copied.
    const commands = await browser.evaluate<string[]>(texts("#queues .commands code"));
    assert.deepEqual(commands, [
      "deno task dead --queue help_queue",
      "deno task dead --requeue --queue help_queue --yes",
      "deno task dead --discard --queue help_queue",
    ]);
    const look = await vhost.run("dead", (commands[0] ?? "").split(" ").slice(3));
    assert.equal(look.code, 0, look.stderr);
    assert.equal(eventsOf(look, "letter").length, 4, JSON.stringify(look.events));
    await browser.evaluate(
      `navigator.clipboard.writeText = (text) => (window.copied = text, Promise.resolve())`,
    );
    await browser.evaluate(`${one("#queues .commands button")}.click()`);
    assert.equal(await browser.evaluate("copied"), commands[0]);
    assert.equal(await browser.evaluate(text("#queues .commands button")), "Copied");
    await browser.evaluate(`navigator.clipboard.writeText = () => Promise.reject(new Error("no"))`);
    await browser.evaluate(`document.querySelectorAll("#queues .commands button")[2].click()`);
    await browser.until(`String(getSelection()) === ${JSON.stringify(commands[2])}`);

    // The board has taken none of them.
    assert.equal((await connection.inspect("help_queue.dead"))?.ready, 4);
    for (const width of [360, 1280]) {
      await browser.resize(width, 800, { mobile: width < 400 });
      await browser.until(`innerWidth === ${width}`);
      assert.deepEqual(await browser.evaluate(CUT_TEXTS), [], `cut at ${width}`);
      assert.deepEqual(await browser.evaluate(FAINT_TEXTS), [], `faint at ${width}`);
    }
    const names = (await accessible(browser)).filter(([role]) => role === "button").map((
      [, name],
    ) => name);
    assert.ok(names.includes("4 dead letters of help_queue: why"), names.join());
    assert.ok(names.includes(`Copy: ${commands[0]}`), names.join());
    // Once they are gone nothing is said of them any more.
    await vhost.run("dead", ["--discard", "--queue", "help_queue", "--yes"]);
    await browser.until(`${one("#queues .letters")} === null`);
    assert.deepEqual(complaints, []);
    assert.deepEqual(
      requests.filter((to) => !to.startsWith(url) && to !== "about:blank"),
      [],
    );
  },
);

browserTest("a stream that nobody has told the board of describes itself", async (browser) => {
  await using vhost = await Vhost.create();
  await using stack = new AsyncDisposableStack();
  const say = await announcer(vhost, stack);
  const { complaints } = watched(browser);
  const url = await startBoard(vhost);
  await browser.open(url);
  await browser.until(`${text("#status")} === "Live"`);
  const known = await browser.evaluate<string[]>(texts("#streams h2"));
  assert.deepEqual(known.slice(0, 3), ["Help desk", "Work queue", "Smart smoker"]);

  const totals = { handled: 0, duplicates: 0, dead: 0, groups: {} };
  const groups = { x: HOSTILE, y: "second" };
  const orders = {
    ...{ name: "ann", instance: "a", here: true, role: "worker", stream: "csv/or.ders" },
    ...{ title: HOSTILE, panel: { kind: "work", item: "order", groups }, totals },
  };
  const beds = {
    ...{ name: "monitor", instance: "m", here: true, stream: "beds", title: "Beds", open: [] },
    panel: {
      kind: "series",
      key: "bed",
      keys: { north: "North bed" },
      quantities: [{ name: "soil", unit: "%" }, { name: "air", unit: "°C" }],
    },
  };
  say("csv/or.ders.presence", orders);
  say("beds.presence", beds);
  await browser.until(`${texts("#streams h2")}.length === ${known.length + 2}`);
  assert.deepEqual(await browser.evaluate(texts("#streams h2")), [...known, HOSTILE, "Beds"]);

  const order = { name: "ann", instance: "a", worker: "ann", id: "r/1", redelivered: false };
  const item = { ...order, text: "a long order ".repeat(30), group: "x" };
  // Its own keys are bound a moment later: say it until it is heard.
  await eventually("its announcements", async () => {
    say("csv/or.ders.taken", item);
    return await browser.evaluate(
      `${text(panel("csv/or.ders", ".figures"))}.includes("in hand\\n1")`,
    );
  });
  const hand = (await hands(browser, "csv/or.ders")).get("ann") ?? "";
  assert.match(hand, /s · a long order /);
  const done = { handled: 1, duplicates: 0, dead: 0, groups: { x: 1 } };
  say("csv/or.ders.handled", { ...item, waitMs: 5, totals: done });
  await browser.until(shows("csv/or.ders", "handled", "1"));
  assert.ok(
    (await browser.evaluate<string>(text(panel("csv/or.ders", ".groups")))).includes(
      `x ${HOSTILE}\n1`,
    ),
  );

  const start = Date.UTC(2024, 4, 21, 20);
  const row = (index: number) => ({
    ...{ name: "p", instance: "p", run: "r1", row: index, totals: { confirmed: index } },
    readings: [
      ["north", start + index * 60_000, 40 + index / 10, null],
      ["south", start + index * 60_000, 30, 20.25],
    ],
  });
  await eventually("its readings", async () => {
    for (let index = 0; index < 300; index++) say("beds.published", row(index));
    return await browser.evaluate(
      `document.querySelectorAll('${panel("beds", ".chart canvas")}').length === 2`,
    );
  });
  await browser.until(`${text(panel("beds", ".figures"))}.includes("69.9 %")`);
  const figures = await browser.evaluate<string>(text(panel("beds", ".figures")));
  assert.match(figures, /North bed\n69\.9 % · –\nsouth\n30\.0 % · 20\.3 °C/);
  assert.match(
    await browser.evaluate(text(panel("beds", ".run"))),
    /^Run r1, 21 May, 20:00 to 22 May, 00:59$/,
  );

  // Who works on measurements is shown, too.
  const handled = { handled: 3, duplicates: 0, dead: 0, groups: {} };
  say("beds.presence", { ...beds, name: "eve", instance: "e", role: "worker", totals: handled });
  await browser.until(`${texts("#streams h2")}.at(-1) === "Beds: work"`);
  const eve = panel("beds", ".lanes .lane:last-child");
  await browser.until(`${one(eve)}?.children[0].textContent === "eve"`);

  // An alert: on top with its time and how long it has lasted, in the list, as a strip.
  const opened = "2024-05-21T23:00:00";
  const alert = { id: "beds/r1/south/dry/180", key: "south", rule: "dry", run: "r1", opened };
  const about = { name: "monitor", instance: "m" };
  say("beds.alert", {
    ...about,
    ...alert,
    state: "open",
    at: opened,
    text: `south dry: ${HOSTILE}`,
  });
  await browser.until(
    `${text("#alerts")} === ${
      JSON.stringify(`south dry: ${HOSTILE}, since 21 May, 23:00 (1 h 59 min) · Beds`)
    }`,
  );
  await browser.until(
    `${one(panel("beds", ".strip canvas"))}.ariaLabel === "Alerts of south: dry 23:00 to now"`,
  );
  await browser.evaluate(`${one(panel("beds", ".episodes"))}.open = true`);
  await browser.until(
    `${text(panel("beds", ".episodes li"))}.startsWith("21 May, 23:00 – open, 1 h 59 min")`,
  );
  assert.ok(await browser.evaluate(NO_MARKUP));
  assert.match(await browser.evaluate("document.title"), /^\(1\) Board$/);
  await shot(browser, "unknown");

  // All is drawn at once where nothing follows, on a phone as well.
  await browser.resize(390, 800, { mobile: true });
  await browser.open(url);
  for (const canvas of [".chart canvas", ".strip canvas"]) {
    await browser.until(`(${isPainted})(${one(panel("beds", canvas))})`, 5000);
  }
  assert.deepEqual(await browser.evaluate(CUT_TEXTS), []);

  // A page that is opened later has it all; a stream of another name isn't heard with it.
  say("csv/or.ders.more.handled", { ...item, totals: { ...done, handled: 9 } });
  await browser.open("about:blank");
  await browser.open(url);
  await browser.until(shows("csv/or.ders", "handled", "1"));
  assert.deepEqual(complaints, []);
});

browserTest(
  "of fifty keys those with alerts come first, then the widest movers",
  async (browser) => {
    await using vhost = await Vhost.create();
    await using stack = new AsyncDisposableStack();
    const say = await announcer(vhost, stack);
    const { complaints } = watched(browser);
    const url = await startBoard(vhost);
    await browser.open(url);
    await browser.until(`${text("#status")} === "Live"`);
    const panelOf = {
      kind: "series",
      key: "host",
      keys: {},
      quantities: [{ name: "cpu", unit: "%" }],
    };
    const about = { name: "monitor", instance: "m" };
    say("metrics.presence", {
      ...about,
      here: true,
      stream: "metrics",
      title: "Metrics",
      panel: panelOf,
    });
    await browser.until(one(panel("metrics")));
    const hosts = Array.from(
      { length: 50 },
      (_, index) => `web-${String(index).padStart(2, "0")}.example`,
    );
    const start = Date.UTC(2024, 4, 21, 10);
    const judged = (minute: number) => ({
      ...about,
      totals: {},
      keys: hosts.map((key, host) => ({
        ...{ key, run: "r", open: host === 40 ? ["a40"] : [], windowsMs: [[0, 600_000]] },
        readings: [[start + minute * 60_000, 50 + host / 10]],
        // The later half moves, the last most.
        changes: [host < 25 ? 0 : (host - 25) * (host % 2 === 0 ? 1 : -1)],
      })),
    });
    await eventually("its readings", async () => {
      for (let minute = 0; minute < 50; minute++) {
        say("metrics.judged", judged(minute));
      }
      return await browser.evaluate(`Boolean(${one(panel("metrics", ".figures div"))})`);
    });
    const opened = "2024-05-21T10:30:00";
    const alert = {
      id: "a40",
      key: hosts[40],
      rule: "high",
      state: "open",
      run: "r",
      opened,
      at: opened,
    };
    say("metrics.alert", { ...about, ...alert, text: "web-40.example high" });
    const first = [
      "web-40.example · alert open",
      ...[49, 48, 47, 46, 45, 44, 43].map((host) => `web-${host}.example`),
    ];
    const shown = texts(panel("metrics", ".figures dt"));
    await browser.until(`${shown}.join() === ${JSON.stringify(first.join())}`);
    assert.match(
      await browser.evaluate(text(panel("metrics", ".find small"))),
      /^8 of 50 shown: those with open alerts, then those that moved most$/,
    );
    await shot(browser, "hosts");
    // By keyboard: what is typed narrows it down.
    await browser.evaluate(`${one(panel("metrics", "input"))}.focus()`);
    await browser.call("Input.insertText", { text: "WEB-0" });
    await browser.until(
      `${shown}.length === 8 && ${shown}.every((name) => name.startsWith("web-0"))`,
    );
    await browser.call("Input.insertText", { text: "7" });
    await browser.until(`${shown}.join() === "web-07.example"`);
    await browser.call("Input.insertText", { text: "x" });
    await browser.until(
      `${text(panel("metrics", ".find small"))} === "No host of 50 has “web-07x” in its name"`,
    );
    const named = (await accessible(browser)).find(([role]) => role === "searchbox");
    assert.deepEqual(named, ["searchbox", "Find a host"]);
    for (const width of [390, 1280]) {
      await browser.resize(width, 800, { mobile: width < 400 });
      await browser.until(`innerWidth === ${width}`);
      assert.deepEqual(await browser.evaluate(CUT_TEXTS), [], `cut at ${width}`);
    }
    assert.deepEqual(complaints, []);
  },
);

browserTest("on a phone long tasks wrap, and the page isn't made tall by them", async (browser) => {
  await using vhost = await Vhost.create();
  const url = await startBoard(vhost);
  await browser.resize(390, 800, { mobile: true });
  await browser.open(url);
  await browser.until(`${text("#status")} === "Live"`);
  const worker = vhost.start("tasks:work", [
    "--dot",
    "0",
    "--name",
    "a-worker-with-quite-a-long-name",
    "--queue",
    "task_queue2",
  ]);
  await worker.ready();
  const words = "compile the kernel with every driver that was ever written for it ".repeat(20);
  await vhost.run("tasks:new", [words, "--repeat", "4", "--queue", "task_queue2"]);
  await vhost.run("tasks:new", ["x".repeat(3000), "--repeat", "4", "--queue", "task_queue2"]);
  await browser.until(shows("tasks", "handled", "8"));
  assert.ok(await browser.evaluate("document.documentElement.scrollWidth") as number <= 390);
  assert.deepEqual(await browser.evaluate(CUT_TEXTS), []);
  const heights = await browser.evaluate<number[]>(
    `[...document.querySelectorAll(${
      JSON.stringify(panel("tasks", ".items tbody tr, .lane"))
    })].map((row) => row.getBoundingClientRect().height)`,
  );
  assert.ok(Math.max(...heights) < 100, heights.join());
  await shot(browser, "phone");
  // A queue of another name is the one that its worker says.
  await browser.until(`/task_queue2\\t0\\t1\\t0/.test(${text("#queues")})`);
  await browser.until(shows("tasks", "waiting now", "0"));
});
