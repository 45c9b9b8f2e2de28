/** Bodies that are right, for each queue of each stream by its key: what the fuzz tests mutate. */
import { sampleNotice } from "../shared/notifier.ts";
import { ALERTS, alertWords } from "../shared/streams.ts";

const ALERT = ALERTS.encode(sampleNotice().alert).body;
/** One of a stream that isn't declared. */
const OTHER_ALERT = ALERTS.encode({ ...alertWords().sample("g/r/k/high/5"), unit: "%" }).body;

/** By the name of the stream. */
export const FUZZED: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  helpdesk: {
    tickets: [
      '{"submitted":"2023-02-14T10:15:00","name":"Adam","category":"A"}',
      "[2/14/23 10:15, Adam, A]",
    ],
    replies: [
      '{"ticket":"r/1","name":"Adam","category":"A","worker":"w1","handled":"2026-01-01T00:00:00Z","text":"Hello"}',
    ],
  },
  tasks: { tasks: ["First task....", "Émile, a “quoted” one.."] },
  smoker: {
    smoker: [
      '{"time":"2021-05-22T12:34:10","channel":"smoker","fahrenheit":103.5}',
      "05/22/21 12:34:10,103.5",
      "(05/22/21 12:34:10, 103.5)",
    ],
  },
  alerts: { alerts: [ALERT, OTHER_ALERT], email: [ALERT, OTHER_ALERT] },
};
