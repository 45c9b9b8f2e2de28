/**
 * What every script has around its work: options, output, signals, errors, exit codes, and what is drawn in a terminal.
 */
export { delay, later, STOP_MS, unlessAborted } from "./script/abort.ts";
export { ask } from "./script/ask.ts";
export { FailedError, reasonOf, UsageError, withoutPassword } from "./script/errors.ts";
export { fromHere, inProject, ofProject, PROJECT } from "./script/options.ts";
export {
  duration,
  flag,
  integer,
  kebab,
  number,
  oneOf,
  type Option,
  optional,
  type Options,
  path,
  pathWithDefault,
  plainName,
  positiveDuration,
  repeatable,
  text,
  type Usage,
  type Values,
  withDefault,
} from "./script/options.ts";
export { nearest } from "./script/mistyped.ts";
export { counted, type Event, inert, Output } from "./script/output.ts";
export { Panel, trace } from "./script/panel.ts";
export { isAllowed } from "./script/permission.ts";
export { Progress } from "./script/progress.ts";
export { OUTPUT_OPTIONS, run, type Script } from "./script/run.ts";
