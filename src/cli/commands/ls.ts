/** @file `ls`: what there is, one line each; never loads LibTorch. */
import { unknownName } from "../../base/errors.ts";
import type { Invocation } from "../invocation.ts";

type Row = { name: string; summary: string; origin: "paper" | "reconstruction" | "ours" };

const LISTS: Record<string, () => Promise<Row[]>> = {
  methods: async () => rows((await import("../../unlearn/methods/index.ts")).METHODS),
  selectors: async () => rows((await import("../../unlearn/select/index.ts")).SELECTORS),
  metrics: async () => rows((await import("../../eval/metrics/index.ts")).METRICS),
  tasks: async () => rows((await import("../../eval/tasks/index.ts")).TASKS),
  models: async () => {
    const { MODELS } = await import("../../models/architecture.ts");
    return Object.values(MODELS).map((m) => ({
      name: m.modelType,
      summary: m.summary,
      origin: "paper",
    }));
  },
};

const rows = (
  table: Record<string, { name: string; summary: string; origin: Row["origin"]; formula?: string }>,
): Row[] =>
  Object.values(table).map(({ name, summary, origin, formula }) => ({
    name,
    summary,
    origin,
    ...(formula !== undefined && { formula }),
  }));

export async function run({ operands, json }: Invocation): Promise<number> {
  const what = operands[0] ?? "";
  const list = LISTS[what];
  if (list === undefined) throw unknownName("list", what, Object.keys(LISTS));
  const found = await list();
  const width = Math.max(...found.map((r) => r.name.length));
  process.stdout.write(
    json
      ? `${JSON.stringify(found, null, 2)}\n`
      : found.map((r) => `${r.name.padEnd(width)}  ${r.summary} [${r.origin}]\n`).join(""),
  );
  return 0;
}
