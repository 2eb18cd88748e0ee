/** @file An error that the user can act on: what was expected, what was found, one way out; exit code 3. */

export class SetupFault extends Error {
  exitCode = 3;
  /**
   * @param {string} message
   * @param {string} wayOut
   * @param {unknown} [cause]
   */
  constructor(message, wayOut, cause) {
    super(`${message}\n  → ${wayOut}`, { cause });
    this.name = "SetupFault";
    this.wayOut = wayOut;
  }
}
