/** Alerts for tests, as the monitor publishes them. */
import type { Alert } from "../../shared/alerts.ts";
import type { Connection } from "../../shared/connection.ts";
import { Publisher } from "../../shared/publisher.ts";
import { ALERT_QUEUES } from "../../shared/queue_names.ts";
import { alertQueue } from "../../shared/topology.ts";

/** An alert of the smoker, number `row` of run r. */
export function alertOf(row: number, changes: Partial<Alert> = {}): Alert {
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
  using publisher = await Publisher.open(connection, [alertQueue(ALERT_QUEUES.alerts)]);
  await Promise.all(alerts.map((alert) => {
    const { id, state } = alert as Alert;
    return publisher.publish({
      queue: ALERT_QUEUES.alerts,
      body: Buffer.from(JSON.stringify(alert)),
      properties: {
        contentType: "application/json",
        messageId: `${id}/${state}`.slice(0, 255),
        headers: { "published-at": publishedAt },
      },
    });
  }));
}
