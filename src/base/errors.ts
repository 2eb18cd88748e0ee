/**
 * @file The errors a user may meet, each with the exit code it ends in.
 * Grammar: `where: expected X, got Y` + one way out. Imports nothing but the suggestion helper.
 */
import { didYouMean } from "./suggest.ts";

/** 1 a gate failed · 2 bad usage or input · 3 the environment lacks or lost something · 130, 143 interrupted. */
export type ExitCode = 1 | 2 | 3 | 130 | 143;

/** For programs: RUN_HELD, another process is writing the run directory or was there first. */
export type ErrorCode = "RUN_HELD";

/** An error with a message meant for the user; the CLI prints it without a stack. */
export class UnreciteError extends Error {
  readonly exitCode: ExitCode;
  readonly wayOut: string | undefined;
  readonly code: ErrorCode | undefined;
  constructor(message: string, { exitCode, wayOut, cause, code }: { exitCode: ExitCode } & Extra) {
    super(wayOut === undefined ? message : `${message}\n  → ${wayOut}`, { cause });
    this.name = "UnreciteError";
    this.exitCode = exitCode;
    this.wayOut = wayOut;
    this.code = code;
  }
}

type Extra = { wayOut?: string; cause?: unknown; code?: ErrorCode };

/** Bad usage or input (exit code 2). */
export const inputError = (message: string, extra: Extra = {}): UnreciteError =>
  new UnreciteError(message, { exitCode: 2, ...extra });

/** The environment lacks or lost something: LibTorch, memory, disk, a file changed under us (exit code 3). */
export const environmentError = (message: string, extra: Extra = {}): UnreciteError =>
  new UnreciteError(message, { exitCode: 3, ...extra });

/** A gate failed: recited text found, erasure incomplete or refused, verification failed (exit code 1). */
export const gateError = (message: string, extra: Extra = {}): UnreciteError =>
  new UnreciteError(message, { exitCode: 1, ...extra });

/** `unknown <kind> "<got>"` with the closest known name and the whole list. */
export function unknownName(kind: string, got: string, known: readonly string[]): UnreciteError {
  return inputError(`unknown ${kind} "${got}".${didYouMean(got, known)}`, {
    wayOut: `available: ${[...known].sort().join(", ")}`,
  });
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
