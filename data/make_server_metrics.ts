/**
 * Makes server-metrics.csv: an hour of 50 servers, each measured once a minute, with three incidents. Prints them, which
 * README.md retells.
 *
 *     deno run --allow-write=data data/make_server_metrics.ts
 */
import { gaussian, seededRandom } from "./seeded_random.ts";

const SEED = 50;
/** Seconds since 1970. */
const FIRST = Date.UTC(2024, 8, 12, 14) / 1000;
const MINUTES = 60;

const KINDS = { web: 20, api: 12, db: 8, cache: 6, queue: 4 } as const;
const REGIONS = ["eu-1", "eu-2", "us-1"];

/** From one minute to another, the last one included. */
interface Incident {
  readonly host: string;
  readonly from: number;
  readonly to: number;
  readonly what: string;
}

const BUSY: Incident = { host: "web-07", from: 20, to: 31, what: "busy: its load is above 90 %" };
const STUCK: Incident = { host: "db-03", from: 30, to: 49, what: "its probe says the same again" };
const SILENT: Incident = { host: "cache-02", from: 25, to: 43, what: "says nothing" };
/** A minute each: too short for a rule that waits. */
const PEAKS: readonly (readonly [host: string, minute: number])[] = [
  ["api-04", 12],
  ["web-15", 33],
  ["queue-01", 47],
];

const isIn = ({ from, to }: Incident, minute: number) => minute >= from && minute <= to;

if (import.meta.main) {
  const random = seededRandom(SEED);
  const normal = gaussian(random);
  const hosts = Object.entries(KINDS).flatMap(([kind, count]) =>
    Array.from({ length: count }, (_, index) => ({
      host: `${kind}-${String(index + 1).padStart(2, "0")}`,
      region: REGIONS[index % REGIONS.length]!,
      /** The second of each minute in which it is measured. */
      second: Math.floor(random() * 60),
      usual: 20 + 35 * random(),
      memory: 30 + 50 * random(),
      drift: 0,
      last: 0,
    }))
  ).toSorted((a, b) => a.second - b.second);
  const lines: string[] = [];
  for (let minute = 0; minute < MINUTES; minute++) {
    for (const it of hosts) {
      it.drift = 0.8 * it.drift + 2 * normal();
      const { host, region, second } = it;
      const peak = PEAKS.some(([one, when]) => one === host && when === minute);
      const isBusy = host === BUSY.host && isIn(BUSY, minute);
      let load = it.usual + it.drift + 2 * normal();
      if (peak || isBusy) load = 95 + normal();
      if (host === STUCK.host && isIn(STUCK, minute)) load = it.last;
      it.last = load;
      if (host === SILENT.host && isIn(SILENT, minute)) continue;
      const cpu = Math.min(100, Math.max(0, load)).toFixed(1);
      const memory = Math.min(99, it.memory + 0.5 * normal()).toFixed(1);
      const requests = host.startsWith("db") ? "" : Math.round(Math.max(0, load) * 12);
      lines.push([FIRST + minute * 60 + second, host, region, cpu, memory, requests].join(","));
    }
  }
  const file = new URL("server-metrics.csv", import.meta.url);
  const header = "timestamp,host,region,cpu,memory,requests";
  await Deno.writeTextFile(file, [header, ...lines].join("\n") + "\n");

  const clock = (minute: number, second: number) =>
    new Date((FIRST + minute * 60 + second) * 1000).toISOString().slice(11, 19);
  for (const { host, from, to, what } of [BUSY, STUCK, SILENT]) {
    const second = hosts.find((one) => one.host === host)?.second ?? 0;
    console.log(`${host} ${clock(from, second)} to ${clock(to, second)}: ${what}`);
  }
}
