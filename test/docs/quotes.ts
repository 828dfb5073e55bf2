import { dirname, join, normalize } from "node:path";
import { readPage } from "./blocks.js";

/** A page that names a test by a link to its file, and after it the titles between “ and ”. */
export interface Quote {
  /** The path of the test, from the root. */
  readonly file: string;
  readonly titles: readonly string[];
}

/** The links to tests in a text of the page, as [`file`](path) “title” “title”. */
export function quotesIn(page: string, text = readPage(page)): Quote[] {
  const mentioned = text.matchAll(/\[`[^`]+`\]\(([^)]+)\)((?:,? “[^”]+”)*)/g);
  return [...mentioned]
    .map(([, path, titles]) => ({
      file: normalize(join(dirname(page), path!)),
      titles: [...titles!.matchAll(/“([^”]+)”/g)].map(([, title]) => title!),
    }))
    .filter(({ file }) => /^(native\/)?test\//.test(file));
}
