/**
 * What every script has around its work: options, signals, output, exit code.
 *
 * Exit codes: 0 done (also after Ctrl-C or SIGTERM, once what was in hand is finished), 1 failed,
 * 2 misused or bad input, 130 ended at once by a second Ctrl-C.
 */
import { FailedError, reasonOf, UsageError } from "./errors.ts";
import { flag, helpText, type Options, parseOptions, type Usage, type Values } from "./options.ts";
import { Output } from "./output.ts";
import { listenToSignals } from "./permission.ts";

/** The flags that decide what a script prints. */
export const OUTPUT_OPTIONS = {
  json: flag("one JSON object a line on stdout, nothing else there"),
  log: flag("append what happens, as JSON lines with their time, to logs/<script>[-name].jsonl"),
  times: flag("the time of day before each line"),
  quiet: flag("print only errors and the summary"),
};

/** What a script's `main` gets to work with. */
export interface Script<O extends Options> {
  readonly values: Values<O>;
  /** The free arguments. */
  readonly words: string[];
  readonly out: Output;
  /** What the script is: its task and its file. */
  readonly usage: Pick<Usage, "task" | "script">;
  /** Aborted on Ctrl-C, SIGTERM, or when nobody reads stdout any more: finish what is in hand. */
  readonly signal: AbortSignal;
}

/** Ctrl-C under `deno task` arrives twice within this time, in milliseconds: it counts once. */
const SAME_SIGNAL_MS = 1000;

/**
 * Runs a script: parses the command line, hands over, turns what is thrown into one line and an exit code.
 *
 * @param main Does the work; resolves to the exit code, 0 when it returns nothing.
 */
export async function run<O extends Options>(
  usage: Usage<O>,
  main: (script: Script<O>) => Promise<number | void>,
): Promise<never> {
  const stop = new AbortController();
  let code = 0;
  let out: Output | undefined;
  try {
    const end = Deno.args.indexOf("--");
    const flags = Deno.args.slice(0, end < 0 ? undefined : end);
    if (flags.includes("--help") || flags.includes("-h")) {
      console.log(helpText(usage));
      Deno.exit(0);
    }
    const { values, words } = parseOptions(Deno.args, usage);
    const named = Object.keys(usage.options).find((name) => usage.options[name]?.namesLog);
    const name = named === undefined ? undefined : values[named];
    out = new Output({ ...values, script: usage.script, name, onClosed: () => stop.abort() });
    listen(stop, out);
    code = await main({ values, words, out, usage, signal: stop.signal }) ?? 0;
  } catch (error) {
    code = error instanceof UsageError ? 2 : 1;
    const expected = error instanceof UsageError || error instanceof FailedError;
    const stopped = stop.signal.aborted && error === stop.signal.reason;
    // A stack trace is for what should never happen; a user's mistake gets a sentence.
    const text = expected ? reasonOf(error) : Deno.inspect(error);
    if (stopped && !expected) code = 0;
    else if (out) out.error(text);
    else console.error(text);
  }
  out?.close();
  // Not mid-work: everything is closed, but a pending read of stdin would keep the process.
  Deno.exit(code);
}

function listen(stop: AbortController, out: Output): void {
  let first: number | undefined;
  const onSignal = () => {
    const now = performance.now();
    if (first === undefined) {
      first = now;
      stop.abort();
      out.note("Stopping once what is in hand is finished (Ctrl-C again ends at once)");
    } else if (now - first > SAME_SIGNAL_MS) {
      Deno.exit(130);
    }
  };
  listenToSignals(onSignal);
}
