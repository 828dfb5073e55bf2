import { fstatSync, lstatSync, rmSync } from "node:fs";
import { SystemError } from "../../errors.js";
import type { Binding } from "../../native/binding.js";
import { accessError } from "./directory.js";

/** The lock of a name, held until it is released or the process dies, whatever kills it. */
export interface NameLock {
  readonly descriptor: number;
  /** Returns whether the file of the lock is still at its path. */
  isThere(): boolean;
  /** Releases the lock. `remove`: removes its file, too. */
  release(remove: boolean): void;
}

/**
 * Takes the lock of a name. Returns "held" if another process has it. Returns "gone" if the file or its
 * directory went away meanwhile, and the caller must begin anew. Throws an AccessError or SystemError.
 */
export function lockName(binding: Binding, path: string): NameLock | "held" | "gone" {
  let descriptor: number;
  try {
    descriptor = binding.lockFile(path);
  } catch (cause) {
    const { code, syscall, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return "gone";
    if (code === "EACCES" || code === "EPERM" || code === "EROFS") throw accessError(path, "lock", cause);
    const text = `can't lock ${path}: ${message}`;
    throw new SystemError(text, code ?? "UNKNOWN", syscall ?? "open", path, { cause });
  }
  if (descriptor === -1) return "held";
  // The last owner removes the file while it holds the lock. This lock may then be on a file without a name.
  if (!isAt(descriptor, path)) {
    binding.closeDescriptor(descriptor);
    return "gone";
  }
  return {
    descriptor,
    isThere: () => isAt(descriptor, path),
    release(remove) {
      try {
        if (remove && isAt(descriptor, path)) rmSync(path, { force: true });
      } finally {
        binding.closeDescriptor(descriptor);
      }
    },
  };
}

function isAt(descriptor: number, path: string): boolean {
  const opened = fstatSync(descriptor);
  const named = lstatSync(path, { throwIfNoEntry: false });
  return named !== undefined && named.ino === opened.ino && named.dev === opened.dev;
}
