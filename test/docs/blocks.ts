import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./workshop.js";

/**
 * Code in the documentation is tried out. Before each block marked js or ts stands a comment that says how:
 *
 *     <!-- file: examples/hello.mjs -->     the block is that file, but for the comment at its head
 *     <!-- prints                           the block is a whole program, and prints these lines
 *     Hello, world!                         ("…" stands for anything)
 *     -->
 *     <!-- checked -->                      the block is a part of one; only its types are checked, with the
 *                                           names of `prelude` declared
 */
export interface Block {
  /** Such as `README.md:17`. */
  readonly place: string;
  readonly language: "js" | "ts";
  readonly code: string;
  /** What the comment before it says; undefined if there is none. */
  readonly comment: string | undefined;
}

/** The pages of the documentation, as paths from the root. */
export const pages = [
  "README.md",
  "CHANGELOG.md",
  "SECURITY.md",
  ...readdirSync(join(root, "docs"))
    .filter((file) => file.endsWith(".md"))
    .map((file) => `docs/${file}`),
];

export function readPage(page: string): string {
  return readFileSync(join(root, page), "utf8");
}

export function blocksOf(page: string): Block[] {
  const lines = readPage(page).split("\n");
  const blocks: Block[] = [];
  for (let i = 0; i < lines.length; i++) {
    const fence = /^```(\w*)/.exec(lines[i]!);
    if (fence === null) continue;
    const start = i;
    for (i += 1; i < lines.length && lines[i] !== "```"; i++);
    const language = { js: "js", javascript: "js", mjs: "js", ts: "ts", typescript: "ts" }[fence[1]!];
    if (language === undefined) continue;
    blocks.push({
      place: `${page}:${start + 1}`,
      language: language as "js" | "ts",
      code: `${lines.slice(start + 1, i).join("\n")}\n`,
      comment: commentBefore(lines, start),
    });
  }
  return blocks;
}

function commentBefore(lines: readonly string[], fence: number): string | undefined {
  if (!lines[fence - 1]?.endsWith("-->")) return undefined;
  let first = fence - 1;
  while (first > 0 && !lines[first]!.startsWith("<!--")) first -= 1;
  return lines
    .slice(first, fence)
    .join("\n")
    .replace(/^<!--\s*|\s*-->$/g, "");
}

/** The comment at the head of an example: how it is started, and what it prints. */
export function headOf(source: string): { usage: string; prints: string[]; code: string } {
  const lines = source.split("\n");
  const length = lines.findIndex((line) => !line.startsWith("//"));
  const head = lines.slice(0, length).map((line) => line.slice(2));
  const printsAt = head.indexOf(" Prints:");
  const before = printsAt < 0 ? head : head.slice(0, printsAt);
  return {
    usage: before
      .filter((line) => line.startsWith("   "))
      .map((line) => line.trim())
      .join("\n"),
    prints: printsAt < 0 ? [] : head.slice(printsAt + 1).map((line) => line.slice(3)),
    code: lines.slice(length).join("\n").replace(/^\n+/, ""),
  };
}
