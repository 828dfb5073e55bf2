import { statSync } from "node:fs";
import { AddonError, UnsupportedPlatformError } from "../errors.js";
import type { Binding } from "./binding.js";
import { type Attempt, explain } from "./load-error.js";
import { searchFor } from "./search.js";

/** The version of the addon's interface: kInterfaceVersion of native/js/numbers.h. An addon of another version is refused. */
const INTERFACE_VERSION = 6;

type Failure = AddonError | UnsupportedPlatformError;

let loaded: { readonly binding: Binding; readonly path: string } | undefined;
let failed: { readonly error: Failure; readonly option: string | undefined } | undefined;

/**
 * Returns the addon, loaded once a thread. `option`: the path that the program gives; without it the environment and the package say
 * where the addon is. A call after a failure tries again only if it names another path.
 *
 * Throws an UnsupportedPlatformError (ERR_RINGBELL_UNSUPPORTED_PLATFORM) on a platform that is neither Linux
 * nor macOS. Throws an AddonError (ERR_RINGBELL_ADDON) if no addon loads, if this runtime is not Node, or if
 * RINGBELL_NO_ADDON is set.
 */
export function loadBinding(option?: string): Binding {
  if (loaded === undefined && (failed === undefined || (option !== undefined && option !== failed.option))) {
    try {
      loaded = load(option);
      failed = undefined;
    } catch (error) {
      failed = { error: error as Failure, option };
    }
  }
  if (loaded !== undefined) return loaded.binding;
  throw failed?.error;
}

/** Returns the addon, or undefined if it does not load. Throws an UnsupportedPlatformError as `loadBinding` does. */
export function tryBinding(option?: string): Binding | undefined {
  try {
    return loadBinding(option);
  } catch (error) {
    if (error instanceof UnsupportedPlatformError) throw error;
    return undefined;
  }
}

/** Returns why the addon did not load, after it was asked for; undefined if it did. */
export function addonFailure(): Error | undefined {
  return failed?.error;
}

/** Returns the file that the addon was loaded from; undefined if it was not. */
export function addonPath(): string | undefined {
  return loaded?.path;
}

/** Whether the environment says that the addon shall not be loaded. */
export function isUnwanted(): boolean {
  const value = process.env.RINGBELL_NO_ADDON;
  return value !== undefined && value !== "" && value !== "0";
}

function load(option: string | undefined): { binding: Binding; path: string } {
  if (process.platform !== "linux" && process.platform !== "darwin") {
    throw new UnsupportedPlatformError(
      `ringbell runs on Linux and macOS, not on ${process.platform}: it needs Unix sockets and POSIX shared memory. ` +
        "On Windows it runs in WSL 2.",
    );
  }
  if (isUnwanted()) throw new AddonError("RINGBELL_NO_ADDON is set: the addon is not loaded");
  refuseOtherRuntimes();
  const { place, files } = searchFor(option);
  const attempts: Attempt[] = [];
  for (const path of files) {
    try {
      return { binding: open(path), path };
    } catch (error) {
      attempts.push({ path, error: error as NodeJS.ErrnoException });
    }
  }
  const reason = attempts.find(({ error }) => error.code !== "ENOENT") ?? attempts[0];
  throw new AddonError(explain(place, attempts), { cause: reason?.error });
}

/** Other runtimes open the addon, and end in the middle of it: they have only a part of libuv. */
function refuseOtherRuntimes(): void {
  const { bun, deno } = process.versions;
  const runtime = bun !== undefined ? `Bun ${bun}` : deno !== undefined ? `Deno ${deno}` : undefined;
  if (runtime === undefined) return;
  throw new AddonError(
    `the addon is not loaded in ${runtime}: it needs the event loop of Node.\n` +
      "Mend: run this program with Node, or leave it so: channels go over the socket here.",
  );
}

/** Loads a file. Throws an error with `code` ENOENT if there is none, or what the system's loader says. */
function open(path: string): Binding {
  // The system's loader gives no code for a missing file.
  const unseen = whyUnseen(path);
  if (unseen?.code === "ENOENT") throw unseen;
  const module = { exports: {} as Binding };
  // Not `require`: bundlers look for it, and a single executable has one for built-in modules only.
  process.dlopen(module, path);
  const { interfaceVersion } = module.exports;
  if (interfaceVersion === INTERFACE_VERSION) return module.exports;
  throw new Error(
    `it has interface version ${interfaceVersion ?? "0"}; this version of ringbell needs ${INTERFACE_VERSION}`,
  );
}

function whyUnseen(path: string): NodeJS.ErrnoException | undefined {
  try {
    statSync(path);
    return undefined;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}
