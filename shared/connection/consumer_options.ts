/** The flags that all consumers share. */
import {
  integer,
  type Option,
  optional,
  OUTPUT_OPTIONS,
  plainName,
  positiveDuration,
  withDefault,
} from "../script.ts";
import { URL_OPTION } from "./address.ts";
import { QUEUE_TYPE_OPTION } from "./queue.ts";

/** RabbitMQ's limit for a consumer of a quorum queue. */
const MAX_PREFETCH = 2000;

const NAME_OPTION: Option<string> = {
  value: "NAME",
  parse: plainName,
  namesLog: true,
  otherwise: () => `w${Deno.pid}`,
  help: "name in lines, replies and the log's file (default w<process id>)",
};

export const CONSUMER_OPTIONS = {
  name: NAME_OPTION,
  prefetch: withDefault(
    "N",
    integer(1, MAX_PREFETCH),
    "1",
    "messages held at a time; 1 shares the work evenly",
  ),
  exitWhenIdle: optional(
    "TIME",
    positiveDuration,
    "end when nothing came for so long (default: run until Ctrl-C)",
  ),
  ...URL_OPTION,
  ...QUEUE_TYPE_OPTION,
  ...OUTPUT_OPTIONS,
};
