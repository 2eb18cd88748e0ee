/** @file What a command is called with. */
export type Invocation = {
  readonly operands: readonly string[];
  readonly given: Readonly<Record<string, unknown>>;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly recipe: string | undefined;
};
