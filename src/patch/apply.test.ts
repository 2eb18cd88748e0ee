import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { openModel, readHeader } from "../io/index.ts";
import { memory, tidy } from "../torch/index.ts";
import { factorsPatch, LINEARS, patchModel, sparsePatch } from "../../tests/patch-fixtures.ts";
import { temporary } from "../../tests/tiny.ts";
import { applyPatch, inspectPatch, revertPatch, verifyPatch } from "./index.ts";

const folder = temporary();
const at = (...names: string[]) => join(folder, ...names);

function assertSameFiles(a: string, b: string): void {
  assert.deepEqual(readdirSync(a).sort(), readdirSync(b).sort());
  for (const name of readdirSync(a)) {
    assert.ok(readFileSync(join(a, name)).equals(readFileSync(join(b, name))), name);
  }
}

const bytesOf = async (dir: string): Promise<Map<string, Buffer>> => {
  const source = await openModel(dir);
  try {
    return new Map(
      source.names.map((name) => [name, Buffer.from(tidy(() => source.tensor(name).bytes()))]),
    );
  } finally {
    source.close();
  }
};

const leftovers = () => readdirSync(folder).filter((name) => name.startsWith("."));

for (const dtype of ["float32", "bfloat16"] as const) {
  for (const sharded of [false, true]) {
    for (const kind of ["factors", "sparse"] as const) {
      const name = `${kind}-${dtype}-${sharded ? "sharded" : "single"}`;
      test(`${name}: applied and taken off again, bit for bit`, async () => {
        const base = await patchModel(at(name), { dtype, sharded });
        const patch = at(`${name}.patch`);
        const made = await (kind === "factors" ? factorsPatch : sparsePatch)(base, patch);
        const [out, back, undo] = [at(`${name}.out`), at(`${name}.back`), at(`${name}.undo`)];
        const applied = await applyPatch({ model: base, patch, out, undo });

        const [before, after] = [await bytesOf(base), await bytesOf(out)];
        const width = dtype === "float32" ? 4 : 2;
        let changed = 0;
        for (const [tensor, bytes] of before) {
          const same = bytes.equals(after.get(tensor)!);
          assert.equal(same, !LINEARS.includes(tensor.replace(".weight", "")), tensor);
          for (let i = 0; i < bytes.length; i += width) {
            if (bytes.compare(after.get(tensor)!, i, i + width, i, i + width) !== 0) changed++;
          }
        }
        assert.equal(changed, made.changed);
        assert.equal(applied.changed, changed);
        for (const file of readdirSync(base).filter((f) => f.endsWith(".safetensors"))) {
          const { dataBegin } = await readHeader(join(base, file));
          const head = (dir: string) => readFileSync(join(dir, file)).subarray(0, dataBegin);
          assert.ok(head(base).equals(head(out)), `header of ${file}`);
        }
        const result = await openModel(out);
        assert.equal(await result.hash(), applied.sha256);
        result.close();
        assert.equal((await inspectPatch(patch)).result_sha256, applied.sha256);

        const reverted = await revertPatch({ model: out, undo, out: back });
        assertSameFiles(base, back);
        assert.equal(reverted.sha256, (await inspectPatch(patch)).base_sha256);
        if (kind === "sparse") {
          await revertPatch({ model: out, patch, out: at(`${name}.own`) });
          assertSameFiles(base, at(`${name}.own`));
        }
        await verifyPatch({ patch, model: base });
        await verifyPatch({ patch: undo, model: out });
        assert.equal(memory().liveTensors, 0);
      });
    }
  }
}

describe("what goes along", () => {
  test("links are followed, read-only files are no obstacle, other weights, folders and texts stay behind", async () => {
    const base = await patchModel(at("odd"));
    for (const name of ["pytorch_model.bin", "model.gguf", "old.safetensors"]) {
      writeFileSync(join(base, name), "x");
    }
    mkdirSync(join(base, "onnx"));
    writeFileSync(at("elsewhere.json"), "{}");
    symlinkSync(at("elsewhere.json"), join(base, "generation_config.json"));
    chmodSync(join(base, "model.safetensors"), 0o444);
    await sparsePatch(base, at("odd.patch"));
    const mine = ["forget.jsonl", "kept.csv", "notes.md", "rows.parquet", "texts.txt"];
    for (const name of mine) writeFileSync(join(base, name), "private");
    const given = { model: base, patch: at("odd.patch"), out: at("odd.out") };
    const { left_out } = await applyPatch(given);
    const others = ["model.gguf", "old.safetensors", "onnx", "pytorch_model.bin"];
    assert.deepEqual(left_out, [...mine, ...others].sort());
    assert.deepEqual(readdirSync(at("odd.out")).sort(), [
      "README.md",
      "config.json",
      "generation_config.json",
      "model.safetensors",
    ]);
    assert.ok(statSync(at("odd.out", "generation_config.json")).isFile());
  });

  test("bfloat16 factors make a bfloat16 adapter with its own result", async () => {
    const base = await patchModel(at("half"));
    await factorsPatch(base, at("half.patch"), { dtype: "bfloat16" });
    await applyPatch({ model: base, patch: at("half.patch"), out: at("half.out") });
    const header = await readHeader(at("half.patch", "adapter_model.safetensors"));
    assert.ok([...header.tensors.values()].every((t) => t.dtype === "bfloat16"));
  });

  test("an aborted apply leaves nothing", async () => {
    const base = await patchModel(at("abort"));
    await factorsPatch(base, at("abort.patch"));
    const signal = AbortSignal.abort(new Error("stop"));
    const [out, undo] = [at("abort.out"), at("abort.undo")];
    const options = { model: base, patch: at("abort.patch"), out, undo, signal };
    await assert.rejects(applyPatch(options));
    assert.equal(existsSync(out) || existsSync(undo), false);
    assert.deepEqual(leftovers(), []);
  });
});
