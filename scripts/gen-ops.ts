/**
 * @file Writes src/torch/ops.generated.ts: one typed wrapper per operator of ops.list.ts, from the schemas that the
 * installed LibTorch reports. Required arguments stay positional; arguments with a default go into an options object.
 * Run: npm run gen
 */
import { writeFileSync } from "node:fs";
import { native } from "../src/torch/native.ts";
import { GUARDED, OPS, type OpName } from "../src/torch/ops.list.ts";

type Arg = { name: string; type: string; default: string | undefined; keywordOnly: boolean };

const SKIPPED = ["Layout?", "MemoryFormat?", "MemoryFormat", "Generator?"]; // always left at their default
const camel = (s: string) => s.replace(/_([a-z0-9])/g, (_, c: string) => c.toUpperCase());

function splitTop(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if ("([".includes(text[i]!)) depth++;
    if (")]".includes(text[i]!)) depth--;
    if (text[i] === "," && depth === 0) {
      parts.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  parts.push(text.slice(start).trim());
  return parts.filter((p) => p !== "");
}

function parse(schema: string): { args: Arg[]; returns: string[] } {
  const open = schema.indexOf("(");
  const arrow = schema.lastIndexOf(") -> ");
  let keywordOnly = false;
  const args: Arg[] = [];
  for (const part of splitTop(schema.slice(open + 1, arrow))) {
    if (part === "*") {
      keywordOnly = true;
      continue;
    }
    const match = /^(\S+(?:\(.*?\))?\S*) (\w+)(?:=(.*))?$/.exec(
      part.replace(/\([a-z]!?( -> \*)?\)/g, ""),
    );
    if (match === null) throw new Error(`gen-ops: cannot read argument "${part}" of ${schema}`);
    args.push({ type: match[1]!, name: match[2]!, default: match[3], keywordOnly });
  }
  const out = schema.slice(arrow + 5).replace(/\([a-z]!?( -> \*)?\)/g, "");
  return {
    args,
    returns: out.startsWith("(") ? splitTop(out.slice(1, -1)).map((r) => r.split(" ")[0]!) : [out],
  };
}

function tsType(type: string): string {
  const optional = type.endsWith("?");
  const base = type.replace(/\?$/, "");
  const list = /^(.*)\[(\d*)\]$/.exec(base);
  let ts: string;
  if (list !== null) {
    const element = tsType(list[1]!);
    ts = element.includes("|") ? `readonly (${element})[]` : `readonly ${element}[]`;
    if (list[2] !== "" && element === "number") ts = `number | ${ts}`;
  } else if (base === "Tensor") ts = "Tensor";
  else if (["int", "SymInt", "float", "Scalar"].includes(base)) ts = "number";
  else if (base === "bool") ts = "boolean";
  else if (base === "ScalarType") ts = "DType";
  else if (base === "Device" || base === "str") ts = "string";
  else throw new Error(`gen-ops: no TypeScript type for ${type}`);
  return optional ? `${ts} | null` : ts;
}

function passed(type: string, expression: string, mayBeMissing: boolean): string {
  if (type === "Tensor") return mayBeMissing ? `${expression}?.handle` : `${expression}.handle`;
  if (type === "Tensor?") return `${expression}?.handle`;
  if (type === "Tensor[]") {
    return mayBeMissing ? `${expression}?.map(handleOf)` : `${expression}.map(handleOf)`;
  }
  return expression;
}

function wrapper(name: OpName, index: number): string {
  const schema = native().schema(OPS[name]);
  if (schema === null) throw new Error(`gen-ops: this LibTorch has no ${OPS[name]}`);
  const { args, returns } = parse(schema);
  const optional = (a: Arg) => a.default !== undefined || SKIPPED.includes(a.type);
  const required = args.filter((a) => !optional(a));
  const options = args.filter((a) => optional(a) && !SKIPPED.includes(a.type));
  const parameters = required.map((a) => `${camel(a.name)}: ${tsType(a.type)}`);
  if (options.length > 0) {
    parameters.push(
      `o: { ${options.map((a) => `${camel(a.name)}?: ${tsType(a.type)} | undefined`).join("; ")} } = {}`,
    );
  }
  const values = args.map((a) =>
    SKIPPED.includes(a.type)
      ? "undefined"
      : passed(a.type, optional(a) ? `o.${camel(a.name)}` : camel(a.name), optional(a)),
  );
  while (values.at(-1) === "undefined") values.pop();
  const call = `invoke(${index}, ${values.join(", ")})`;
  const inPlace = /\w\([a-z]!\)/.test(schema.split(" -> ")[1] ?? "");
  const guarded =
    GUARDED[name] === undefined ? "" : `\n * Guarded: ${GUARDED[name]}. Use guarded.ts.`;
  const head = `/**\n * \`${schema}\`${guarded}\n */\nexport function ${name}(${parameters.join(", ")})`;
  if (inPlace && returns.length === 1) {
    const target = args.find((a) => a.name === "self" || a.name === "out")!;
    const result = schema.includes("Tensor(a!) out") ? "out" : target.name;
    return `${head}: Tensor {\n  ${call};\n  return ${camel(result)};\n}`;
  }
  if (returns.length === 0) return `${head}: void {\n  ${call};\n}`;
  if (returns.length > 1) {
    const tuple = returns.map(() => "Tensor").join(", ");
    return `${head}: [${tuple}] {\n  const r = ${call} as number[];\n  return [${returns.map((_, i) => `made(r[${i}]!)`).join(", ")}];\n}`;
  }
  if (returns[0] === "Tensor") return `${head}: Tensor {\n  return made(${call} as number);\n}`;
  if (returns[0] === "Tensor[]") {
    return `${head}: Tensor[] {\n  return (${call} as number[]).map(made);\n}`;
  }
  return `${head}: ${tsType(returns[0]!)} {\n  return ${call} as ${tsType(returns[0]!)};\n}`;
}

const names = Object.keys(OPS) as OpName[];
const open = names.filter((name) => GUARDED[name] === undefined);
writeFileSync(
  new URL("../src/torch/ops.public.ts", import.meta.url),
  `/** @file Generated by scripts/gen-ops.ts: the wrappers that need no check. Run: npm run gen */
export { ${open.join(", ")} } from "./ops.generated.ts";
`,
);
writeFileSync(
  new URL("../src/torch/ops.generated.ts", import.meta.url),
  `/** @file Generated by scripts/gen-ops.ts from the dispatcher's schemas; never edited. Run: npm run gen */
import type { DType } from "./dtype.ts";
import { invoke } from "./call.ts";
import { made, type Tensor } from "./tensor.ts";

const handleOf = (t: Tensor): number => t.handle;

${names.map(wrapper).join("\n\n")}
`,
);
