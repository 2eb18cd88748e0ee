/**
 * @file Brings a model named hf:owner/name[@revision] into the usual Hugging Face cache and gives its directory.
 * Only what we read is fetched: JSON, safetensors, tokenizer files. A cached revision is used without the network.
 */
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rename, rm, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import {
  downloadFile,
  getHFHubCachePath,
  HubApiError,
  listFiles,
  modelInfo,
  type ListFileEntry,
} from "@huggingface/hub";
import { environmentError, inputError, messageOf, UnreciteError } from "../base/errors.ts";
import { makeFolder, writeAtomic, writeFileAtomic } from "./atomic.ts";
import { INDEX, SINGLE } from "./checkpoint.ts";
import { writeError } from "./disk-error.ts";
import { kindOf } from "./json.ts";

export type HubOptions = {
  /** Called before a file is fetched. */
  onFile?: (file: { name: string; bytes: number }) => void;
  fetch?: typeof fetch;
};

type HubModel = { spec: string; name: string; revision: string; folder: string };

const WANTED =
  /^(?:[^/]+\.json|model[^/]*\.safetensors|merges\.txt|vocab\.txt|[^/]+\.model|[^/]+\.jinja|LICENSE[^/]*)$/;

/** The local directory of the model that `spec` ("hf:owner/name[@revision]") names, fetched when it is not cached. */
export async function hubDirectory(
  spec: string,
  { onFile, fetch }: HubOptions = {},
): Promise<string> {
  const model = parseSpec(spec);
  const cached = await cachedSnapshot(model);
  const pinned = /^[0-9a-f]{40}$/.test(model.revision);
  const offline = ["1", "true", "yes", "on"].includes(
    (process.env["HF_HUB_OFFLINE"] ?? "").toLowerCase(),
  );
  if (cached !== undefined && (pinned || offline)) return cached;
  if (offline) throw notCached(model, "HF_HUB_OFFLINE is set");
  try {
    return await fetchSnapshot(model, { onFile, fetch });
  } catch (error) {
    // no answer at all: what the cache holds is the best there is, and what it was last time
    if (
      cached !== undefined &&
      !(error instanceof HubApiError) &&
      !(error instanceof UnreciteError)
    ) {
      return cached;
    }
    throw hubError(error, model);
  }
}

function parseSpec(spec: string): HubModel {
  const [, name, revision = "main"] = /^hf:([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?$/.exec(spec) ?? [];
  if (name === undefined || /(^|\/)\.\.?(\/|$)/.test(`${name}/${revision}`)) {
    throw inputError(`${spec}: expected hf:owner/name or hf:owner/name@revision`, {
      wayOut: "for example hf:EleutherAI/gpt-neo-125m",
    });
  }
  const folder = join(getHFHubCachePath(), `models--${name.replace("/", "--")}`);
  return { spec, name, revision, folder };
}

async function cachedSnapshot({ folder, revision }: HubModel): Promise<string | undefined> {
  const commit = await readFile(join(folder, "refs", revision), "utf8").catch(() => revision);
  const snapshot = join(folder, "snapshots", commit.trim());
  return (await isComplete(snapshot)) ? snapshot : undefined;
}

async function isComplete(snapshot: string): Promise<boolean> {
  if (!existsSync(join(snapshot, "config.json"))) return false;
  if (existsSync(join(snapshot, SINGLE))) return true;
  try {
    const index = JSON.parse(await readFile(join(snapshot, INDEX), "utf8")) as {
      weight_map: Record<string, string>;
    };
    return Object.values(index.weight_map).every((file) => existsSync(join(snapshot, file)));
  } catch {
    return false;
  }
}

async function fetchSnapshot(
  { spec, name, revision, folder }: HubModel,
  { onFile, fetch }: { onFile: HubOptions["onFile"]; fetch: HubOptions["fetch"] },
): Promise<string> {
  const token = process.env["HF_TOKEN"];
  const endpoint = process.env["HF_ENDPOINT"];
  const common = {
    ...(token === undefined || token === "" ? {} : { accessToken: token }),
    ...(endpoint === undefined || endpoint === "" ? {} : { hubUrl: endpoint.replace(/\/+$/, "") }),
    ...(fetch === undefined ? {} : { fetch }),
  };
  const repo = { type: "model", name } as const;
  const info = await modelInfo({ ...common, name, revision, additionalFields: ["sha"] });
  const sha = hashFrom(info.sha, spec);
  const snapshot = join(folder, "snapshots", sha);
  for (const file of await wantedFiles(listFiles({ ...common, repo, revision: sha }))) {
    const link = join(snapshot, file.path);
    if (existsSync(link)) continue;
    const blob = join(folder, "blobs", hashFrom(file.lfs?.oid ?? file.oid, spec));
    if (!existsSync(blob)) {
      onFile?.({ name: file.path, bytes: file.size });
      const content = await downloadFile({ ...common, repo, path: file.path, revision: sha });
      if (content === null) throw new Error(`${file.path} is listed but not there`);
      await save(content, blob, { where: `${spec}: ${file.path}`, ...file });
    }
    await linkTo(blob, link);
  }
  if (revision !== sha) await writeFileAtomic(join(folder, "refs", revision), sha);
  return snapshot;
}

/** A hash that the hub names, to be used in a path: anything else could lead out of the cache. */
function hashFrom(value: unknown, spec: string): string {
  if (typeof value === "string" && /^[0-9a-f]{40,64}$/.test(value)) return value;
  throw environmentError(
    `${spec}: expected hashes of 40 to 64 hexadecimal digits from the hub, got ${kindOf(value)}`,
    { wayOut: "check HF_ENDPOINT" },
  );
}

/** Makes `link`, by a rename: another process may be making it too, and it may be there but lead to nothing. */
async function linkTo(blob: string, link: string): Promise<void> {
  const temporary = `${link}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    makeFolder(dirname(link));
    await symlink(relative(dirname(link), blob), temporary);
    await rename(temporary, link);
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeError(error, link);
  }
}

/** What we read of a listing, weights last: where they are complete (isComplete) the rest is there too. */
async function wantedFiles(listing: AsyncIterable<ListFileEntry>): Promise<ListFileEntry[]> {
  const files: ListFileEntry[] = [];
  for await (const file of listing) {
    if (file.type === "file" && WANTED.test(file.path)) files.push(file);
  }
  const isWeights = ({ path }: ListFileEntry) => /\.safetensors(\.index\.json)?$/.test(path);
  return [...files.filter((file) => !isWeights(file)), ...files.filter(isWeights)];
}

type Expected = { where: string } & Pick<ListFileEntry, "size" | "lfs">;

/** Keeps a download as `path` when it is, to the byte, what the listing names; nothing of it otherwise. */
async function save(content: Blob, path: string, expected: Expected): Promise<void> {
  // writeAtomic takes all errors for the disk's; what the network throws is hubError's to tell
  let lost: unknown;
  async function* received(): AsyncGenerator<Uint8Array> {
    try {
      yield* content.stream() as unknown as AsyncIterable<Uint8Array>;
    } catch (error) {
      lost = error;
      throw error;
    }
  }
  await writeAtomic(path, async (target) => {
    const hash = createHash("sha256");
    let size = 0;
    for await (const chunk of received()) {
      hash.update(chunk);
      size += chunk.length;
      await target.writeFile(chunk);
    }
    expectWhole(expected, { size, sha256: hash.digest("hex") });
  }).catch((error: unknown) => {
    throw lost ?? error;
  });
}

function expectWhole({ where, size, lfs }: Expected, got: { size: number; sha256: string }): void {
  const wayOut = "try again; if it comes again, check HF_ENDPOINT and what lies between";
  if (got.size !== size) {
    throw environmentError(`${where}: expected ${size} bytes, got ${got.size} (none were kept)`, {
      wayOut,
    });
  }
  if (lfs !== undefined && lfs.oid !== got.sha256) {
    throw environmentError(
      `${where}: expected the SHA-256 ${lfs.oid}, got ${got.sha256} (nothing was kept)`,
      { wayOut },
    );
  }
}

const notCached = ({ spec, folder }: HubModel, why: string, cause?: unknown): Error =>
  environmentError(`${spec}: expected the model in ${folder} or a network, got neither (${why})`, {
    wayOut: "connect to the network, set HF_ENDPOINT to a mirror, or name a local directory",
    cause,
  });

function hubError(error: unknown, model: HubModel): Error {
  if (error instanceof UnreciteError) return error;
  const { spec, name, revision } = model;
  if (error instanceof TypeError && error.message.includes("access token")) {
    return inputError(`HF_TOKEN: expected a token that begins with hf_, got another`, {
      cause: error,
    });
  }
  if (!(error instanceof HubApiError)) return notCached(model, messageOf(error), error);
  if (error.statusCode === 401 || error.statusCode === 403) {
    return inputError(
      `${spec}: expected access, got ${error.statusCode} (private, gated or no such model)`,
      {
        wayOut: "check the name, accept the model's terms on its page, and set HF_TOKEN",
        cause: error,
      },
    );
  }
  if (error.statusCode === 404) {
    return inputError(
      `${spec}: expected a model ${name} with a revision ${revision}, got nothing there`,
      {
        wayOut: "check the owner, the name and the revision",
        cause: error,
      },
    );
  }
  return environmentError(
    `${spec}: expected an answer from the hub, got status ${error.statusCode}`,
    {
      wayOut: "try again later",
      cause: error,
    },
  );
}
