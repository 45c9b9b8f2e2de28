/**
 * Makes orders.csv: 150 orders of a German shop as a spreadsheet saves them: semicolons, decimal commas, a byte order
 * mark, CRLF, and remarks of several lines.
 *
 *     deno run --allow-write=data data/make_orders.ts
 */
import { seededRandom } from "./seeded_random.ts";

const SEED = 7;
const FIRST = Date.UTC(2024, 2, 4, 8);
const ORDERS = 150;

const CUSTOMERS = [
  ...["Müller GmbH", "Bäckerei Groß", "Schröder & Söhne", "Café Zürich; Inh. Frei", "Jäger KG"],
  ...['Gasthof "Zur Post"', "Weiß Elektro", "Hotel Öresund", "Kühn, Peter", "Blumen Lüders"],
];
/** Some begin with a 0. */
const POSTCODES = ["01067", "04109", "10115", "20095", "50667", "80331", "99084", "06108"];
const ARTICLES: readonly (readonly [name: string, price: number])[] = [
  ["Espressobohnen 1 kg", 18.9],
  ["Filterpapier", 2.49],
  ["Milchkännchen", 7.5],
  ["Mahlwerk", 129],
  ["Entkalker 0,5 l", 11.95],
  ["Siebträger", 64.25],
];
const REMARKS = [
  "Bitte klingeln",
  "Lieferung an:\nHintereingang\nTor 2",
  'Rechnung mit Vermerk "Muster"',
  "Eilt; vor 10 Uhr",
];

const two = (number: number) => String(number).padStart(2, "0");

function germanTime(ms: number): string {
  const date = new Date(ms);
  const day = `${two(date.getUTCDate())}.${two(date.getUTCMonth() + 1)}.${date.getUTCFullYear()}`;
  return `${day} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
}

function field(text: string): string {
  return /[";\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

if (import.meta.main) {
  const random = seededRandom(SEED);
  const oneOf = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
  let time = FIRST;
  const lines = Array.from({ length: ORDERS }, (_, index) => {
    time += (1 + Math.floor(random() * 25)) * 60_000;
    const [article, price] = oneOf(ARTICLES);
    const count = 1 + Math.floor(random() * 9);
    const sum = (price * count).toFixed(2).replace(".", ",");
    const remark = random() < 0.3 ? oneOf(REMARKS) : "";
    const number = String(20240001 + index);
    return [
      ...[number, germanTime(time), oneOf(CUSTOMERS), oneOf(POSTCODES), article],
      ...[String(count), sum, remark],
    ].map(field).join(";");
  });
  const header = "Nr;Datum;Kunde;PLZ;Artikel;Menge;Summe;Bemerkung";
  const file = new URL("orders.csv", import.meta.url);
  await Deno.writeTextFile(file, "\ufeff" + [header, ...lines].join("\r\n") + "\r\n");
}
