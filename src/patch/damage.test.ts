import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { UnreciteError } from "../base/errors.ts";
import { readHeader } from "../io/index.ts";
import { factorsPatch, patchModel, SHAPES, sparsePatch } from "../../tests/patch-fixtures.ts";
import { temporary } from "../../tests/tiny.ts";
import { tidy } from "../torch/index.ts";
import { applyPatch, openPatch, revertPatch, stripPatch, verifyPatch } from "./index.ts";
import { writePatchFile } from "./write.ts";

const folder = temporary();
const at = (...names: string[]) => join(folder, ...names);
const ended = (exitCode: number, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof UnreciteError, String(error));
  assert.match(error.message, message);
  assert.equal(error.exitCode, exitCode, error.message);
  return true;
};
const base = await patchModel(at("base"));
await factorsPatch(base, at("factors"));
await sparsePatch(base, at("sparse"));
await applyPatch({ model: base, patch: at("sparse"), out: at("merged") });

/** A copy of a patch with one bit of `file` turned at a place of the file's content. */
async function turned(from: string, file: string, where: "values" | "metadata" | "start") {
  const to = at(`turned-${readdirSync(folder).length}`);
  cpSync(at(from), to, { recursive: true });
  const path = file === "" ? to : join(to, file);
  const bytes = readFileSync(path);
  const place = async () => {
    if (where === "start") return 0;
    if (where === "metadata") return bytes.indexOf('\\"method\\":\\"test') + 16;
    return (await readHeader(path)).dataBegin + 5;
  };
  bytes[await place()]! ^= 1;
  writeFileSync(path, bytes);
  return to;
}

describe("a tampered patch: verify ends in 1, apply and revert in 2, nothing is written", () => {
  const adapter = "adapter_model.safetensors";
  for (const [what, from, file, where] of [
    ["sparse values", "sparse", "", "values"],
    ["sparse metadata", "sparse", "", "metadata"],
    ["the length of a header", "sparse", "", "start"],
    ["factors", "factors", adapter, "values"],
    ["metadata of factors", "factors", adapter, "metadata"],
    ["the first byte of adapter_config.json", "factors", "adapter_config.json", "start"],
  ] as const) {
    test(what, async () => {
      const patch = await turned(from, file, where);
      await assert.rejects(verifyPatch({ patch }), ended(1, /./));
      await assert.rejects(verifyPatch({ patch, model: base }), ended(1, /./));
      const out = at("never");
      await assert.rejects(applyPatch({ model: base, patch, out }), ended(2, /./));
      await assert.rejects(revertPatch({ model: at("merged"), patch, out }), ended(2, /./));
      assert.equal(existsSync(out), false);
    });
  }

  test("every byte of a sparse file is under the hash, but for blanks in the header", async () => {
    const bytes = readFileSync(at("sparse"));
    const { dataBegin } = await readHeader(at("sparse"));
    const patch = at("byte");
    // all of the header in strides, and some values
    const places = [...Array(60).keys()].map((i) => Math.floor((i * (dataBegin + 400)) / 60));
    for (const place of places) {
      const copy = Buffer.from(bytes);
      copy[place]! ^= 2;
      writeFileSync(patch, copy);
      await assert.rejects(verifyPatch({ patch }), ended(1, /./), `byte ${place}`);
    }
  });

  test("a part that is missing", async () => {
    cpSync(at("factors"), at("partial"), { recursive: true });
    rmSync(at("partial", "adapter_config.json"));
    await assert.rejects(verifyPatch({ patch: at("partial") }), ended(1, /adapter_config.json/));
    const there = { model: base, patch: at("partial"), out: at("never") };
    await assert.rejects(applyPatch(there), ended(2, /adapter_config.json: expected the conf/));
    await assert.rejects(verifyPatch({ patch: at("nowhere") }), ended(2, /got nothing there/));
  });
});

describe("another model", () => {
  for (const kind of ["factors", "sparse"]) {
    test(`${kind} name the first tensor that differs`, async () => {
      const other = await patchModel(at(`other-${kind}`), { seed: "q" });
      const options = { model: other, patch: at(kind), out: at("never") };
      await assert.rejects(applyPatch(options), ended(2, /model\.embed_tokens\.weight differs/));
      await assert.rejects(verifyPatch(options), ended(1, /model\.embed_tokens\.weight differs/));
      const shapes = { ...SHAPES, "extra.weight": [3] };
      const larger = await patchModel(at(`larger-${kind}`), { shapes });
      await assert.rejects(
        applyPatch({ ...options, model: larger }),
        ended(2, /extra\.weight differs/),
      );
      assert.equal(existsSync(at("never")), false);
    });
  }

  test("the same weights under another config.json are another model", async () => {
    const reconfigured = (from: string): string => {
      const to = at(`config-${from}`);
      cpSync(at(from), to, { recursive: true });
      const file = join(to, "config.json");
      const config = JSON.parse(readFileSync(file, "utf8")) as object;
      writeFileSync(file, JSON.stringify({ ...config, rope_theta: 5, rms_norm_eps: 0.5 }));
      return to;
    };
    const [model, merged, out] = [reconfigured("base"), reconfigured("merged"), at("never")];
    for (const patch of [at("factors"), at("sparse")]) {
      await assert.rejects(verifyPatch({ patch, model }), ended(1, /config\.json .*differs/));
      await assert.rejects(applyPatch({ model, patch, out }), ended(2, /config\.json .*differs/));
    }
    const undone = revertPatch({ model: merged, patch: at("sparse"), out });
    await assert.rejects(undone, ended(2, /with this patch applied .*config\.json .*differs/));
    assert.equal(existsSync(out), false);
  });

  test("a patch that names another result than it gives, whole by its hash", async () => {
    const { tensors } = await readHeader(at("sparse"));
    const opened = await openPatch(at("sparse"));
    const [patch, out] = [at("misnamed"), at("never")];
    await writePatchFile(patch, async (add) => {
      for (const [name, { dtype, shape }] of tensors) {
        await add({ name, dtype, shape, bytes: tidy(() => opened.tensor(name).bytes()) });
      }
      return { ...opened.binding, result: "0".repeat(64) };
    });
    opened.close();
    await verifyPatch({ patch });
    const named = /expected a patch that gives the result it names/;
    await assert.rejects(verifyPatch({ patch, model: base }), ended(1, named));
    await assert.rejects(applyPatch({ model: base, patch, out }), ended(2, named));
  });

  test("a model that the patch is not on cannot be reverted", async () => {
    const options = { model: base, patch: at("sparse"), out: at("never") };
    await assert.rejects(revertPatch(options), ended(2, /expected the model with this patch app/));
  });
});

describe("no way back, and places that are taken", () => {
  test("factors and stripped patches have none", async () => {
    const stripped = await stripPatch({ patch: at("sparse"), out: at("stripped") });
    assert.equal(stripped.values, "stripped");
    assert.ok(stripped.bytes < readFileSync(at("sparse")).length * 0.7);
    await applyPatch({ model: base, patch: at("stripped"), out: at("from-stripped") });
    const read = (dir: string) => readFileSync(at(dir, "model.safetensors"));
    assert.ok(read("from-stripped").equals(read("merged")));
    for (const patch of [at("factors"), at("stripped")]) {
      const options = { model: at("merged"), patch, out: at("never") };
      await assert.rejects(revertPatch(options), ended(2, /apply --undo FILE would have kept/));
    }
    await assert.rejects(revertPatch({ model: base, out: at("never") }), ended(2, /got neither/));
    await assert.rejects(stripPatch({ patch: at("factors"), out: at("x") }), ended(2, /factors/));
  });

  test("out, undo and strip never write over anything; undo not into the model", async () => {
    const options = { model: base, patch: at("sparse"), out: at("fresh") };
    await assert.rejects(applyPatch({ ...options, out: base }), ended(2, /new or empty/));
    await assert.rejects(applyPatch({ ...options, undo: at("sparse") }), ended(2, /a new file/));
    await assert.rejects(
      applyPatch({ ...options, undo: at("fresh", "undo") }),
      ended(2, /expected a path outside/),
    );
    await assert.rejects(stripPatch({ patch: at("sparse"), out: at("sparse") }), ended(2, /new/));
    mkdirSync(at("fresh"));
    await applyPatch({ ...options, undo: at("undo") });
    const again = { model: base, patch: at("undo"), out: at("never") };
    await assert.rejects(applyPatch(again), ended(2, /got an undo file/));
    await assert.rejects(stripPatch({ patch: at("undo"), out: at("x") }), ended(2, /undo file/));
  });

  const disk = (options: string): string | undefined => {
    const path = at(`disk-${readdirSync(folder).length}`);
    mkdirSync(path);
    if (spawnSync("mount", ["-t", "tmpfs", "-o", options, "none", path]).status !== 0) return;
    mounts.push(path);
    return path;
  };
  const mounts: string[] = [];
  after(() => mounts.forEach((path) => spawnSync("umount", [path])));

  test("a full disk ends in 3 and leaves neither model nor undo file", async (t) => {
    const path = disk("size=48k");
    if (path === undefined) return t.skip("mounting a small disk is not allowed here");
    const options = { model: base, patch: at("factors"), out: join(path, "out") };
    await assert.rejects(applyPatch(options), ended(3, /expected room on the disk/));
    await assert.rejects(applyPatch({ ...options, undo: join(path, "u") }), ended(3, /room/));
    await assert.rejects(applyPatch({ ...options, undo: at("u") }), ended(3, /room/));
    await assert.rejects(sparsePatch(base, join(path, "p"), { share: 1 }), ended(3, /room/));
    assert.deepEqual(readdirSync(path), []);
    assert.equal(existsSync(at("u")), false);
  });

  test("a read-only disk ends in 2", async (t) => {
    const path = disk("size=48k,ro");
    if (path === undefined) return t.skip("mounting a read-only disk is not allowed here");
    const options = { model: base, patch: at("factors"), out: join(path, "out") };
    await assert.rejects(applyPatch(options), ended(2, /read-only file system/));
    const undo = join(path, "undo");
    await assert.rejects(applyPatch({ ...options, out: at("no"), undo }), ended(2, /read-only/));
    assert.equal(existsSync(at("no")), false);
    await assert.rejects(factorsPatch(base, join(path, "p")), ended(2, /read-only/));
  });
});
