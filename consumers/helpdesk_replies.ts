/**
 * What the requesters see: takes the workers' replies from `help_replies` and shows them.
 *
 *     deno task helpdesk:replies
 *
 * Needs the network for the broker, `logs/` to write with `--log`.
 */
import { decodeReply } from "../shared/messages.ts";
import { inert } from "../shared/output.ts";
import { HELPDESK_QUEUES, queueOption } from "../shared/queue_names.ts";
import { run } from "../shared/script.ts";
import { repliesQueue } from "../shared/topology.ts";
import { CONSUMER_OPTIONS, work } from "../shared/worker.ts";

const { replies } = HELPDESK_QUEUES;

const usage = {
  task: "helpdesk:replies",
  script: "helpdesk_replies",
  summary: "Shows the replies that help-desk workers send to the requesters, from help_replies.",
  options: { queue: queueOption({ replies }, { main: "replies" }), ...CONSUMER_OPTIONS },
};

if (import.meta.main) {
  await run(usage, (script) =>
    work(script, {
      script: usage.script,
      stream: "helpdesk",
      handled: "replied",
      queue: repliesQueue(script.values.queue.replies),
      decode: decodeReply,
      handle: (reply) => {
        const { ticket, name, worker, text } = reply;
        script.out.event({ event: "reply", ...reply }, () => inert(`To ${name}: ${text}`));
        return Promise.resolve({ ticket, name, worker });
      },
    }));
}
