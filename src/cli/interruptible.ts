/** @file Ctrl+C, for commands that would otherwise leave something half done. */
/** Ctrl+C or SIGTERM: the first asks the work to end at its next step, the second ends the process. */
export function interruptible(): {
  signal: AbortSignal;
  code: () => 130 | 143;
  dispose: () => void;
} {
  const controller = new AbortController();
  let code: 130 | 143 = 130;
  const on = (signal: NodeJS.Signals) => () => {
    code = signal === "SIGINT" ? 130 : 143;
    if (controller.signal.aborted) process.exit(code);
    process.stderr.write("\nending at the next step (again to end at once)\n");
    controller.abort();
  };
  const handlers = (["SIGINT", "SIGTERM"] as const).map((s) => [s, on(s)] as const);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return {
    signal: controller.signal,
    code: () => code,
    dispose: () => handlers.forEach(([signal, handler]) => process.off(signal, handler)),
  };
}
