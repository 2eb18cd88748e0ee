/** @file From anything thrown to a message on stderr and an exit code. */
import { UnreciteError } from "../base/errors.ts";
import { writeError } from "../io/disk-error.ts";

/**
 * Prints the error for the user and returns the exit code; a stack only for what we did not foresee, or with DEBUG set. A parent
 * that opened a channel to us is told its code, so that nobody has to read messages.
 */
export function fail(error: unknown): number {
  const { message, exitCode, stack } = read(error);
  const unforeseen = exitCode === undefined;
  process.stderr.write(
    `${(unforeseen || process.env["DEBUG"] !== undefined ? stack : undefined) ?? message}\n`,
  );
  if (error instanceof UnreciteError && error.code !== undefined) {
    process.send?.({ code: error.code });
  }
  return exitCode ?? 3;
}

function read(error: unknown): {
  message: string;
  exitCode: number | undefined;
  stack: string | undefined;
} {
  if (!(error instanceof Error)) {
    return { message: String(error), exitCode: undefined, stack: undefined };
  }
  const { message, stack } = error;
  if ("exitCode" in error && typeof error.exitCode === "number") {
    return { message, exitCode: error.exitCode, stack };
  }
  const code = "code" in error ? error.code : undefined;
  if (code === "OOM") {
    return {
      message: `${message}\n  → raise --memory, or lower --batch or --prefix-tokens and --suffix-tokens`,
      exitCode: 3,
      stack,
    };
  }
  if (code === "MAPPED") {
    return {
      message: `${message}\n  → put the model file back and run the command again`,
      exitCode: 3,
      stack,
    };
  }
  if (code === "ENOSPC" || code === "EDQUOT") {
    const path = "path" in error ? String(error.path) : "the run directory";
    return { message: writeError(error, path).message, exitCode: 3, stack };
  }
  if (error.name === "AbortError") return { message: "interrupted", exitCode: 130, stack };
  return { message, exitCode: undefined, stack };
}
