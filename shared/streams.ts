/**
 * The streams, each declared once, and what a declaration is.
 *
 * Producer, worker, monitor, notifier, board and the tools read the declarations and {@link STREAMS}: a stream of one's
 * own is one more file in `streams/` and its name in `streams/list.ts`.
 */
import { deadQueue, stateQueue } from "./connection.ts";
import { queuesOf, STREAMS } from "./streams/known.ts";
import type { AnyStream } from "./streams/stream.ts";

export { type Alert, alertText, type AlertWords, alertWords, hundredths } from "./streams/alert.ts";
export { happenedText, lastedText, withUnit } from "./streams/alert.ts";
export { ALERTS, NOTICE_KINDS, type NoticeKind, noticeQueue, wordsOf } from "./streams/alerts.ts";
export { publishedNews } from "./streams/announced.ts";
export { type CsvLine, type CsvStream, csvStream, timeOf } from "./streams/any_csv.ts";
export { check, numberIn, originOf, publishedAt, runAndRow, startOfBody } from "./streams/codec.ts";
export { columnAmong, columnNames, numberOf } from "./streams/csv_cells.ts";
export { cellOf, cellText, type CsvRow, type Decimal } from "./streams/csv_cells.ts";
export { type CsvDescription, delimiter, describedBy } from "./streams/csv_description.ts";
export { DESCRIPTION_OPTIONS, readDescription, STREAM_OPTION } from "./streams/csv_description.ts";
export { formatLocalTime, lengthText, localNow, parseLocalTime } from "./streams/local_time.ts";
export { parseRecorded, type Recorded, spanText, timeOfDay } from "./streams/local_time.ts";
export { deadHints, knownStreams, STREAMS } from "./streams/known.ts";
export * from "./streams/list.ts";
export { namesOf, type QueueNames, queueOption, requireQueueName } from "./streams/queue_option.ts";
export type { AnyStream, CsvForm, Encoded, Format, Measurement } from "./streams/stream.ts";
export { type TimeFormat, timeFormat } from "./streams/time_format.ts";
export type {
  AnyHeader,
  Outgoing,
  Quantity,
  SeriesPanel,
  Stream,
  StreamQueue,
} from "./streams/stream.ts";
export type { WorkPanel } from "./streams/stream.ts";
export { presenceOf } from "./streams/stream.ts";

/** The queues that consumers read; not the saved states, where a letter would take the place of what a monitor knows. */
export function consumedQueues(streams: readonly AnyStream[] = STREAMS): string[] {
  const queues = queuesOf(streams);
  const later = queues.filter(({ deadElsewhere }) => deadElsewhere);
  return [...queues.filter(({ deadElsewhere }) => !deadElsewhere), ...later]
    .map(({ name }) => name);
}

/** The queues of dead letters. */
export function deadQueues(streams: readonly AnyStream[] = STREAMS): string[] {
  return queuesOf(streams).filter(({ deadElsewhere }) => !deadElsewhere)
    .map(({ name }) => deadQueue(name).queue);
}

/** Every queue of the collection under its usual name. */
export function allQueues(streams: readonly AnyStream[] = STREAMS): string[] {
  const states = queuesOf(streams).filter(({ monitored }) => monitored)
    .map(({ name }) => stateQueue(name).queue);
  return [...consumedQueues(streams), ...states, ...deadQueues(streams)];
}
