/** @file Ascending indices as gaps in LEB128: one byte an index when every hundredth value changed. */

export function encodeGaps(indices: readonly number[] | Uint32Array): Uint8Array {
  const out = new Uint8Array(indices.length * 5);
  let at = 0;
  let before = -1;
  for (const index of indices) {
    let gap = index - before - 1;
    before = index;
    while (gap >= 128) {
      out[at++] = (gap & 127) | 128;
      gap >>>= 7;
    }
    out[at++] = gap;
  }
  return out.slice(0, at);
}

export function decodeGaps(bytes: Uint8Array): Uint32Array {
  const out: number[] = [];
  let before = -1;
  for (let at = 0; at < bytes.length;) {
    let gap = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = bytes[at++] ?? 0;
      gap += (byte & 127) * 2 ** shift;
      shift += 7;
    } while (byte & 128 && at < bytes.length);
    before += gap + 1;
    out.push(before);
  }
  return Uint32Array.from(out);
}
