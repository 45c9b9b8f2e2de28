"""RabbitMQ's second tutorial with pika, its new_task.py and worker.py: a foreign peer for our tasks.

    pika_peer.py --queue-type classic URL new_task First message....
    pika_peer.py --queue-type quorum URL worker --count 3

As in the tutorial: durable queue, persistent messages, prefetch 1, a second of work for every dot, acknowledged
after it. Beyond it, so that a test can look: the worker prints each message as JSON, and ends after so many.
"""

import argparse
import json
import time

import pika

QUEUE = "task_queue"
# The tutorial declared a plain durable queue for years; today's text declares a quorum queue.
ARGUMENTS = {"classic": None, "quorum": {"x-queue-type": "quorum"}}


def new_task(channel, options):
    """Publishes one task: no content type, no message id."""
    channel.basic_publish(
        exchange="",
        routing_key=QUEUE,
        body=" ".join(options.words) or "Hello World!",
        properties=pika.BasicProperties(delivery_mode=2),
    )


def worker(channel, options):
    """Works until it has acknowledged as many tasks as it was asked for."""
    left = options.count

    def callback(ch, method, properties, body):
        nonlocal left
        time.sleep(body.count(b".") * options.dot)
        seen = {
            "body": body.hex(),
            "content_type": properties.content_type,
            "delivery_mode": properties.delivery_mode,
            "message_id": properties.message_id,
            "redelivered": method.redelivered,
        }
        print(json.dumps(seen), flush=True)
        ch.basic_ack(delivery_tag=method.delivery_tag)
        left -= 1
        if left == 0:
            ch.stop_consuming()

    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(queue=QUEUE, on_message_callback=callback)
    channel.start_consuming()


def main():
    parser = argparse.ArgumentParser(description="RabbitMQ's second tutorial with pika.")
    parser.add_argument("--queue-type", choices=ARGUMENTS, required=True)
    parser.add_argument("url", help="amqp://user:password@host:port/vhost")
    roles = parser.add_subparsers(required=True)
    role = roles.add_parser("new_task", help="publish one task")
    role.add_argument("words", nargs="*")
    role.set_defaults(run=new_task)
    role = roles.add_parser("worker", help="work on tasks")
    role.add_argument("--count", type=int, required=True, help="end after so many")
    role.add_argument("--dot", type=float, default=1, help="seconds of work for every dot")
    role.set_defaults(run=worker)
    options = parser.parse_args()

    connection = pika.BlockingConnection(pika.URLParameters(options.url))
    channel = connection.channel()
    channel.queue_declare(queue=QUEUE, durable=True, arguments=ARGUMENTS[options.queue_type])
    options.run(channel, options)
    connection.close()


if __name__ == "__main__":
    main()
