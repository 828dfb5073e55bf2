import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lockName, type NameLock } from "../../../lib/transport/places/name-lock.js";
import { binding, bindingWith, openDescriptors } from "../handshake/rig.js";
import { scratchDirectory } from "../scratch.js";

describe("the lock of a name", () => {
  it("is held by one at a time, and free again when it is released", () => {
    const path = join(scratchDirectory(), "n.lock");
    const lock = lockName(binding, path) as NameLock;
    expect(lockName(binding, path)).toBe("held");
    lock.release(true);
    expect(existsSync(path)).toBe(false);
    const next = lockName(binding, path) as NameLock;
    next.release(false);
    expect(existsSync(path)).toBe(true);
  });

  it("of a file that was removed, or replaced, while it was taken is none", () => {
    const path = join(scratchDirectory(), "n.lock");
    const before = openDescriptors();
    const meanwhile = (act: () => void) =>
      bindingWith({
        lockFile(file) {
          const descriptor = binding.lockFile(file);
          act();
          return descriptor;
        },
      });
    expect(
      lockName(
        meanwhile(() => rmSync(path)),
        path,
      ),
    ).toBe("gone");
    const replaced = meanwhile(() => {
      rmSync(path);
      writeFileSync(path, "another one's");
    });
    expect(lockName(replaced, path)).toBe("gone");
    expect(existsSync(path)).toBe(true);
    expect(openDescriptors()).toBe(before);
  });

  it("can't be had in a directory that has gone", () => {
    expect(lockName(binding, join(scratchDirectory(), "gone", "n.lock"))).toBe("gone");
  });

  it("removes at its release no file but its own", () => {
    const path = join(scratchDirectory(), "n.lock");
    const lock = lockName(binding, path) as NameLock;
    rmSync(path);
    writeFileSync(path, "another one's");
    lock.release(true);
    expect(existsSync(path)).toBe(true);
  });
});
