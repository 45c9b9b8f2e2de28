/**
 * Permissions that a task doesn't have from the start: in a terminal Deno asks for them.
 *
 * While it asks nothing else runs, so nobody would hear a Ctrl-C: until the answer it ends the script, as nothing is
 * in hand yet.
 */

let onSignal: (() => void) | undefined;

const SIGNALS: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/** Calls `handler` on Ctrl-C and whatever else asks a script to end. */
export function listenToSignals(handler: () => void): void {
  onSignal = handler;
  for (const signal of SIGNALS) Deno.addSignalListener(signal, handler);
}

/** Whether the script has a permission, or gets it from whoever sits at the terminal. */
export async function isAllowed(permission: Deno.PermissionDescriptor): Promise<boolean> {
  const { state } = await Deno.permissions.query(permission);
  if (state !== "prompt" || !Deno.stdin.isTerminal()) return state === "granted";
  const handler = onSignal;
  if (handler) { for (const signal of SIGNALS) Deno.removeSignalListener(signal, handler); }
  try {
    return (await Deno.permissions.request(permission)).state === "granted";
  } finally {
    if (handler) listenToSignals(handler);
  }
}
