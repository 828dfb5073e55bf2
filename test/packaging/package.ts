import { copyFileSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { libc, target } from "../../lib/native/search.js";
import { scratchDirectory } from "../transport/scratch.js";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const built = join(root, "build", "Release", "ringbell.node");
export const prebuilt = libc() === undefined ? "ringbell.node" : `ringbell.${libc()}.node`;
/** The place of this machine's addon in a package. */
export const inPackage = join("prebuilds", target(), prebuilt);

/** A folder with files: `undefined` stands for the addon, a string for what is no addon. */
export function folderWith(files: Record<string, string | undefined>): string {
  const folder = scratchDirectory();
  for (const [file, text] of Object.entries(files)) {
    const path = join(folder, file);
    mkdirSync(dirname(path), { recursive: true });
    if (text === undefined) copyFileSync(built, path);
    else writeFileSync(path, text);
  }
  return folder;
}

/** The package as it is installed: dist/ and package.json, and what else is given. */
export function installed(
  files: Record<string, string | undefined> = {},
  folder = folderWith(files),
): string {
  cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true });
  copyFileSync(join(root, "package.json"), join(folder, "package.json"));
  return folder;
}
