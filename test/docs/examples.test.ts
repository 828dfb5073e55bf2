import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { headOf } from "./blocks.js";
import { expectLines, root, run, tsc, workshop } from "./workshop.js";

const folder = join(root, "examples");
const examples = readdirSync(folder).filter((file) => /\.(mjs|ts)$/.test(file));

describe("an example (S0.3)", () => {
  it.each(examples)("%s runs, prints what its head says, and leaves nothing behind", async (file) => {
    const { usage, prints } = headOf(readFileSync(join(folder, file), "utf8"));
    expect(usage).toContain(`examples/${file}`);
    expect(prints).not.toEqual([]);
    expectLines(await run(await runnable(file)), prints);
  });

  it("each is listed in README.md", () => {
    const readme = readFileSync(join(root, "README.md"), "utf8");
    for (const file of examples) expect(readme).toContain(`(examples/${file})`);
  });
});

async function runnable(file: string): Promise<string> {
  const path = join(folder, file);
  if (file.endsWith(".mjs")) return path;
  const directory = workshop();
  await tsc(directory, [path, "--rootDir", folder, "--outDir", directory, "--preserveSymlinks"]);
  return join(directory, file.replace(/\.ts$/, ".js"));
}
