import { readdirSync } from "node:fs";
import { join } from "node:path";
import { libc, type Place, target } from "./search.js";

/** A file that was tried, and why it is not the addon. */
export interface Attempt {
  readonly path: string;
  readonly error: NodeJS.ErrnoException;
}

/** Makes the text of the AddonError: the machine, each file that was tried with the reason, and what helps there. */
export function explain(place: Place, attempts: readonly Attempt[]): string {
  const family = libc();
  const machine = `${target()}${family === undefined ? "" : ` (${family})`}`;
  return [
    `the addon could not be loaded on ${machine}, Node ${process.versions.node} (Node-API ${process.versions.napi}).`,
    "Tried:",
    ...attempts.map(({ path, error }) => `- ${path}: ${reasonOf(path, error)}`),
    `Mend: ${forbidden(attempts) ?? mendIn(place)}`,
    'Or do without: { transport: "stream" } uses the socket alone, and "auto" falls back to it.',
  ].join("\n");
}

function reasonOf(path: string, { code, message }: NodeJS.ErrnoException): string {
  if (code === "ENOENT") return "no such file";
  const line = message.split("\n")[0]!;
  return line.startsWith(`${path}: `) ? line.slice(path.length + 2) : line;
}

/** Returns the flag of Node that helps, where Node itself refuses to load any addon. */
function forbidden(attempts: readonly Attempt[]): string | undefined {
  if (attempts.every(({ error }) => error.code !== "ERR_DLOPEN_DISABLED")) return undefined;
  const flag = "--no-addons";
  const off = process.execArgv.includes(flag) || (process.env.NODE_OPTIONS ?? "").split(/\s+/).includes(flag);
  if (off) return `start Node without ${flag}.`;
  return "start Node with --allow-addons beside the flag of its permission model.";
}

const ELSEWHERE =
  "run `npx ringbell build-addon`, or give the path of one by the option `addon` or by RINGBELL_ADDON.";

function mendIn(place: Place): string {
  switch (place.kind) {
    case "given":
      return `correct ${place.given.source}, which is ${place.given.path}, or leave it out.`;
    case "package":
      if (place.checkout) return `run \`npm run build\` in ${place.root}.`;
      return `the package in ${place.root} has addons for ${prebuilt(place.root)}. For this machine ${ELSEWHERE}`;
    case "bundle":
      return (
        "a bundler has taken the library out of its package. Copy the folder prebuilds/ of the package beside the bundle, or " +
        "give the path of the .node file by the option `addon` or by RINGBELL_ADDON (docs/bundlers.md)."
      );
  }
}

/** Returns the addons that the package has, such as `linux-x64 (ringbell.glibc.node)`. */
function prebuilt(root: string): string {
  try {
    const folder = join(root, "prebuilds");
    const targets = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const names = targets.map(({ name }) => {
      const files = readdirSync(join(folder, name)).filter((file) => file.endsWith(".node"));
      return `${name} (${files.join(", ")})`;
    });
    return names.length === 0 ? "no target" : names.sort().join(", ");
  } catch {
    return "no target";
  }
}
