import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { type Block, blocksOf, headOf, pages, readPage } from "./blocks.js";
import { expectLines, root, run, tsc, workshop } from "./workshop.js";

const blocks = pages.flatMap(blocksOf);

/** What parts of programs in the documentation may take for granted. */
const prelude = `
import type { Channel, Server } from "ringbell";
declare global {
  const channel: Channel<any>;
  const server: Server<Channel<any>>;
  const signal: AbortSignal;
  function answer(question: any): Promise<any>;
}
`;

function marked(kind: RegExp): Block[] {
  return blocks.filter((block) => kind.test(block.comment ?? ""));
}

describe("code in the documentation", () => {
  it("always says how it is tried out", () => {
    const kinds = /^(file: |prints\n|checked$)/;
    expect(blocks.filter(({ comment }) => !kinds.test(comment ?? "")).map(({ place }) => place)).toEqual([]);
    expect(blocks).not.toEqual([]);
  });

  it.each(marked(/^file: /))("at $place is the example that it says it is", ({ comment, code }) => {
    const path = comment!.slice("file: ".length);
    expect(code).toBe(headOf(readFileSync(join(root, path), "utf8")).code);
  });

  it.each(marked(/^prints\n/))("at $place runs, and prints what it says", async (block) => {
    const directory = workshop();
    const source = join(directory, `block.${block.language}`);
    writeFileSync(source, block.code);
    if (block.language === "ts") await tsc(directory, [source]);
    expectLines(await run(join(directory, "block.js")), block.comment!.split("\n").slice(1));
  });

  it("has the right types where it is a part of a program", async () => {
    const directory = workshop();
    writeFileSync(join(directory, "prelude.ts"), prelude);
    const files = marked(/^checked$/).map(({ place, language, code }) => {
      const file = `${place.replace(/[^\w]+/g, "-")}.${language}`;
      writeFileSync(join(directory, file), `${code}\nexport {};\n`);
      return file;
    });
    const javascript = ["--allowJs", "--checkJs", "--noImplicitAny", "false"];
    await tsc(directory, ["--noEmit", ...javascript, "prelude.ts", ...files]);
  });
});

describe("the pages of the documentation", () => {
  it("link to what is there", () => {
    const broken: string[] = [];
    for (const page of pages) {
      const prose = readPage(page).replace(/^```[\s\S]*?^```$/gm, "");
      for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target!)) continue;
        const [path, anchor] = target!.split("#");
        const file = path === "" ? page : normalize(join(dirname(page), path!));
        const found =
          existsSync(join(root, file)) &&
          (anchor === undefined || !file.endsWith(".md") || anchors(file).includes(anchor));
        if (!found) broken.push(`${page}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });
});

/** The anchors of a page's headings. */
function anchors(page: string): string[] {
  return [...readPage(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-"),
  );
}
