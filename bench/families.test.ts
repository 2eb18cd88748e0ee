import assert from "node:assert/strict";
import { test } from "node:test";
import { familiesOf } from "./families.ts";

const counting = (from: number) => Array.from({ length: 40 }, (_, i) => from + i);

test("rows that share 20 tokens are one family, through others too; 19 are not enough", () => {
  const rows = [counting(0), counting(100), counting(20), counting(40), counting(121)];
  // 0 and 2 share 20 … 39, 2 and 3 share 40 … 59; 1 and 4 share 121 … 139, which are 19
  assert.deepEqual(familiesOf(rows), [0, 1, 0, 0, 4]);
});
