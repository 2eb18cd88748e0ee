/**
 * @file Turns what the file system throws into an error with a way out.
 * A full disk is the environment's fault (exit 3); a path one may not read or write is the caller's (exit 2).
 */
import { environmentError, inputError, messageOf, UnreciteError } from "../base/errors.ts";

/** The code of a file system error, "" of any other. */
export const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";

/** True when `error` says that a path does not exist. */
export const isMissing = (error: unknown): boolean => codeOf(error) === "ENOENT";

/** The error to throw when writing `path` failed; ours, and a stop that was asked for, pass through unchanged. */
export function writeError(error: unknown, path: string): Error {
  if (error instanceof UnreciteError) return error;
  if (error instanceof Error && error.name === "AbortError") return error;
  const cause = error;
  switch (codeOf(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return environmentError(
        `${path}: expected room on the disk, got none left (nothing was kept)`,
        {
          wayOut: "free some space, or write to another disk",
          cause,
        },
      );
    case "EROFS":
      return inputError(`${path}: expected a writable place, got a read-only file system`, {
        wayOut: "choose a path on a writable file system",
        cause,
      });
    case "EACCES":
    case "EPERM":
      return inputError(`${path}: expected a writable place, got permission denied`, {
        wayOut: "choose a path that you may write to, or change its permissions",
        cause,
      });
    case "ENOENT":
      return inputError(`${path}: expected a place where it can be made, got one that takes none`, {
        wayOut: "choose another path",
        cause,
      });
    case "ENOTDIR":
      return inputError(`${path}: expected folders on the way to it, got a file`, {
        wayOut: "choose another path",
        cause,
      });
    case "EEXIST":
      return inputError(
        `${path}: expected folders on the way to it, got a file or a link to nothing`,
        { wayOut: "choose another path", cause },
      );
    case "EISDIR":
      return inputError(`${path}: expected a file, got a folder`, {
        wayOut: "choose another path",
        cause,
      });
    default:
      return environmentError(`${path}: expected to write it, got: ${messageOf(error)}`, {
        wayOut: "check the disk, or choose another path",
        cause,
      });
  }
}

/** The error to throw when reading `path` failed; `what` names the thing expected there. */
export function readError(error: unknown, path: string, what: string, wayOut?: string): Error {
  if (error instanceof UnreciteError) return error;
  const extra = { cause: error, ...(wayOut === undefined ? {} : { wayOut }) };
  switch (codeOf(error)) {
    case "ENOENT":
      return inputError(`${path}: expected ${what}, got nothing there`, extra);
    case "EACCES":
    case "EPERM":
      return inputError(`${path}: expected ${what}, got permission denied`, extra);
    case "EISDIR":
      return inputError(`${path}: expected ${what}, got a folder`, extra);
    case "ENOTDIR":
      return inputError(`${path}: expected ${what}, got a file where a folder should be`, extra);
    default:
      return environmentError(`${path}: expected ${what}, got: ${messageOf(error)}`, extra);
  }
}
