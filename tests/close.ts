/** @file |got - want| <= atol + rtol · |want|, with the worst place in the message. */
import assert from "node:assert/strict";

export function assertClose(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  { rtol = 1e-5, atol = 0, what = "values" }: { rtol?: number; atol?: number; what?: string } = {},
): void {
  assert.equal(
    got.length,
    want.length,
    `${what}: expected ${want.length} values, got ${got.length}`,
  );
  let worst = { excess: 0, at: -1 };
  for (let i = 0; i < got.length; i++) {
    const excess = Math.abs(got[i]! - want[i]!) - (atol + rtol * Math.abs(want[i]!));
    if (!(excess <= worst.excess)) worst = { excess, at: i };
  }
  if (worst.at >= 0) {
    const { at, excess } = worst;
    assert.fail(
      `${what}: expected ${want[at]} at ${at}, got ${got[at]} (beyond the tolerance by ${excess})`,
    );
  }
}
