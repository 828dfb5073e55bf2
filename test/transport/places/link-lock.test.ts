import { existsSync, lutimesSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ourIdentity } from "../../../lib/transport/places/identity.js";
import { inTurn, removeIfDead } from "../../../lib/transport/places/link-lock.js";
import { scratchDirectory } from "../scratch.js";

const RANDOM = "0123456789ab";

describe("a turn at a name", () => {
  it("is over when its process has ended, and not before", async () => {
    const path = join(scratchDirectory(), "n.turn");
    await inTurn(path, async () => {
      expect(removeIfDead(path)).toBe(false);
    });
    expect(existsSync(path)).toBe(false);
    const { pid, start, space } = ourIdentity();
    // Another process had our pid, before us.
    symlinkSync(`${pid.toString(36)}-${(start + 1).toString(36)}-${space}-${RANDOM}`, path);
    expect(removeIfDead(path)).toBe(true);
  });

  it.skipIf(process.platform !== "linux")(
    "of a process in another pid namespace is over when it is older than any turn",
    () => {
      const path = join(scratchDirectory(), "n.turn");
      // In our own namespace, no such process lives.
      symlinkSync(`1-1-zzzz-${RANDOM}`, path);
      expect(removeIfDead(path)).toBe(false);
      const old = Date.now() / 1000 - 120;
      lutimesSync(path, old, old);
      expect(removeIfDead(path)).toBe(true);
    },
  );
});
