import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readPage } from "./blocks.js";
import { root } from "./workshop.js";

describe("SECURITY.md", () => {
  it("names tests that exist, by their titles", () => {
    const mentioned = [
      ...readPage("SECURITY.md").matchAll(/\[`[^`]+`\]\(((?:native\/)?test\/[^)]+)\)((?:,? “[^”]+”)*)/g),
    ];
    expect(mentioned.length).toBeGreaterThan(20);
    for (const [, file, titles] of mentioned) {
      expect(existsSync(join(root, file!)), file).toBe(true);
      const source = readFileSync(join(root, file!), "utf8");
      for (const [, title] of titles!.matchAll(/“([^”]+)”/g)) {
        expect(source.includes(title!), `${file}: “${title}”`).toBe(true);
      }
    }
  });
});
