import { chmodSync, chownSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { AccessError } from "../../../lib/errors.js";
import {
  checkDirectory,
  prepareDirectory,
  removeDirectory,
} from "../../../lib/transport/places/directory.js";
import { type Address, resolveAddress } from "../../../lib/transport/places/names.js";
import { scratchDirectory } from "../scratch.js";

const root = process.geteuid?.() === 0;

/** The address of a name in a user's private directory, which is not there yet. */
function privateAddress(): Address {
  return resolveAddress("n", {}, { XDG_RUNTIME_DIR: scratchDirectory() });
}

function mode(path: string): number {
  return statSync(path).mode & 0o7777;
}

describe("the private directory", () => {
  it("is made 0700, whatever the umask says (S0.26)", () => {
    const address = privateAddress();
    const umask = process.umask(0);
    onTestFinished(() => void process.umask(umask));
    prepareDirectory(address);
    expect(mode(address.place!.base)).toBe(0o700);
    expect(mode(address.place!.directory)).toBe(0o700);
  });

  it("is not made by who only looks", () => {
    const address = privateAddress();
    expect(checkDirectory(address)).toBe(false);
    expect(existsSync(address.place!.base)).toBe(false);
  });

  it.each([0o755, 0o710, 0o702])(
    "is refused with mode %o, and the error says all there is to know (S0.28)",
    (bits) => {
      const address = privateAddress();
      const { base } = address.place!;
      mkdirSync(base);
      chmodSync(base, bits);
      const refused = (call: () => unknown) => {
        expect(call).toThrow(AccessError);
        expect(call).toThrow(base);
        expect(call).toThrow(`mode 0${bits.toString(8)}, owner uid ${statSync(base).uid}`);
        expect(call).toThrow(`runs as uid ${process.geteuid?.()}`);
      };
      refused(() => prepareDirectory(address));
      refused(() => checkDirectory(address));
    },
  );

  it.skipIf(!root)("is refused if it belongs to another user", () => {
    const address = privateAddress();
    mkdirSync(address.place!.base, { mode: 0o700 });
    chownSync(address.place!.base, 12345, 12345);
    expect(() => prepareDirectory(address)).toThrow(/owner uid 12345/);
  });

  it("is refused if it is a symbolic link, also to a good directory", () => {
    const address = privateAddress();
    const elsewhere = scratchDirectory();
    symlinkSync(elsewhere, address.place!.base);
    expect(() => prepareDirectory(address)).toThrow(/symbolic link/);
    expect(() => checkDirectory(address)).toThrow(AccessError);
  });

  it("is refused if it is a file", () => {
    const address = privateAddress();
    writeFileSync(address.place!.base, "");
    expect(() => prepareDirectory(address)).toThrow(AccessError);
  });

  it("is removed when its namespace is empty, and only then (S2.21)", () => {
    const address = privateAddress();
    prepareDirectory(address);
    writeFileSync(join(address.directory, "file"), "");
    expect(removeDirectory(address.place)).toBe(false);
    const other = resolveAddress(
      "n",
      { namespace: "other" },
      { XDG_RUNTIME_DIR: join(address.place!.base, "..") },
    );
    prepareDirectory(other);
    expect(removeDirectory(other.place)).toBe(true);
    expect(existsSync(other.directory)).toBe(false);
  });
});

describe("a directory of the user's choice (S0.27)", () => {
  it("is used as it is, and its namespaces are open to the same people", () => {
    const directory = scratchDirectory();
    chmodSync(directory, 0o2750);
    const address = resolveAddress("n", { directory }, {});
    prepareDirectory(address);
    expect(mode(directory)).toBe(0o2750);
    expect(mode(address.directory)).toBe(0o2750);
    expect(statSync(address.directory).gid).toBe(statSync(directory).gid);
  });

  it("is made 0700 if it is missing", () => {
    const directory = join(scratchDirectory(), "a", "b");
    prepareDirectory(resolveAddress("n", { directory }, {}));
    expect(mode(directory)).toBe(0o700);
  });

  it("is refused if everybody may replace what lies in it, unless the sticky bit protects it", () => {
    const directory = scratchDirectory();
    chmodSync(directory, 0o777);
    const address = resolveAddress("n", { directory }, {});
    expect(() => prepareDirectory(address)).toThrow(/no sticky bit/);
    expect(() => prepareDirectory(resolveAddress(join(directory, "s.sock"), {}, {}))).toThrow(AccessError);
    chmodSync(directory, 0o1777);
    prepareDirectory(address);
    expect(checkDirectory(address)).toBe(true);
  });

  it("keeps a namespace's directory that was there before", () => {
    const directory = scratchDirectory();
    mkdirSync(join(directory, "default"));
    const address = resolveAddress("n", { directory }, {});
    prepareDirectory(address);
    expect(removeDirectory(address.place)).toBe(false);
  });
});
