import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../native/load.js";

/** Returns the package's own directory. */
export function packageDirectory(): string {
  return packageRoot();
}

/** Returns the package's version, such as `1.2.3`. */
export function packageVersion(): string {
  const text = readFileSync(join(packageRoot(), "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
