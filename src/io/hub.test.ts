import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { UnreciteError } from "../base/errors.ts";
import { messageFrom, temporaryFolder } from "../../tests/io-fixtures.ts";
import { sha256 } from "./hash.ts";
import { hubDirectory } from "./hub.ts";

const { folder } = temporaryFolder();
const SHA = "0123456789abcdef0123456789abcdef01234567";
const FILES: Record<string, string> = {
  "config.json": "{}",
  "model.safetensors": "weights",
  "README.md": "not wanted",
  "tokenizer.json": "[]",
};
const NAMES = [
  "HF_HOME",
  "HF_HUB_CACHE",
  "HUGGINGFACE_HUB_CACHE",
  "HF_ENDPOINT",
  "HF_TOKEN",
  "HF_HUB_OFFLINE",
];
let saved: Record<string, string | undefined> = {};
let home = 0;

beforeEach(() => {
  saved = Object.fromEntries(NAMES.map((name) => [name, process.env[name]]));
  for (const name of NAMES) delete process.env[name];
  process.env["HF_HOME"] = join(folder, `home${home++}`);
  process.env["HF_ENDPOINT"] = "http://hub.test/";
});
afterEach(() => {
  for (const [name, value] of Object.entries(saved)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

const oid = (at: number): string => String(at).padStart(40, "0");
type Listed = { oid?: string; lfs?: { oid: string; size: number; pointerSize: number } };

/** A hub with one model; records what it was asked. `listed` and `served` replace what it lists and serves of a file. */
function hub({
  listed = {},
  served = {},
  sha = SHA,
}: {
  listed?: Record<string, Listed>;
  served?: Record<string, string | Error>;
  sha?: string;
} = {}): { asked: string[]; tokens: (string | null)[]; fetch: typeof fetch } {
  const asked: string[] = [];
  const tokens: (string | null)[] = [];
  const answer = (url: URL, init?: RequestInit): Response => {
    asked.push(url.pathname);
    tokens.push(new Headers(init?.headers).get("authorization"));
    const json = (value: unknown) => Response.json(value);
    if (url.host !== "hub.test") return new Response("wrong host", { status: 500 });
    if (url.pathname.includes("/api/models/owner/gated")) {
      return new Response("no", { status: 401 });
    }
    if (!url.pathname.includes("owner/name")) return new Response("no", { status: 404 });
    if (url.pathname.includes("/tree/")) {
      return json(
        Object.entries(FILES).map(([path, text], i) => ({
          type: "file",
          path,
          size: text.length,
          oid: oid(i),
          ...listed[path],
        })),
      );
    }
    if (url.pathname.startsWith("/api/models/")) {
      return json({
        _id: "1",
        id: "owner/name",
        sha,
        private: false,
        gated: false,
        downloads: 0,
        likes: 0,
        lastModified: "2026-01-01T00:00:00Z",
      });
    }
    const name = url.pathname.split("/").at(-1) ?? "";
    const text = served[name] ?? FILES[name] ?? "";
    if (text instanceof Error) throw text;
    const range = new Headers(init?.headers).get("range");
    return new Response(text, {
      status: range === null ? 200 : 206,
      headers: {
        etag: '"x"',
        "content-length": String(text.length),
        "content-range": `bytes 0-${Math.max(0, text.length - 1)}/${text.length}`,
      },
    });
  };
  const fake = (input: string | URL | Request, init?: RequestInit) =>
    Promise.resolve().then(() =>
      answer(new URL(input instanceof Request ? input.url : input), init),
    );
  return { asked, tokens, fetch: fake };
}

const offline: typeof fetch = () => Promise.reject(new TypeError("fetch failed"));

test("fetches what we read into the cache, with endpoint and token, then uses it without the network", async () => {
  process.env["HF_TOKEN"] = "hf_test";
  const { fetch, asked, tokens } = hub();
  const dir = await hubDirectory("hf:owner/name", { fetch });
  assert.equal(dir, join(process.env["HF_HOME"] ?? "", "hub/models--owner--name/snapshots", SHA));
  assert.equal(readFileSync(join(dir, "model.safetensors"), "utf8"), "weights");
  assert.equal(existsSync(join(dir, "README.md")), false);
  assert.ok(asked.length > 0 && tokens.every((token) => token === "Bearer hf_test"));
  assert.equal(await hubDirectory("hf:owner/name", { fetch: offline }), dir);
  process.env["HF_HUB_OFFLINE"] = "1";
  const never: typeof fetch = () => assert.fail("asked the network");
  assert.equal(await hubDirectory("hf:owner/name", { fetch: never }), dir);
  delete process.env["HF_HUB_OFFLINE"];
  assert.equal(await hubDirectory(`hf:owner/name@${SHA}`, { fetch: never }), dir);
});

async function failure(
  spec: string,
  options: Parameters<typeof hubDirectory>[1],
): Promise<[number, string]> {
  let code = 0;
  const message = await messageFrom(async () => {
    try {
      await hubDirectory(spec, options);
    } catch (error) {
      if (error instanceof UnreciteError) code = error.exitCode;
      throw error;
    }
  }, folder);
  return [code, message.split("\n")[0] ?? ""];
}

test("says what is wrong: no such model, no access, no network, a bad name", async () => {
  const { fetch } = hub();
  assert.deepEqual(await failure("hf:owner/absent", { fetch }), [
    2,
    "hf:owner/absent: expected a model owner/absent with a revision main, got nothing there",
  ]);
  assert.deepEqual(await failure("hf:owner/gated", { fetch }), [
    2,
    "hf:owner/gated: expected access, got 401 (private, gated or no such model)",
  ]);
  const [code, message] = await failure("hf:owner/name", { fetch: offline });
  assert.equal(code, 3);
  assert.match(
    message,
    /^hf:owner\/name: expected the model in home\d\/hub\/models--owner--name or a network, got neither \(fetch failed\)$/,
  );
  assert.deepEqual(await failure("hf:../x", { fetch }), [
    2,
    "hf:../x: expected hf:owner/name or hf:owner/name@revision",
  ]);
});

test("a download of other bytes than listed is refused and not kept", async () => {
  const lfs = { oid: sha256("weights"), size: 7, pointerSize: 100 };
  const listed = { "model.safetensors": { lfs } };
  for (const [text, message] of [
    ["strange", `expected the SHA-256 ${lfs.oid}, got ${sha256("strange")}`],
    ["weight", "expected 7 bytes, got 6"],
  ] as const) {
    process.env["HF_HOME"] = join(folder, `home${home++}`);
    const { fetch } = hub({ listed, served: { "model.safetensors": text } });
    const [code, told] = await failure("hf:owner/name", { fetch });
    assert.equal(code, 3);
    assert.ok(told.startsWith(`hf:owner/name: model.safetensors: ${message}`), told);
    const dir = await hubDirectory("hf:owner/name", { fetch: hub({ listed }).fetch });
    assert.equal(readFileSync(join(dir, "model.safetensors"), "utf8"), "weights");
    const names = readdirSync(join(dir, "../../blobs"));
    assert.deepEqual(names.sort(), [oid(0), oid(3), lfs.oid].sort());
  }
});

test("a fetch that broke off before the tokenizer goes on at the next call", async () => {
  const broken = hub({ served: { "tokenizer.json": new TypeError("fetch failed") } });
  const spec = `hf:owner/name@${SHA}`;
  assert.equal((await failure(spec, { fetch: broken.fetch }))[0], 3);
  const dir = await hubDirectory(spec, { fetch: hub().fetch });
  assert.equal(readFileSync(join(dir, "tokenizer.json"), "utf8"), "[]");
});

test("three fetches at once give one snapshot, and a link to nothing is made anew", async () => {
  const { fetch } = hub();
  const dirs = await Promise.all([1, 2, 3].map(() => hubDirectory("hf:owner/name", { fetch })));
  const dir = dirs[0] ?? "";
  assert.deepEqual(dirs, [dir, dir, dir]);
  assert.deepEqual(readdirSync(dir).sort(), ["config.json", "model.safetensors", "tokenizer.json"]);
  rmSync(join(dir, "../../blobs", oid(0)));
  await hubDirectory("hf:owner/name", { fetch });
  assert.equal(readFileSync(join(dir, "config.json"), "utf8"), "{}");
});

test("a hash from the hub that is none is not used as a path", async () => {
  const away = "../../../../escaped";
  const lfs = { oid: away, size: 2, pointerSize: 100 };
  for (const options of [
    { listed: { "config.json": { oid: away } } },
    { listed: { "config.json": { lfs } } },
    { sha: away },
  ]) {
    assert.deepEqual(await failure("hf:owner/name", { fetch: hub(options).fetch }), [
      3,
      `hf:owner/name: expected hashes of 40 to 64 hexadecimal digits from the hub, got "${away}"`,
    ]);
  }
  assert.equal(existsSync(join(process.env["HF_HOME"] ?? "", "..", "escaped")), false);
});
