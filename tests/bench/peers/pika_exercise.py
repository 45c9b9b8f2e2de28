"""A class exercise with pika: a function that connects, declares, sends one message and closes, for every row.

    pika_exercise.py URL < rows.csv

Prints {"seconds","rows"}.
"""

import csv
import json
import sys
import time

import pika

QUEUE = "task_queue"


def send_message(url, queue, message, message_id):
    """Sends one message to the queue."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.queue_declare(queue=queue, durable=True, arguments={"x-queue-type": "quorum"})
    channel.basic_publish(
        exchange="",
        routing_key=queue,
        body=message,
        properties=pika.BasicProperties(
            delivery_mode=2,
            content_type="text/plain",
            message_id=message_id,
            app_id="pika",
            headers={"published-at": int(time.time() * 1000)},
        ),
    )
    connection.close()


def main():
    rows = 0
    started = time.perf_counter()
    for cells in csv.reader(sys.stdin):
        rows += 1
        send_message(sys.argv[1], QUEUE, " ".join(cells), f"pika/{rows}")
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": rows}), flush=True)


if __name__ == "__main__":
    main()
