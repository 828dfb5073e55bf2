import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { pages, readPage } from "./blocks.js";
import { root } from "./workshop.js";

/** Words that begin a sentence whose subject comes late, or not at all. Questions may. */
const BEGINNINGS = /^(Who|What|Also|Those|By itself)\b(?!.*\?$)/;
const MOST_WORDS = 25;
const MEAN_WORDS = 15;
const README_LINES = 200;

const more = ["bench/README.md", "examples/c/README.md", "test/README.md"];
const checked = [...pages, ...more.filter((page) => existsSync(join(root, page)))];

/** The sentences of a page's prose: without code, tables and headings. What stands in backticks counts as one word. */
function sentencesOf(page: string): string[] {
  const prose = readPage(page)
    .replace(/^```[\s\S]*?^```$/gm, "")
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/^\s*(\||#|<).*$/gm, "")
    .replace(/`[^`]*`/g, "code")
    .replace(/\[[\w/.-]+\.(?:md|mjs|ts|json|svg)\]\([^)]*\)/g, "code")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/\*\*|__|\u00a0/g, " ");
  const paragraphs = prose.split(/\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )/);
  return paragraphs
    .map((paragraph) =>
      paragraph
        .replace(/^\s*(?:[-*]|\d+\.) /, "")
        .replace(/\s+/g, " ")
        .trim(),
    )
    .flatMap((paragraph) => paragraph.split(/(?<=[.!?][)”"]?) (?=[\p{Lu}\d“"(…]|code|ringbell)/u))
    .filter((sentence) => /\p{L}/u.test(sentence));
}

const words = (sentence: string) => sentence.split(" ").filter((word) => /[\p{L}\d]/u.test(word)).length;

describe("the words of the documentation", () => {
  it.each(checked)("%s has sentences that begin with their subject, and end soon", (page) => {
    const sentences = sentencesOf(page);
    expect(sentences.filter((sentence) => BEGINNINGS.test(sentence))).toEqual([]);
    expect(sentences.filter((sentence) => words(sentence) > MOST_WORDS)).toEqual([]);
    const mean = sentences.reduce((sum, sentence) => sum + words(sentence), 0) / sentences.length;
    expect(mean).toBeLessThanOrEqual(MEAN_WORDS);
  });

  it("README.md is short", () => {
    expect(readPage("README.md").split("\n").length).toBeLessThan(README_LINES);
  });
});
