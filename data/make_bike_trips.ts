/**
 * Makes bike-trips.csv: 600 rides of a city's rental bikes on one morning, in the order in which they begin.
 *
 *     deno run --allow-write=data data/make_bike_trips.ts
 */
import { gaussian, seededRandom } from "./seeded_random.ts";

const SEED = 21;
const FIRST = Date.UTC(2024, 5, 3, 6);
const RIDES = 600;
const SECONDS_BETWEEN = 24;

/** Name, and kilometres east and north of the first one. */
const STATIONS: readonly (readonly [name: string, east: number, north: number])[] = [
  ["Central Station", 0, 0],
  ["Market Square", 0.8, 0.3],
  ["University", 1.9, 1.2],
  ["Harbour, Pier 3", -1.4, 0.9],
  ["City Hospital", 2.6, -0.7],
  ["Old Bridge", 0.4, -0.9],
  ["Stadium", -2.2, -1.8],
  ["Botanic Garden", 1.1, 2.4],
  ["Theatre", 0.5, 0.9],
  ['"Blue" Tower', 3.3, 0.6],
];

const HEADER = [
  ...["ride_id", "bike_type", "started_at", "ended_at", "start_station", "start_id"],
  ...["end_station", "end_id", "duration_s", "distance_km", "member", "battery"],
];

/** A field as CSV wants it. */
function field(text: string | number): string {
  const written = String(text);
  return /[",\r\n]/.test(written) ? `"${written.replaceAll('"', '""')}"` : written;
}

const stamp = (ms: number) => new Date(ms).toISOString().slice(0, 19).replace("T", " ");
/** With zeros in front: a number would lose them. */
const stationId = (index: number) => String(index * 7 + 11).padStart(4, "0");

if (import.meta.main) {
  const random = seededRandom(SEED);
  const normal = gaussian(random);
  const below = (end: number) => Math.floor(random() * end);
  let start = FIRST;
  const lines = Array.from({ length: RIDES }, (_, index) => {
    // Rides begin one by one, at random: the time between two is exponential.
    start += Math.round(-Math.log(1 - random()) * SECONDS_BETWEEN) * 1000;
    const from = below(STATIONS.length);
    const to = (from + 1 + below(STATIONS.length - 1)) % STATIONS.length;
    const [startName, startEast, startNorth] = STATIONS[from]!;
    const [endName, endEast, endNorth] = STATIONS[to]!;
    const isElectric = random() < 0.4;
    // Streets aren't straight.
    const kilometres = 1.3 * Math.hypot(endEast - startEast, endNorth - startNorth);
    const speed = Math.max(6, (isElectric ? 19 : 14) + 2 * normal());
    const seconds = Math.round(kilometres / speed * 3600 + 60 + 30 * random());
    return [
      `R${String(index + 1).padStart(5, "0")}`,
      isElectric ? "electric" : "classic",
      stamp(start),
      stamp(start + seconds * 1000),
      startName,
      stationId(from),
      endName,
      stationId(to),
      seconds,
      kilometres.toFixed(2),
      random() < 0.7 ? "yes" : "no",
      isElectric ? 30 + below(71) : "",
    ].map(field).join(",");
  });
  const file = new URL("bike-trips.csv", import.meta.url);
  await Deno.writeTextFile(file, [HEADER.join(","), ...lines].join("\n") + "\n");
}
