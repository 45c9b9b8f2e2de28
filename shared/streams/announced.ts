/** What is announced of a row that was published. */
import type { AnyStream, Outgoing } from "./stream.ts";

/**
 * A stream of work announces its first item, a stream of measurements every measurement. The item's id is
 * `<run>/<row>`, with what is `named` in the place of the row, and `/<part>` behind where there is one.
 */
export function publishedNews<Row>(
  { name, panel }: AnyStream,
  messages: (row: Row) => readonly Outgoing<unknown, string>[],
): { key: string; body: (row: Row) => Record<string, unknown> } {
  const key = `${name}.published`;
  if (panel.kind === "work") {
    const body = (row: Row) => {
      const [first] = messages(row);
      if (!first) return {};
      const { item, name: named, part } = first;
      return { ...panel.shown(item), named, part };
    };
    return { key, body };
  }
  const body = (row: Row) => ({
    readings: messages(row).map(({ item }) => {
      const { key, time, values } = panel.measured(item);
      return [key, time, ...values];
    }),
  });
  return { key, body };
}
