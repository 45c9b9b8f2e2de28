"""pika, Python's AMQP client, as a worker with nothing to do: each message acknowledged, then it ends.

    pika_consume.py URL COUNT PREFETCH

Prints {"seconds","rows"}: from subscribing to the last acknowledgement.
"""

import json
import sys
import time

import pika

QUEUE = "task_queue"


def main():
    url, count, prefetch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.queue_declare(queue=QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    channel.basic_qos(prefetch_count=prefetch)
    handled = 0

    def callback(ch, method, _properties, body):
        nonlocal handled
        body.decode()
        ch.basic_ack(delivery_tag=method.delivery_tag)
        handled += 1
        if handled == count:
            ch.stop_consuming()

    started = time.perf_counter()
    channel.basic_consume(queue=QUEUE, on_message_callback=callback)
    channel.start_consuming()
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": handled}), flush=True)
    connection.close()


if __name__ == "__main__":
    main()
