import { cpSync, existsSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const modules = fileURLToPath(new URL("../../bench/node_modules", import.meta.url));

/** The script of a package in bench/. Throws where it is not installed. */
function script(path: string): string {
  const file = join(modules, path);
  if (existsSync(file)) return file;
  throw new Error(`${file} is missing: run npm ci --prefix bench`);
}

/** Programs of others, as commands. */
export const everything = () => [
  process.execPath,
  script("@modelcontextprotocol/server-everything/dist/index.js"),
];
export const filesystem = (...directories: string[]) => [
  process.execPath,
  script("@modelcontextprotocol/server-filesystem/dist/index.js"),
  ...directories,
];
/**
 * The command line of MCP's inspector. By itself its package is not complete: it expects to lie in the folder `cli` of another one, which
 * would bring the whole inspector. Here that is a directory with a package.json.
 */
export function inspector(directory: string): string[] {
  const cli = dirname(dirname(script("@modelcontextprotocol/inspector-cli/build/cli.js")));
  cpSync(cli, join(directory, "cli"), { recursive: true });
  symlinkSync(modules, join(directory, "node_modules"));
  writeFileSync(join(directory, "package.json"), '{ "name": "inspector", "version": "1.0.3" }');
  return [process.execPath, join(directory, "cli/build/cli.js"), "--cli"];
}
export const jsonLanguageServer = () => [
  process.execPath,
  script("vscode-json-languageserver/bin/vscode-json-languageserver"),
  "--stdio",
];
export const bashLanguageServer = () => [
  process.execPath,
  script("bash-language-server/out/cli.js"),
  "start",
];
