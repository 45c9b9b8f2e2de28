/**
 * A stream of one's own: a greenhouse, added to a copy of the project by one declaration, three short scripts and their
 * tasks. Everything else has to take it as it is.
 */
import assert from "node:assert/strict";
import { seededRandom } from "../../data/seeded_random.ts";
import { brokerAddress } from "../../shared/connection.ts";
import { type Event, PROJECT } from "../../shared/script.ts";
import { formatLocalTime } from "../../shared/streams.ts";
import { ProjectWith } from "../fixtures/project.ts";
import { RawConnection } from "../raw_amqp.ts";
import { e2e, eventsOf, summaryOf, takeRaw, Vhost } from "./harness.ts";
import { bodyOf, header, MailServer, mailTo } from "./mail_server.ts";

const BEDS = ["bed-1", "bed-2", "bed-3", "bed-4", "bed-5", "bed-6"];
const STEPS = 160;
const STEP_MS = 30_000;
const SPAN_MS = 600_000;
const IDLE = ["--exit-when-idle", "2s"];

interface Climate {
  readonly row: number;
  readonly bed: string;
  readonly time: number;
  readonly temperature: number;
  readonly humidity: number;
}

/** Two hours: bed 1 grows hot for a while, the air of bed 4 stands still, the others change now and then. */
const CLIMATE: Climate[] = (() => {
  const random = seededRandom(7);
  const start = Date.UTC(2024, 5, 1, 8);
  return Array.from({ length: STEPS * BEDS.length }, (_, index) => {
    const step = Math.floor(index / BEDS.length);
    const bed = BEDS[index % BEDS.length] ?? "";
    const warm = bed === "bed-1" && step >= 60 && step < 90 ? Math.min(9, step - 60) : 0;
    const still = bed === "bed-4" && step >= 40 && step < 120;
    return {
      row: index + 1,
      bed,
      time: start + step * STEP_MS,
      temperature: Math.round((21 + warm + random() * 3) * 10) / 10,
      humidity: still ? 61 : Math.round((60 + random() * 12) * 10) / 10,
    };
  });
})();

const CSV = ["Time,Bed,°C,%"].concat(
  CLIMATE.map(({ bed, time, temperature, humidity }) =>
    [formatLocalTime(time), bed, temperature, humidity].join()
  ),
).join("\n") + "\n";

/** The ids of the alerts, worked out reading by reading with no windows but the readings themselves. */
function expectedAlerts(run: string): string[] {
  const ids: string[] = [];
  for (const bed of BEDS) {
    const readings = CLIMATE.filter((one) => one.bed === bed);
    const open: Record<string, string | undefined> = {};
    for (const { row, time, temperature } of readings) {
      const window = readings.filter((other) => other.time <= time && other.time >= time - SPAN_MS);
      const coolest = Math.min(...window.map((other) => other.temperature));
      const humidities = window.map(({ humidity }) => humidity);
      const covered = time - (window[0]?.time ?? time) >= 0.9 * SPAN_MS;
      const apart = Math.round((Math.max(...humidities) - Math.min(...humidities)) * 100) / 100;
      const truths = {
        hot: Math.round((temperature - coolest) * 100) / 100 > 5,
        still: covered && apart < 1,
      };
      for (const [rule, isTrue] of Object.entries(truths)) {
        const id = open[rule];
        if (isTrue && id === undefined) {
          open[rule] = `greenhouse/${run}/${bed}/${rule}/${row}`;
          ids.push(`${open[rule]}/open`);
        } else if (!isTrue && id !== undefined) {
          open[rule] = undefined;
          ids.push(`${id}/resolved`);
        }
      }
    }
  }
  return ids.sort();
}

/** The bodies of alert events, by `<id>/<state>`. */
function alertBodies(events: Event[]): Map<string, string> {
  return new Map(
    eventsOf({ events }, "alert").map(({ event: _, ...alert }) => [
      `${alert.id}/${alert.state}`,
      JSON.stringify(alert),
    ]),
  );
}

function greenhouse(): Promise<ProjectWith> {
  return ProjectWith.greenhouse({ "greenhouse.csv": CSV });
}

e2e("a stream's scripts have at most 60 lines, and the copy passes its checks", async () => {
  await using project = await greenhouse();
  for (const script of ["producers", "consumers"]) {
    for (const { name } of Deno.readDirSync(`${PROJECT}/tests/fixtures/greenhouse/${script}`)) {
      const text = await Deno.readTextFile(`${project.folder}/${script}/${name}`);
      assert.ok(text.split("\n").length <= 60, name);
    }
  }
  const { code, stderr } = await new Deno.Command("deno", {
    args: ["check", "producers", "consumers", "shared"],
    cwd: project.folder,
    env: { NO_COLOR: "1" },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
});

e2e("a stream of one's own is replayed, shared by workers, and its queues are known", async () => {
  await using vhost = await Vhost.create();
  await using copy = await greenhouse();
  const project = copy.folder;
  const produced = await vhost.run("greenhouse:produce", ["--interval", "0", "--run", "r"], {
    project,
  });
  assert.equal(produced.code, 0, produced.stderr);
  assert.equal(produced.summary.confirmed, 2 * CLIMATE.length);
  using raw = await RawConnection.open(brokerAddress(vhost.url));
  await raw.publish("greenhouse_watering", {}, '{"bed":"bed-9"}');
  await raw.confirmed();
  const workers = await Promise.all(
    ["ann", "bob"].map((name) =>
      vhost.run("greenhouse:work", ["--name", name, ...IDLE], { project })
    ),
  );
  const handled = workers.map(({ summary }) => Number(summary.handled));
  assert.equal(handled[0]! + handled[1]!, CLIMATE.length);
  assert.ok(handled.every((count) => count > 0), String(handled));
  const watered = workers.flatMap((worker) => eventsOf(worker, "watered").map(({ id }) => id));
  assert.equal(new Set(watered).size, CLIMATE.length);

  const listed = vhost.start("queues", [], { project });
  await listed.ended;
  const queues = eventsOf(listed, "queue").map(({ queue, ready }) => [queue, ready]);
  const ours = queues.filter(([queue]) => String(queue).startsWith("greenhouse"));
  assert.deepEqual(
    new Map(ours as [string, number][]),
    new Map([
      ["greenhouse", CLIMATE.length],
      ["greenhouse_watering", 0],
      ["greenhouse_watering.dead", 1],
    ]),
  );
  // Known by its declaration: no `--queue` says so.
  const dead = vhost.start("dead", [], { project });
  await dead.ended;
  const letters = eventsOf(dead, "letter").map(({ queue, reason }) => [queue, reason]);
  assert.deepEqual(letters, [["greenhouse_watering.dead", "time is missing"]]);
});

e2e("its monitor, killed three times beside a standby, gives the backtest's alerts", async () => {
  await using vhost = await Vhost.create();
  await using copy = await greenhouse();
  const project = copy.folder;
  const backtest = await vhost.run(
    "greenhouse:monitor",
    ["--backtest", "data/greenhouse.csv", "--run", "r"],
    { project },
  );
  assert.equal(backtest.code, 0, backtest.stderr);
  const expected = alertBodies(backtest.events);
  assert.deepEqual([...expected.keys()].sort(), expectedAlerts("r"));
  assert.ok(expected.size >= 4, [...expected.keys()].join("\n"));

  const flags = ["--prefetch", "20", ...IDLE];
  const start = () => vhost.start("greenhouse:monitor", flags, { project }).ready();
  const seen = new Map<string, string>();
  const collect = ({ events }: { events: Event[] }) => {
    for (const event of eventsOf({ events }, "reading")) {
      const text = JSON.stringify(event);
      assert.equal(seen.get(String(event.id)) ?? text, text, "the same reading again");
      seen.set(String(event.id), text);
    }
  };
  let active = await start();
  // Slow enough that there is something left after each kill.
  const producer = vhost.start("greenhouse:produce", ["--interval", "5ms", "--run", "r"], {
    project,
  });
  for (let kill = 1; kill <= 3; kill++) {
    const standby = await start();
    await active.until((events) => eventsOf({ events }, "reading").length >= CLIMATE.length / 6);
    await active.kill("KILL");
    await active.ended;
    collect(active);
    active = standby;
  }
  assert.equal((await producer.ended).code, 0);
  const { code, stderr } = await active.ended;
  assert.equal(code, 0, stderr);
  collect(active);
  assert.equal(seen.size, CLIMATE.length);
  assert.deepEqual(
    [...seen.values()].sort(),
    eventsOf(backtest, "reading").map((event) => JSON.stringify(event)).sort(),
  );
  const sent = new Map<string, string>();
  for (const { messageId = "", body } of await takeRaw(vhost.url, "alert_queue")) {
    assert.equal(sent.get(messageId) ?? String(body), String(body), "the same alert again");
    sent.set(messageId, String(body));
  }
  assert.deepEqual(sent, expected);
  const keys = summaryOf(active).keys as Record<string, { readings: number }>;
  assert.deepEqual(Object.keys(keys).filter((key) => !BEDS.includes(key)), []);
});

e2e("its alerts come by mail, in its words and units", async () => {
  await using vhost = await Vhost.create();
  await using copy = await greenhouse();
  const project = copy.folder;
  await using server = await MailServer.start({ secure: true });
  await vhost.run("greenhouse:produce", ["--interval", "0", "--run", "r"], { project });
  await vhost.run("greenhouse:monitor", IDLE, { project });
  const env = mailTo(server, { ALERT_EMAIL_TO: "ann@example.com" });
  const { code, stderr } = await vhost.run("alerts:notify", IDLE, { project, env });
  assert.equal(code, 0, stderr);
  const hot = server.mails.find((mail) => /^Tomatoes hot: /.test(header(mail, "subject") ?? ""));
  assert.ok(hot, server.mails.map((mail) => header(mail, "subject")).join("\n"));
  assert.match(header(hot, "subject") ?? "", /temperature .* °C in 10 min, now .* °C$/);
  assert.match(bodyOf(hot), /^Bed +Tomatoes$/m);
  assert.match(bodyOf(hot), /^Rule +hot \(open the windows\)$/m);
  assert.match(bodyOf(hot), /^Highest +[\d.]+ °C$/m);
  const still = server.mails.find((mail) => /^bed-4 still: /.test(header(mail, "subject") ?? ""));
  assert.match(header(still!, "subject") ?? "", /humidity 61 to 61 % in 10 min, now 61 %$/);
});

/** What the board's page is sent, read until it says something. */
async function boardSays(url: string, wanted: RegExp): Promise<string> {
  const deadline = AbortSignal.timeout(20_000);
  const { body } = await fetch(`${url}/events`, { signal: deadline });
  assert.ok(body);
  let said = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (wanted.test(said)) break;
  }
  return said;
}

e2e("the board shows it by its names, with its units and alerts", async () => {
  await using vhost = await Vhost.create();
  await using copy = await greenhouse();
  const project = copy.folder;
  const board = await vhost.start("board", ["--port", "0"], { project }).ready();
  const url = String(board.events[0]?.url);
  const monitor = await vhost.start("greenhouse:monitor", [], { project }).ready();
  await vhost.run("greenhouse:produce", ["--interval", "0", "--run", "r"], { project });
  const said = await boardSays(url, /Tomatoes hot: temperature/);
  for (const word of ["Greenhouse", "Peppers", "°C", "humidity", "greenhouse_watering"]) {
    assert.ok(said.includes(word), word);
  }
  await monitor.kill("INT");
  await monitor.ended;
});
