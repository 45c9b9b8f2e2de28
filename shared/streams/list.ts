/** The streams whose messages are data. One's own is added here, with two lines and its place in the list. */
import { HELPDESK } from "./helpdesk.ts";
import { SMOKER } from "./smoker.ts";
import type { AnyStream } from "./stream.ts";
import { TASKS } from "./tasks.ts";

export * from "./helpdesk.ts";
export * from "./smoker.ts";
export * from "./tasks.ts";

export const DATA_STREAMS: readonly AnyStream[] = [HELPDESK, TASKS, SMOKER];
