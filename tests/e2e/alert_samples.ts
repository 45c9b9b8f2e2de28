/** Alerts for tests, as the monitor publishes them. */
import { type Connection, Publisher, queueOf } from "../../shared/connection.ts";
import { ALERTS } from "../../shared/streams.ts";

/** The body of an alert of the smoker. */
export interface SmokerAlert {
  readonly id: string;
  readonly channel: string;
  readonly rule: "drop" | "stall";
  readonly state: "open" | "resolved";
  readonly opened: string;
  readonly at: string;
  readonly fahrenheit: number;
  readonly change: number;
  readonly min: number;
  readonly max: number;
  readonly readings: number;
  readonly reason?: "new run";
}

/** An alert of the smoker, number `row` of run r. */
export function alertOf(row: number, changes: Partial<SmokerAlert> = {}): SmokerAlert {
  const at = "2021-05-22T12:34:10";
  return {
    id: `r/smoker/drop/${row}`,
    channel: "smoker",
    rule: "drop",
    state: "open",
    opened: at,
    at,
    fahrenheit: 103.5,
    change: -16.6,
    min: 103.5,
    max: 120.1,
    readings: 5,
    ...changes,
  };
}

/** Publishes alerts as the monitor does. */
export async function publishAlerts(
  connection: Connection,
  alerts: unknown[],
  publishedAt = Date.now(),
): Promise<void> {
  const { name: queue, kind } = ALERTS.queues.alerts;
  using publisher = await Publisher.open(connection, [queueOf(queue, kind)]);
  await Promise.all(alerts.map((alert) => {
    const { id, state } = alert as SmokerAlert;
    return publisher.publish({
      queue,
      body: Buffer.from(JSON.stringify(alert)),
      properties: {
        contentType: "application/json",
        messageId: `${id}/${state}`.slice(0, 255),
        headers: { "published-at": publishedAt },
      },
    });
  }));
}
