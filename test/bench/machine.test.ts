import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { revision } from "../../bench/lib/machine.mjs";
import { scratchDirectory } from "../transport/scratch.js";
import { run } from "./run-bench.js";

const PACKAGE = fileURLToPath(new URL("../../package.json", import.meta.url));

it("a copy of the sources that lies in somebody else's repository is not given that one's commit", async () => {
  const directory = scratchDirectory();
  const copy = join(directory, "vendor", "ringbell");
  mkdirSync(copy, { recursive: true });
  cpSync(PACKAGE, join(copy, "package.json"));
  await run("git", ["init", "-q"], directory);
  await run("git", "-c user.name=a -c user.email=a@b.c commit -q --allow-empty -m a".split(" "), directory);
  expect(revision(copy)).toMatchObject({ commit: null, changed: null });
});
