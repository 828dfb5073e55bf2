import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../native/search.js";

/** Returns the package's own directory. */
export function packageDirectory(): string {
  const root = packageRoot();
  if (root === undefined) throw new Error("the package.json of ringbell is not above its files");
  return root;
}

/** Returns the package's version, such as `1.2.3`. */
export function packageVersion(): string {
  const text = readFileSync(join(packageDirectory(), "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
