"""pika, Python's AMQP client, publishing rows: without confirms, or with them, one message after the other.

    pika_publish.py URL [--confirms] < rows.csv

As its documentation teaches with a BlockingConnection. Prints {"seconds","rows"}: from the first message to the
last confirm, or to the end of the connection, before which the broker has read everything.
"""

import csv
import json
import sys
import time

import pika

QUEUE = "task_queue"


def main():
    connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
    confirms = "--confirms" in sys.argv
    channel = connection.channel()
    channel.queue_declare(queue=QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    if confirms:
        channel.confirm_delivery()
    rows = 0
    started = time.perf_counter()
    for cells in csv.reader(sys.stdin):
        rows += 1
        channel.basic_publish(
            exchange="",
            routing_key=QUEUE,
            body=" ".join(cells),
            properties=pika.BasicProperties(
                delivery_mode=2,
                content_type="text/plain",
                message_id=f"pika/{rows}",
                app_id="pika",
                headers={"published-at": int(time.time() * 1000)},
            ),
            mandatory=True,
        )
    if not confirms:
        connection.close()
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": rows}), flush=True)
    if confirms:
        connection.close()


if __name__ == "__main__":
    main()
