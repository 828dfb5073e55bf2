// The systems that the package has a binary for. The names of the files are those that lib/native/search.ts looks for.
import { existsSync, readFileSync } from "node:fs";

/**
 * @typedef {object} Target
 * @property {string} name
 * @property {NodeJS.Platform} platform
 * @property {"x64" | "arm64"} arch
 * @property {"glibc" | "musl" | undefined} libc
 * @property {string} triple  Zig's name of it, with the oldest version that the binary must run on.
 * @property {string} file  Below prebuilds/.
 * @property {string} minimum  What it needs, for people.
 */

/** The newest version of glibc's symbols that a binary may ask for: RHEL 8, Debian 10, Ubuntu 20.04 have it. */
export const GLIBC = "2.28";
/** The oldest macOS: the first one on arm64. */
export const MACOS = "11.0";

/** @type {readonly Target[]} */
export const TARGETS = [
  linux("x64", "glibc"),
  linux("arm64", "glibc"),
  linux("x64", "musl"),
  linux("arm64", "musl"),
  darwin("x64"),
  darwin("arm64"),
];

/** The target that this process runs on; undefined if there is none for it. @returns {Target | undefined} */
export function hostTarget() {
  const { platform, arch } = process;
  const libc = platform === "linux" ? libcOf() : undefined;
  return TARGETS.find(
    (target) => target.platform === platform && target.arch === arch && target.libc === libc,
  );
}

/** The C library that this process runs on: its maps name it, whatever else is installed. */
function libcOf() {
  try {
    return /\/(ld-musl-|libc\.musl-)/.test(readFileSync("/proc/self/maps", "utf8")) ? "musl" : "glibc";
  } catch {
    return existsSync("/etc/alpine-release") ? "musl" : "glibc";
  }
}

/** @param {"x64" | "arm64"} arch @param {"glibc" | "musl"} libc @returns {Target} */
function linux(arch, libc) {
  return {
    ...{ name: `linux-${arch}-${libc}`, platform: "linux", arch, libc },
    triple: `${cpu(arch)}-linux-${libc === "glibc" ? `gnu.${GLIBC}` : "musl"}`,
    file: `linux-${arch}/ringbell.${libc}.node`,
    minimum: libc === "glibc" ? `glibc ${GLIBC}` : "musl 1.2",
  };
}

/** @param {"x64" | "arm64"} arch @returns {Target} */
function darwin(arch) {
  return {
    ...{ name: `darwin-${arch}`, platform: "darwin", arch, libc: undefined },
    triple: `${cpu(arch)}-macos.${MACOS}`,
    file: `darwin-${arch}/ringbell.node`,
    minimum: `macOS ${MACOS}`,
  };
}

/** @param {"x64" | "arm64"} arch */
function cpu(arch) {
  return arch === "x64" ? "x86_64" : "aarch64";
}
