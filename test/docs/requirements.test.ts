import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readPage } from "./blocks.js";
import { quotesIn } from "./quotes.js";
import { root } from "./workshop.js";

const PAGE = "docs/requirements.md";
/** How many rows each part has; they are numbered from 1. */
const PARTS = { "S0.": 54, "S1.": 40, "S2.": 23, "S3.": 27, "S4.": 45, J: 27 };
const CODE = String.raw`(?:S[0-4]\.|J)\d+`;

/** The cells of each row of the page, by its code. */
const rows = [...readPage(PAGE).matchAll(new RegExp(`^\\| (${CODE}) +\\| (.+?) +\\| (.+?) +\\|$`, "gm"))].map(
  ([, code, asked, carried]) => ({ code: code!, asked: asked!, carried: carried! }),
);

const sources = ["test", "native/test"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|cc)$/.test(name))
    .map((name) => ({ file: `${folder}/${name}`, text: readFileSync(join(root, folder, name), "utf8") })),
);

/** The titles of tests that end with codes: (S0.31), or (S0.31, S0.39). */
const coded = sources.flatMap(({ file, text }) =>
  [...text.matchAll(new RegExp(`"([^"\n]+) \\((${CODE}(?:, ${CODE})*)\\)"`, "g"))].flatMap(
    ([, title, codes]) => codes!.split(", ").map((code) => ({ file, title: title!, code })),
  ),
);

describe("docs/requirements.md", () => {
  it("has each row once, and says something in each", () => {
    const expected = Object.entries(PARTS).flatMap(([part, count]) =>
      Array.from({ length: count }, (_, i) => `${part}${i + 1}`),
    );
    expect(rows.map(({ code }) => code)).toEqual(expected);
  });

  it("names tests that exist, by their titles", () => {
    const wrong = quotesIn(PAGE).flatMap(({ file, titles }) => {
      const source = sources.find((one) => one.file === file);
      if (source === undefined) return [file];
      return titles.filter((title) => !source.text.includes(title)).map((title) => `${file}: “${title}”`);
    });
    expect(wrong).toEqual([]);
    expect(quotesIn(PAGE).length).toBeGreaterThan(100);
  });

  it("has a test, a page, or a reason in each row", () => {
    const empty = rows.filter(
      ({ carried }) => !/^(not yet: .|out of scope: .|as S\d|.*\]\()/.test(carried) && carried.length > 0,
    );
    expect(empty).toEqual([]);
  });

  it("quotes each test whose title ends with the code of a row, in that row", () => {
    expect(coded.length).toBeGreaterThan(60);
    const missing = coded.filter(({ file, title, code }) => {
      const row = rows.find((one) => one.code === code);
      const quotes = quotesIn(PAGE, row?.carried ?? "").filter((quote) => quote.file === file);
      return !quotes.some(({ titles }) => titles.includes(title));
    });
    expect(missing).toEqual([]);
  });
});

describe("the title of a test", () => {
  it("has the codes of rows at its end only", () => {
    const atEnd = new RegExp(` \\(${CODE}(?:, ${CODE})*\\)"`, "g");
    const inTitle = new RegExp(`^ *(?:(?:it|test|describe|const Case)\\b.*)?"[^"]*\\b${CODE}\\b.*`, "gm");
    const wrong = sources.flatMap(({ file, text }) =>
      [...text.replace(atEnd, '"').matchAll(inTitle)].map(([line]) => `${file}: ${line.trim()}`),
    );
    expect(wrong).toEqual([]);
  });
});
