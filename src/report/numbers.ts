/** @file Numbers as a reader wants them: few digits, units, a dash where there is none. */

type Maybe = number | null | undefined;
const given = (x: Maybe): x is number => x !== null && x !== undefined && Number.isFinite(x);

/** Four significant digits, thousands set apart, or a dash. */
export const figure = (x: Maybe, digits = 4): string => {
  if (!given(x)) return "–";
  if (Number.isInteger(x)) return grouped(x);
  if (x !== 0 && (Math.abs(x) < 1e-3 || Math.abs(x) >= 1e6)) return x.toExponential(digits - 2);
  return String(Number(x.toPrecision(digits)));
};

/** 12345678 → 12 345 678, with thin no-break spaces. */
const grouped = (x: number): string => String(x).replace(/\B(?=(\d{3})+$)/g, "\u202f");

export const percent = (x: Maybe, digits = 1): string =>
  given(x) ? `${(100 * x).toFixed(digits)}\u00a0%` : "–";

export const bytes = (x: Maybe): string => {
  if (!given(x)) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  const i = x < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(x) / 3));
  return `${Number((x / 1000 ** i).toPrecision(3))}\u00a0${units[i]!}`;
};

export const duration = (seconds: Maybe): string => {
  if (!given(seconds)) return "–";
  if (seconds < 60) return `${Number(seconds.toPrecision(2))}\u00a0s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes}\u00a0min`;
  return `${Math.floor(minutes / 60)}\u00a0h ${minutes % 60}\u00a0min`;
};

/** `1 text`, `3 texts`. */
export const count = (n: number, noun: string): string =>
  `${grouped(n)} ${noun}${n === 1 ? "" : "s"}`;

/** The middle value; NaN of none. */
export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return sorted.length % 2 === 1
    ? sorted[Math.floor(half)]!
    : ((sorted[half - 1] ?? NaN) + (sorted[half] ?? NaN)) / 2;
};
