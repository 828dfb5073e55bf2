import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { headOf } from "./blocks.js";
import { expectLines, root, runCommand } from "./workshop.js";

const folder = join(root, "examples");
const examples = [
  ...readdirSync(folder).filter((file) => /\.(mjs|ts)$/.test(file)),
  // Programs of several files.
  "dev-mode/main.mjs",
];

// One of them compiles first, which takes long on a busy machine.
describe("an example (S0.3)", { timeout: 120_000 }, () => {
  it.each(examples)(
    "%s runs by its own command, prints what its head says, and leaves nothing behind",
    async (file) => {
      const { usage, prints } = headOf(readFileSync(join(folder, file), "utf8"));
      expect(usage).toContain(`examples/${file.replace(/\.ts$/, ".js")}`);
      expect(prints).not.toEqual([]);
      // "[FILE]" may be left out.
      expectLines(await runCommand(usage.replace(/\[.*\]/, ""), root), prints);
    },
  );

  it("each is listed in README.md", () => {
    const readme = readFileSync(join(root, "README.md"), "utf8");
    for (const file of examples) expect(readme).toContain(`(examples/${file})`);
  });
});
