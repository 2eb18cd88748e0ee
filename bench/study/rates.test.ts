import assert from "node:assert/strict";
import { test } from "node:test";
import { rateWindows } from "./rates.ts";
import { stageA } from "./recipes.ts";
import type { Cell } from "./store.ts";
import { otherSamples, tablesOf } from "./table.ts";

const cell = (recipe: string, factor: number, status: string, perplexity: number | null) =>
  ({ recipe, factor, status, figures: perplexity === null ? null : { perplexity } }) as Cell;

test("a window is the longest run of rates that get there at a bearable perplexity", () => {
  const cells = [
    cell("wide", 3, "reached", 12),
    cell("wide", 0.3, "reached", 10),
    cell("wide", 1, "reached", 11),
    cell("wide", 0.1, "stuck", 10),
    cell("wide", 10, "reached", 12.1), // there, at more than 1.2 x
    cell("broken", 0.1, "reached", 10),
    cell("broken", 1, "collapsed", 40),
    cell("broken", 3, "reached", 11),
    cell("broken", 10, "reached", 11),
    cell("never", 1, "not reached", 10),
    cell("never", 3, "failed", null),
    cell("once", 1, "reached", 10),
  ];
  const [wide, broken, never, ...rest] = rateWindows(cells, 10);
  assert.deepEqual(wide, {
    recipe: "wide",
    tried: [0.1, 0.3, 1, 3, 10],
    held: [0.3, 1, 3],
    decades: 1,
    open: false,
  });
  assert.deepEqual(broken!.held, [3, 10]);
  assert.equal(broken!.open, true); // at the end of what was tried
  assert.ok(Math.abs(broken!.decades! - Math.log10(10 / 3)) < 1e-12);
  assert.deepEqual(
    { held: never!.held, decades: never!.decades, open: never!.open },
    { held: [], decades: null, open: false },
  );
  assert.deepEqual(rest, []); // one rate is no window
});

test("the table has the rates that another stage asked for too", () => {
  assert.match(
    tablesOf(stageA({ texts: 8 })),
    /^\| emso \| [^|]*1, 3, 10\b[^|]*\| [^|]*1, 3, 10\b/m,
  );
});

test("rows whose attack or LAMBADA was of another size are named", () => {
  const measured = (recipe: string, draws: number, passages: number | null) =>
    ({
      recipe,
      factor: 1,
      figures: { sampled: { draws }, lambada: passages === null ? null : { n: passages } },
    }) as Cell;
  const [a, b, c] = [measured("a", 10, 100), measured("b", 10, 100), measured("c", 100, 1000)];
  assert.deepEqual(otherSamples([a, b, cell("failed", 1, "failed", null)]), []);
  assert.deepEqual(otherSamples([c, a, b]), [
    "sampled runs and LAMBADA: 10 draws a text, 100 passages; but 100 draws a text, 1000 passages: c",
  ]);
});
