/**
 * Where a path is meant: what a user types belongs to the folder in which it was typed, what a script takes by
 * default to the project, wherever it is started from. (`deno task` changes to the project's folder.)
 */
import { dirname, isAbsolute, resolve } from "node:path";

/** The project's folder. */
export const PROJECT = dirname(import.meta.dirname ?? "");

/** A path as it was typed. */
export function fromHere(path: string): string {
  const cwd = Deno.cwd();
  const { state } = Deno.permissions.querySync({ name: "env", variable: "INIT_CWD" });
  // A task that starts `deno run` elsewhere hands it on, too: there it says nothing.
  const initial = cwd === PROJECT && state === "granted" ? Deno.env.get("INIT_CWD") : undefined;
  const typedIn = initial || cwd;
  // Short, as it was typed, where that is the same.
  return isAbsolute(path) || typedIn === PROJECT ? path : resolve(typedIn, path);
}

/** A file or folder of the project. */
export function ofProject(path: string): string {
  return Deno.cwd() === PROJECT ? path : resolve(PROJECT, path);
}
