/** The flag that puts other names in the place of a stream's queues: `--queue task_queue2`, `--queue food-b=03-food-B`. */
import { type Option, UsageError } from "../script.ts";
import type { StreamQueue } from "./stream.ts";

/** Names of queues by what they are for. */
export type QueueNames<K extends string = string> = Readonly<Record<K, string>>;

/** The usual names of a stream's queues, or of some of them. */
export function namesOf<K extends string, L extends K = K>(
  { queues }: { readonly queues: Readonly<Record<K, StreamQueue>> },
  ...keys: L[]
): QueueNames<L> {
  const wanted = keys.length > 0 ? keys : Object.keys(queues) as L[];
  return Object.fromEntries(wanted.map((key) => [key, queues[key].name])) as QueueNames<L>;
}

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
