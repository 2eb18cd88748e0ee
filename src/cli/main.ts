#!/usr/bin/env node
/**
 * @file The command line: parses, runs one command's file, prints, exits (codes: SPEC.md section 4). What a command needs is
 * imported when it runs, so that `ls` and `--help` never load LibTorch.
 */
import { Command, CommanderError } from "commander";
import { didYouMean } from "../base/suggest.ts";
import { COMMANDS } from "./commands.ts";
import { fail } from "./fail.ts";
import { addFlags, givenFlags } from "./flags.ts";
import { guardOutput } from "./streams.ts";

async function main(argv: readonly string[]): Promise<void> {
  const program = new Command("unrecite")
    .description(
      "Makes a causal language model stop reciting given texts word for word, and proves what it kept.",
    )
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .helpOption("-h, --help", "help of a command");
  for (const spec of COMMANDS) {
    const command = program.command(spec.usage).description(spec.summary);
    if (spec.flags !== undefined) addFlags(command, spec.flags);
    command
      .option("--json", "one JSON document on stdout, everything else on stderr")
      .option("--quiet", "no progress");
    if (Object.keys(spec.flags ?? {}).length > 0) {
      command.option("--recipe <file>", "JSON of settings, by the names of the flags; flags win");
    }
    command.action(async (...args: unknown[]) => {
      const opts = command.opts<Record<string, unknown>>();
      const operands = args.slice(0, -2).filter((a): a is string => typeof a === "string");
      const { run } = await spec.load();
      process.exitCode = await run({
        operands,
        given: givenFlags(opts, spec.flags ?? {}),
        json: opts["json"] === true,
        quiet: opts["quiet"] === true,
        recipe: typeof opts["recipe"] === "string" ? opts["recipe"] : undefined,
      });
    });
  }
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0 || error.code === "commander.help") {
      if (argv.length === 0) process.exitCode = 2;
      return;
    }
    process.stderr.write(`${usageMessage(error, program, argv)}\n`);
    process.exitCode = 2;
  }
}

/** Commander's message in our grammar: a suggestion and the list. */
function usageMessage(error: CommanderError, program: Command, argv: readonly string[]): string {
  const text = error.message.replace(/^error: /, "").replace(/\n\(Did you mean .*\)$/s, "");
  const command = program.commands.find((c) => c.name() === argv[0]);
  const wrong = /'([^' ]+)/.exec(text)?.[1] ?? "";
  if (error.code === "commander.unknownCommand") {
    const names = program.commands.map((c) => c.name());
    return `unknown command "${argv[0]}".${didYouMean(argv[0] ?? "", names)}\n  → available: ${names.join(", ")}`;
  }
  if (error.code === "commander.unknownOption" && command !== undefined) {
    const names = command.options.map((o) => o.long ?? o.short ?? "");
    return `unknown option "${wrong}".${didYouMean(wrong, names)}\n  → available: ${names.join(", ")}`;
  }
  return `${text}\n  → see: unrecite ${command?.name() ?? ""} --help`;
}

guardOutput();
main(process.argv.slice(2)).catch((error: unknown) => {
  process.exitCode = fail(error);
});
