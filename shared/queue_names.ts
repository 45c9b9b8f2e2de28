/**
 * The queues of each stream under their usual names, and the flag that puts other names in their place:
 * `--queue task_queue2`, or where a stream has several `--queue food-b=03-food-B`.
 */
import { UsageError } from "./errors.ts";
import type { Option } from "./options.ts";

/** The help desk's queues. */
export const HELPDESK_QUEUES = { tickets: "help_queue", replies: "help_replies" } as const;

/** The work queue's. */
export const TASK_QUEUES = { tasks: "task_queue" } as const;

/** The smart smoker's, by channel. */
export const READING_QUEUES = {
  "smoker": "01-smoker",
  "food-a": "02-food-A",
  "food-b": "02-food-B",
} as const;

/** Where monitors send their alerts. */
export const ALERT_QUEUES = { alerts: "alert_queue" } as const;

/** Names of queues by what they are for. */
export type QueueNames<K extends string = string> = Readonly<Record<K, string>>;

/** With `.webhook`, `.monitor` or the like behind it a name must fit into RabbitMQ's 255 bytes. */
const MAX_NAME_BYTES = 230;

/**
 * The flag `--queue`.
 *
 * @param usual The queues that can have another name. Without a key the flag names the one of `main`.
 * @param options `main` left out: every name needs its key.
 */
export function queueOption<K extends string>(
  usual: QueueNames<K>,
  { main }: { main?: NoInfer<K> } = {},
): Option<QueueNames<K>> {
  const keys = Object.keys(usual) as K[];
  const examples = keys.map((key) => `${key === main ? "" : `${key}=`}${usual[key]}`);
  const accepted = `must look like ${examples.join(" or ")}`;
  const parse = (typed: string): [K, string] => {
    const [, key, name = ""] = /^(?:([^=]*)=)?([^=]*)$/.exec(typed) ?? [];
    const known = key === undefined ? main : keys.find((one) => one === key);
    if (known === undefined) throw new RangeError(accepted);
    requireQueueName(name);
    return [known, name];
  };
  const gather = (given: [K, string][]): QueueNames<K> => {
    const twiceGiven = given.find(([key], index) =>
      given.findIndex(([one]) => one === key) < index
    );
    if (twiceGiven) {
      throw new UsageError(`--queue names two queues for ${usual[twiceGiven[0]]}: give one`);
    }
    const names = { ...usual, ...Object.fromEntries(given) };
    const all = Object.values<string>(names);
    const twice = all.find((name, index) => all.indexOf(name) !== index);
    if (twice !== undefined) throw new UsageError(`--queue names ${twice} for two queues`);
    return names;
  };
  const value = keys.length === 1 ? "NAME" : main === undefined ? "KEY=NAME" : "[KEY=]NAME";
  const help = `another queue in the place of ${examples.join(", ")}`;
  return { value, help: keys.length > 1 ? `${help}; repeatable` : help, parse, gather };
}

/** @throws {RangeError} If a queue of a user's can't have this name. */
export function requireQueueName(name: string): string {
  if (name === "" || /[\p{Cc}\p{Cf}\p{Cs}=]/u.test(name) || name.trim() !== name) {
    throw new RangeError("must be a queue's name: printable text without =");
  }
  if (new TextEncoder().encode(name).length > MAX_NAME_BYTES) {
    throw new RangeError(`must have at most ${MAX_NAME_BYTES} bytes`);
  }
  if (name.startsWith("amq.")) throw new RangeError("must not begin with amq., RabbitMQ's own");
  if (/\.(dead|state)$/.test(name)) {
    throw new RangeError("must not end in .dead or .state: those are queues beside another");
  }
  return name;
}
