/** `deno task` changes to the project's folder; a relative path means the folder where it was typed. */
export function fromHere(path: string): string {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "INIT_CWD" });
  const folder = state === "granted" ? Deno.env.get("INIT_CWD") : undefined;
  return !folder || /^([/\\]|[A-Za-z]:)/.test(path) ? path : `${folder}/${path}`;
}
