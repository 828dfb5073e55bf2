import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { quotesIn } from "./quotes.js";
import { root } from "./workshop.js";

describe("SECURITY.md", () => {
  it("names tests that exist, by their titles", () => {
    const quotes = quotesIn("SECURITY.md");
    expect(quotes.length).toBeGreaterThan(20);
    for (const { file, titles } of quotes) {
      const source = readFileSync(join(root, file), "utf8");
      for (const title of titles) expect(source.includes(title), `${file}: “${title}”`).toBe(true);
    }
  });
});
