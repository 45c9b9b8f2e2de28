/**
 * Makes help-desk-tickets.csv: 125 requests to a help desk, five at a time every five minutes.
 *
 *     deno run --allow-write=data data/make_help_desk_tickets.ts
 */
import { seededRandom, shortDate } from "./seeded_random.ts";

const SEED = 9;
const FIRST = Date.UTC(2023, 1, 14, 10, 15);
const TICKETS = 125;
const AT_ONCE = 5;
const MINUTES_BETWEEN = 5;

/** Shares in percent. Most people ask about the program itself, few about what fits no category. */
const CATEGORIES = { A: 26, B: 34, C: 14, D: 18, E: 8 };

// Accents, an apostrophe and a comma among them, so that whoever reads the file has to decode it and
// take off quotes properly.
const NAMES = `
  Aaliyah Adam Ahmed Aiko Amara Ana Andrzej Anh Anjali Ayodele Beatriz Ben Bilal Björn Camila Carlos
  Chen Chidi Claire Daniel Deepa Diego Ebony Elena Emeka Esra Fatima Felix Freya Gabriel Grace Hana
  Hassan Helga Hiroshi Imani Ines Ivan Jamal Jin José Joy Kai Kateryna Keisha Kofi Lars Leilani Liam
  Lucia Mahmoud Malia Marcus Mei Miguel Mila Naveen Ngozi Nia Noah Nora Olga Omar Oscar Paolo Petra
  Priya Quinn Rahul Rania Renée Rosa Ryan Sade Samuel Sanjay Siobhan Sofia Svetlana Tamika Tariq
  Thandi Thomas Tuan Uma Vera Viktor Wanjiru Wei Xavier Yara Yusuf Zainab Zoë D'Angelo
`.trim().split(/\s+/);
const NAME_WITH_COMMA = "Lee, Ana";

/** A field as CSV wants it: in quotes if it holds a comma or a quote. */
function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A category letter, drawn by the shares above. */
function drawCategory(random: () => number): string {
  let left = random() * 100;
  for (const [category, share] of Object.entries(CATEGORIES)) {
    left -= share;
    if (left < 0) return category;
  }
  throw new RangeError("The shares of the categories must add up to 100");
}

/** All the names in random order (Fisher-Yates), so that each appears before one comes twice. */
function shuffled(names: string[], random: () => number): string[] {
  const order = [...names];
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}

if (import.meta.main) {
  const random = seededRandom(SEED);
  const names = [...shuffled([...NAMES, NAME_WITH_COMMA], random), ...shuffled(NAMES, random)];
  const lines = names.slice(0, TICKETS).map((name, index) => {
    const minutes = Math.floor(index / AT_ONCE) * MINUTES_BETWEEN;
    const date = shortDate(new Date(FIRST + minutes * 60_000));
    return [date, field(name), drawCategory(random)].join(",");
  });
  const text = ["Date_Time,First_Name,Help_Request", ...lines].join("\n") + "\n";
  await Deno.writeTextFile(new URL("help-desk-tickets.csv", import.meta.url), text);
}
