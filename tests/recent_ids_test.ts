import assert from "node:assert/strict";
import { RecentIds } from "../shared/worker.ts";

Deno.test("ids beyond the limit are forgotten, the oldest first", { permissions: "none" }, () => {
  const ids = new RecentIds(3);
  for (const id of ["a", "b", "c", "a", "d", "e"]) ids.add(id);
  const known = ["a", "b", "c", "d", "e"].filter((id) => ids.has(id));
  assert.deepEqual(known, ["c", "d", "e"]);
});
