/**
 * What the requesters see: takes the workers' replies from `help_replies` and shows them.
 *
 *     deno task helpdesk:replies
 *
 * Needs the network for the broker, `logs/` to write with `--log`.
 */
import { CONSUMER_OPTIONS, queueOf } from "../shared/connection.ts";
import { inert, run } from "../shared/script.ts";
import { decodeReply, HELPDESK, namesOf, queueOption } from "../shared/streams.ts";
import { handleQueue } from "../shared/worker.ts";

const usage = {
  task: "helpdesk:replies",
  script: "helpdesk_replies",
  summary: "Shows the replies that help-desk workers send to the requesters, from help_replies.",
  options: {
    queue: queueOption(namesOf(HELPDESK, "replies"), { main: "replies" }),
    ...CONSUMER_OPTIONS,
  },
};

if (import.meta.main) {
  await run(usage, (script) =>
    handleQueue(script, {
      queue: queueOf(script.values.queue.replies, HELPDESK.queues.replies.kind),
      decode: decodeReply,
      handle(reply) {
        const { name, text } = reply;
        script.out.event({ event: "reply", ...reply }, () => inert(`To ${name}: ${text}`));
        return Promise.resolve();
      },
    }));
}
