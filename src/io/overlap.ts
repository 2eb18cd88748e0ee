/**
 * @file Finds what sets of tokenised texts share: identical texts, and runs of tokens that are no boilerplate.
 * Exact (hashes only find candidates, tokens decide) and linear in the number of tokens; the runs of all sets but the
 * largest are held in memory, at about 40 bytes a token.
 */

export type TokenisedText = { id: string; tokens: readonly number[] };
export type TextPlace = { set: string; id: string };

export type Overlaps = {
  /** Texts with the same tokens in two sets. */
  identical: { a: TextPlace; b: TextPlace }[];
  /** For each text and each other set that shares a run with it: the longest one, and a text that has its beginning. */
  runs: (TextPlace & { start: number; length: number; with: TextPlace & { start: number } })[];
};

type Text = { set: number; id: string; tokens: readonly number[] };

const BASE = 0x01000193;

/**
 * What the sets share. A run of `run` tokens counts unless it is boilerplate: in half of all texts or more,
 * and in more than two (for two texts that share a run are just what is looked for).
 */
export function findOverlaps(
  sets: Readonly<Record<string, readonly TokenisedText[]>>,
  { run = 8 }: { run?: number } = {},
): Overlaps {
  const names = Object.keys(sets);
  const texts = names.flatMap((name, set) =>
    (sets[name] ?? []).map((text): Text => ({ set, ...text })),
  );
  const table = runTable(texts, { run, sets: names.length });
  return {
    identical: identicalTexts(texts, names),
    runs: sharedRuns(texts, names, { table, run }),
  };
}

function identicalTexts(texts: readonly Text[], names: readonly string[]): Overlaps["identical"] {
  const seen = new Map<string, Text[]>();
  const found: Overlaps["identical"] = [];
  const place = ({ set, id }: Text): TextPlace => ({ set: names[set] ?? "", id });
  for (const text of texts) {
    const key = text.tokens.join(" ");
    const before = seen.get(key);
    if (before === undefined) {
      seen.set(key, [text]);
      continue;
    }
    // one witness a set is enough
    for (const other of before) {
      if (other.set !== text.set) found.push({ a: place(other), b: place(text) });
    }
    if (before.every((other) => other.set !== text.set)) before.push(text);
  }
  return found;
}

/** The entry of the run that begins at a position, or -1. */
type Find = (text: Text, start: number, hash: number) => number;

type RunTable = {
  find: Find;
  /** Texts that hold an entry's run. */
  count: Int32Array;
  /** By entry and set: a text that holds the run and where, or -1. */
  text: Int32Array;
  start: Int32Array;
  texts: readonly Text[];
};

/** Calls `visit` with the hash of every window of `run` tokens. */
function eachRun(
  tokens: readonly number[],
  run: number,
  visit: (start: number, hash: number) => void,
): void {
  let top = 1;
  for (let i = 1; i < run; i++) top = Math.imul(top, BASE);
  let hash = 0;
  for (let i = 0; i < tokens.length; i++) {
    if (i >= run) hash = (hash - Math.imul((tokens[i - run] ?? 0) + 1, top)) | 0;
    hash = (Math.imul(hash, BASE) + (tokens[i] ?? 0) + 1) | 0;
    if (i >= run - 1) visit(i - run + 1, hash);
  }
}

function runTable(texts: readonly Text[], { run, sets }: { run: number; sets: number }): RunTable {
  const windows = Array.from({ length: sets }, () => 0);
  for (const { set, tokens } of texts) {
    windows[set] = (windows[set] ?? 0) + Math.max(0, tokens.length - run + 1);
  }
  // a shared run is in a set other than the largest: that one need only be looked up
  const largest = windows.indexOf(Math.max(...windows, 0));
  const capacity = windows.reduce((a, b, set) => (set === largest ? a : a + b), 0);
  const slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * capacity + 2))).fill(-1);
  const first = { text: new Int32Array(capacity), start: new Int32Array(capacity) };
  const count = new Int32Array(capacity);
  const last = new Int32Array(capacity).fill(-1);
  const text = new Int32Array(capacity * sets).fill(-1);
  const start = new Int32Array(capacity * sets);
  let entries = 0;

  const same = (entry: number, tokens: readonly number[], from: number): boolean => {
    const other = texts[first.text[entry] ?? 0]?.tokens ?? [];
    const otherFrom = first.start[entry] ?? 0;
    for (let i = 0; i < run; i++) if (other[otherFrom + i] !== tokens[from + i]) return false;
    return true;
  };
  const slotOf = (tokens: readonly number[], from: number, hash: number): number => {
    const mask = slots.length - 1;
    let slot = (Math.imul(hash, 0x9e3779b1) >>> 7) & mask;
    while ((slots[slot] ?? -1) >= 0 && !same(slots[slot] ?? 0, tokens, from)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  };
  const note = (entry: number, index: number, set: number, from: number): void => {
    if (last[entry] !== index) count[entry] = (count[entry] ?? 0) + 1;
    last[entry] = index;
    if (text[entry * sets + set] === -1) {
      text[entry * sets + set] = index;
      start[entry * sets + set] = from;
    }
  };
  const insertAll = (insert: boolean): void => {
    texts.forEach(({ set, tokens }, index) => {
      if ((set !== largest) !== insert) return;
      eachRun(tokens, run, (from, hash) => {
        const slot = slotOf(tokens, from, hash);
        if (slots[slot] === -1) {
          if (!insert) return;
          slots[slot] = entries;
          first.text[entries] = index;
          first.start[entries] = from;
          entries++;
        }
        note(slots[slot] ?? 0, index, set, from);
      });
    });
  };
  insertAll(true);
  insertAll(false);
  return {
    find: ({ tokens }, from, hash) => slots[slotOf(tokens, from, hash)] ?? -1,
    count,
    text,
    start,
    texts,
  };
}

function sharedRuns(
  texts: readonly Text[],
  names: readonly string[],
  { table, run }: { table: RunTable; run: number },
): Overlaps["runs"] {
  const found: Overlaps["runs"] = [];
  const sets = names.length;
  for (const text of texts) {
    // by other set: the stretch that the last window belongs to, and the longest one yet
    const open = Array.from({ length: sets }, () => ({ start: 0, end: -1, entry: -1 }));
    const best = Array.from({ length: sets }, () => ({ start: 0, end: -1, entry: -1 }));
    eachRun(text.tokens, run, (from, hash) => {
      const entry = table.find(text, from, hash);
      if (entry < 0) return;
      const count = table.count[entry] ?? 0;
      if (count > 2 && 2 * count >= texts.length) return;
      for (let set = 0; set < sets; set++) {
        if (set === text.set || table.text[entry * sets + set] === -1) continue;
        const before = open[set];
        const stretch =
          before?.end === from + run - 1
            ? { ...before, end: from + run }
            : { start: from, end: from + run, entry };
        open[set] = stretch;
        const longest = best[set] ?? stretch;
        if (stretch.end - stretch.start > longest.end - longest.start) best[set] = stretch;
      }
    });
    best.forEach(({ start, end, entry }, set) => {
      if (entry < 0) return;
      const other = table.texts[table.text[entry * sets + set] ?? 0];
      const witness = {
        set: names[set] ?? "",
        id: other?.id ?? "",
        start: table.start[entry * sets + set] ?? 0,
      };
      found.push({
        set: names[text.set] ?? "",
        id: text.id,
        start,
        length: end - start,
        with: witness,
      });
    });
  }
  return found;
}
