/** @file Where this runs: Linux on x86-64 with glibc >= 2.28, which is what LibTorch's builds are made for. */
import { SetupFault } from "./fault.mjs";

/** The C library of this process, such as "2.36"; undefined where it is not glibc. @returns {string | undefined} */
export function glibcVersion() {
  const report = /** @type {{ header?: { glibcVersionRuntime?: string } } | undefined} */ (
    process.report?.getReport()
  );
  return report?.header?.glibcVersionRuntime;
}

/** @typedef {{ platform: string, arch: string, glibc: string | undefined }} Platform */

/** @returns {Platform} */
export const thisPlatform = () => ({
  platform: process.platform,
  arch: process.arch,
  glibc: glibcVersion(),
});

/** Throws where nothing of this can run; returns the platform in words. @param {Platform} [on] @returns {string} */
export function requirePlatform({ platform, arch, glibc } = thisPlatform()) {
  const [major = 0, minor = 0] = (glibc ?? "").split(".").map(Number);
  const got = `${platform} ${arch}, ${glibc === undefined ? "no glibc" : `glibc ${glibc}`}`;
  if (platform !== "linux" || arch !== "x64" || major * 1000 + minor < 2028) {
    throw new SetupFault(
      `platform: expected Linux x86-64 with glibc >= 2.28, got ${got}`,
      "use such a machine or container (for example: docker run -it node:22-bookworm)",
    );
  }
  return got;
}
