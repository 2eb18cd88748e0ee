/** @file Ascending indices as gaps in LEB128: about one byte an index when every hundredth value changed. */

const SEVEN = 128;

export function encodeGaps(indices: ArrayLike<number>): Uint8Array {
  let length = 0;
  forEachGap(indices, (gap) => {
    for (length++; gap >= SEVEN; gap = Math.floor(gap / SEVEN)) length++;
  });
  const out = new Uint8Array(length);
  let at = 0;
  forEachGap(indices, (gap) => {
    for (; gap >= SEVEN; gap = Math.floor(gap / SEVEN)) out[at++] = (gap % SEVEN) + SEVEN;
    out[at++] = gap;
  });
  return out;
}

function forEachGap(indices: ArrayLike<number>, use: (gap: number) => void): void {
  let next = 0;
  for (let i = 0; i < indices.length; i++) {
    use(indices[i]! - next);
    next = indices[i]! + 1;
  }
}

/** The indices of `encodeGaps`; an unfinished last gap is dropped. */
export function decodeGaps(bytes: Uint8Array): Uint32Array {
  let count = 0;
  for (const byte of bytes) if (byte < SEVEN) count++;
  const out = new Uint32Array(count);
  let next = 0;
  let gap = 0;
  let unit = 1;
  let at = 0;
  for (const byte of bytes) {
    gap += (byte % SEVEN) * unit;
    unit *= SEVEN;
    if (byte >= SEVEN) continue;
    out[at++] = next + gap;
    next += gap + 1;
    gap = 0;
    unit = 1;
  }
  return out;
}
