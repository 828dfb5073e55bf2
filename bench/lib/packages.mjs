import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const { resolve } = createRequire(new URL("../package.json", import.meta.url));

/**
 * The versions of the packages that contenders need, as far as they are installed.
 * @param {readonly import("./contender.mjs").Contender[]} contenders
 * @returns {Record<string, string>}
 */
export function packageVersions(contenders) {
  const names = [...new Set(contenders.flatMap(({ packages = [] }) => packages))].sort();
  return Object.fromEntries(
    names.flatMap((name) => {
      const version = installedVersion(name);
      return version === undefined ? [] : [[name, version]];
    }),
  );
}

/** Without asking the package: not all let their package.json be required. @param {string} name */
function installedVersion(name) {
  for (const folder of resolve.paths(name) ?? []) {
    try {
      return /** @type {string} */ (
        JSON.parse(readFileSync(join(folder, name, "package.json"), "utf8")).version
      );
    } catch {
      // Not in this one.
    }
  }
  return undefined;
}
