import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { AddonError, UnsupportedPlatformError } from "../errors.js";
import type { Binding } from "./binding.js";

/** The version of the addon's interface: kInterfaceVersion of native/js/numbers.h. An addon of another version is refused. */
const INTERFACE_VERSION = 2;

let loaded: Binding | undefined;
let failure: AddonError | UnsupportedPlatformError | undefined;

/**
 * Returns the addon, loaded once a thread.
 *
 * Throws an UnsupportedPlatformError (ERR_RINGBELL_UNSUPPORTED_PLATFORM) on a platform that is neither Linux
 * nor macOS. Throws an AddonError (ERR_RINGBELL_ADDON) if no addon loads, or if RINGBELL_NO_ADDON is set.
 */
export function loadBinding(): Binding {
  if (loaded === undefined && failure === undefined) {
    try {
      loaded = load();
    } catch (error) {
      failure = error as AddonError | UnsupportedPlatformError;
    }
  }
  if (loaded !== undefined) return loaded;
  throw failure;
}

/** Returns the addon, or undefined if it does not load. Throws an UnsupportedPlatformError as `loadBinding` does. */
export function tryBinding(): Binding | undefined {
  try {
    return loadBinding();
  } catch (error) {
    if (error instanceof UnsupportedPlatformError) throw error;
    return undefined;
  }
}

/** Returns why the addon did not load, after it was asked for; undefined if it did. */
export function addonFailure(): Error | undefined {
  return failure;
}

/** Returns `glibc` or `musl` on Linux, else undefined. */
export function libc(): "glibc" | "musl" | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    // The maps name the library that this process runs on, whatever else is installed.
    return /\/(ld-musl-|libc\.musl-)/.test(readFileSync("/proc/self/maps", "utf8")) ? "musl" : "glibc";
  } catch {
    return existsSync("/etc/alpine-release") ? "musl" : "glibc";
  }
}

function load(): Binding {
  if (process.platform !== "linux" && process.platform !== "darwin") {
    throw new UnsupportedPlatformError(
      `ringbell runs on Linux and macOS, not on ${process.platform}: it needs Unix sockets and POSIX shared memory. ` +
        "On Windows it runs in WSL 2.",
    );
  }
  if (isSet(process.env.RINGBELL_NO_ADDON)) {
    throw new AddonError("RINGBELL_NO_ADDON is set: the addon is not loaded");
  }
  const root = packageRoot();
  const require = createRequire(import.meta.url);
  const family = libc();
  let binding: Binding;
  try {
    // node-gyp-build reads LIBC when it is loaded. Without LIBC it guesses from the file system.
    const before = process.env.LIBC;
    if (before === undefined && family !== undefined) process.env.LIBC = family;
    try {
      binding = (require("node-gyp-build") as (directory: string) => Binding)(root);
    } finally {
      if (before === undefined) delete process.env.LIBC;
    }
  } catch (error) {
    throw new AddonError(explain(root, family, error as Error), { cause: error });
  }
  if (binding.interfaceVersion !== INTERFACE_VERSION) {
    throw new AddonError(
      `the addon in ${root} has interface version ${binding.interfaceVersion ?? "0"}; ` +
        `this version of ringbell needs ${INTERFACE_VERSION}. Build it again: npm run build`,
    );
  }
  return binding;
}

function explain(root: string, family: string | undefined, error: Error): string {
  const platform = `${process.platform}-${process.arch}${family === undefined ? "" : ` (${family})`}`;
  const tried = [join(root, "build/Release"), join(root, "prebuilds", `${process.platform}-${process.arch}`)];
  return [
    `the addon could not be loaded on ${platform}, Node ${process.versions.node} (Node-API ${process.versions.napi}).`,
    `Tried: ${tried.join(", ")}.`,
    `Reason: ${error.message.split("\n")[0]}`,
    "Mend: in a checkout, `npm run build`. In an installed package, in its directory: " +
      "`npm install --no-save node-gyp node-addon-api && npx node-gyp rebuild` (it needs python3, make and a C++20 compiler).",
    'Or do without: { transport: "stream" } uses the socket alone, and "auto" falls back to it.',
  ].join("\n");
}

/** Returns the directory of the package, that with package.json. This module lies in lib/native, or in a file of dist/. */
export function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, "package.json"))) {
    const above = dirname(directory);
    if (above === directory) return directory;
    directory = above;
  }
  return directory;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== "" && value !== "0";
}
