/** @file What happens when nobody takes what we print: it is no crash, and no gate that failed. */
import { environmentError, messageOf } from "../base/errors.ts";
import { codeOf } from "../io/disk-error.ts";

/**
 * A reader that has gone (EPIPE) ends the output alone: the work and its exit code stay. Output lost in another way, as to a full
 * disk, is said once where it still can be, and the process ends with exit code 3.
 */
export function guardOutput(): void {
  let lost = false;
  const losing = (name: string) => (error: Error) => {
    if (codeOf(error) === "EPIPE" || lost) return;
    lost = true;
    process.on("exit", () => (process.exitCode = 3));
    const { message } = environmentError(
      `${name}: expected to print to it, got: ${messageOf(error)}`,
      { wayOut: "free some space, or print to another place" },
    );
    process.stderr.write(`${message}\n`);
  };
  process.stdout.on("error", losing("stdout"));
  process.stderr.on("error", losing("stderr"));
}
