import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Returns the package's own directory. */
export function packageDirectory(): string {
  return fileURLToPath(new URL("../..", import.meta.url));
}

/** Returns the package's version, such as `1.2.3`. */
export function packageVersion(): string {
  const path = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}
