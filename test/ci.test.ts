import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const parts = [
  ...readFileSync(join(root, ".ci/run"), "utf8").matchAll(/^ *part "([^"]+)" (\d+) (.*)$/gm),
].map(([, name, seconds, command]) => ({ name: name!, seconds: Number(seconds), command: command! }));

describe(".ci/run", () => {
  it("begins with the README's test command, and runs every kind of check", () => {
    const commands = parts
      .map(({ command }) => command)
      .filter((command) => !command.startsWith(".ci/packages"));
    expect(readFileSync(join(root, "README.md"), "utf8")).toContain(commands.slice(0, 2).join(" && "));
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    for (const check of ["test", "test:bench", "test:runtimes", "fuzz", "lint", "typecheck"]) {
      expect(scripts[check], check).toBeDefined();
      const command = check === "test" ? "npm test" : `npm run ${check}`;
      expect(commands.some((one) => `${one} `.startsWith(`${command} `))).toBe(true);
    }
    const natively = [scripts.test, ...commands].join("\n").matchAll(/test:native -- --only (\w+)/g);
    expect([...natively].map(([, variant]) => variant).sort()).toEqual(["asan", "plain", "tsan"]);
  });

  it("takes 45 minutes at most", () => {
    const total = parts.reduce((sum, { seconds }) => sum + seconds, 0);
    expect(total).toBeLessThanOrEqual(45 * 60);
  });
});
