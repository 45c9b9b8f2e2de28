"""What the class's programs and RabbitMQ's second tutorial do with pika: a foreign peer for our scripts.

    pika_peer.py --queue-type classic URL new_task First message....
    pika_peer.py --queue-type classic --queue help_queue URL publish '[2/14/23 10:15, Adam, A]' ...
    pika_peer.py --queue-type quorum URL worker --count 3

As in the tutorial: durable queue, persistent messages, prefetch 1, a second of work for every dot, acknowledged
after it. Beyond it, so that a test can look: the worker prints each message as JSON, and ends after so many.
"""

import argparse
import json
import time

import pika

# The tutorial declared a plain durable queue for years; today's text declares a quorum queue.
ARGUMENTS = {"classic": None, "quorum": {"x-queue-type": "quorum"}}


def send(channel, options, body):
    """Publishes one message: no content type, no message id."""
    channel.basic_publish(
        exchange="",
        routing_key=options.queue,
        body=body,
        properties=pika.BasicProperties(delivery_mode=2),
    )


def new_task(channel, options):
    """Publishes one task: its words."""
    send(channel, options, " ".join(options.words) or "Hello World!")


def publish(channel, options):
    """Publishes a message for each argument."""
    for body in options.bodies:
        send(channel, options, body)


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
    channel.basic_consume(queue=options.queue, on_message_callback=callback)
    channel.start_consuming()


def main():
    parser = argparse.ArgumentParser(description="RabbitMQ's second tutorial with pika.")
    parser.add_argument("--queue-type", choices=ARGUMENTS, required=True)
    parser.add_argument("--queue", default="task_queue")
    parser.add_argument("url", help="amqp://user:password@host:port/vhost")
    roles = parser.add_subparsers(required=True)
    role = roles.add_parser("new_task", help="publish one task")
    role.add_argument("words", nargs="*")
    role.set_defaults(run=new_task)
    role = roles.add_parser("publish", help="publish messages")
    role.add_argument("bodies", nargs="+")
    role.set_defaults(run=publish)
    role = roles.add_parser("worker", help="work on tasks")
    role.add_argument("--count", type=int, required=True, help="end after so many")
    role.add_argument("--dot", type=float, default=1, help="seconds of work for every dot")
    role.set_defaults(run=worker)
    options = parser.parse_args()

    connection = pika.BlockingConnection(pika.URLParameters(options.url))
    channel = connection.channel()
    arguments = ARGUMENTS[options.queue_type]
    channel.queue_declare(queue=options.queue, durable=True, arguments=arguments)
    options.run(channel, options)
    connection.close()


if __name__ == "__main__":
    main()
