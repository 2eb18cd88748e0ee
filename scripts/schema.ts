/** @file Reads the text of an operator's schema. */

export type Arg = { name: string; type: string; default: string | undefined; keywordOnly: boolean };

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

/** Arguments and result types of a schema as the dispatcher prints it. */
export function parseSchema(schema: string): { args: Arg[]; returns: string[] } {
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
