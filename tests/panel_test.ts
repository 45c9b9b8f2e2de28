import assert from "node:assert/strict";
import { trace } from "../shared/script.ts";

Deno.test(
  "`trace()` looks flat where values change less than `least`",
  { permissions: "none" },
  () => {
    const cases: [values: number[], least: number, shown: string][] = [
      [[160, 160.04, 160.02], 1, "▁▁▁"],
      [[160, 160.5, 161], 1, "▁▅█"],
      [[160, 162], 1, "▁█"],
      [[250, 250.6], 15, "▁▁"],
      [[250, 235], 15, "█▁"],
      // Without it the least and the greatest fill the height.
      [[160, 160.04], 0, "▁█"],
      [[160, 160], 0, "▁▁"],
      [[], 1, ""],
    ];
    for (const [values, least, shown] of cases) {
      assert.equal(trace(values, 20, least), shown, `${values}, ${least}`);
    }
    assert.equal(trace([9, 9, 0, 7], 2, 1), "▁█", "the last ones");
  },
);
