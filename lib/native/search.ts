import { readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/*
 * The files in which the addon may be, in the order in which they are tried. Nothing here is loaded, and nothing is thrown:
 * a bundler may have put this module anywhere.
 */

/** The path that the program or the environment gives: a `.node` file, or a folder with such files. */
export interface GivenPath {
  /** The name of the option or variable that gave it. */
  readonly source: string;
  /** Absolute. */
  readonly path: string;
}

/** The place of a search, for the text of an error. */
export type Place =
  | { readonly kind: "given"; readonly given: GivenPath }
  /** The package itself. A checkout has the sources from which `npm run build` makes the addon. */
  | { readonly kind: "package"; readonly root: string; readonly checkout: boolean }
  /** A bundle: no package of ours is around this module. `folders` are those of the bundle. */
  | { readonly kind: "bundle"; readonly folders: readonly string[] };

export interface Search {
  readonly place: Place;
  /** Absolute paths, the first to be tried first. */
  readonly files: readonly string[];
}

/** Returns where the addon is looked for. An option goes before the environment. */
export function searchFor(option: string | undefined): Search {
  const given = givenPath(option);
  if (given !== undefined) return { place: { kind: "given", given }, files: filesOf(given.path) };
  const root = packageRoot();
  if (root !== undefined) {
    const checkout = isThere(join(root, "lib", "native"));
    return { place: { kind: "package", root, checkout }, files: filesInPackage(root) };
  }
  const folders = ownFolders();
  return { place: { kind: "bundle", folders }, files: [...new Set(folders.flatMap(filesInFolder))] };
}

function givenPath(option: string | undefined): GivenPath | undefined {
  if (option !== undefined) return { source: "options.addon", path: resolve(option) };
  for (const source of ["RINGBELL_ADDON", "RINGBELL_PREBUILD"]) {
    const value = process.env[source];
    if (value) return { source, path: resolve(value) };
  }
  return undefined;
}

/** A path that can't be seen counts as a file: loading it says why. */
function filesOf(path: string): string[] {
  try {
    return statSync(path).isDirectory() ? filesInFolder(path) : [path];
  } catch {
    return [path];
  }
}

function filesInPackage(folder: string): string[] {
  return [join(folder, "build", "Release", BUILT), join(folder, "prebuilds", target(), prebuilt())];
}

/** A folder that somebody names, or that of a bundle: it may be a package, its prebuilds/, or hold the file itself. */
function filesInFolder(folder: string): string[] {
  const itself = new Set([join(target(), prebuilt()), prebuilt(), BUILT]);
  return [...filesInPackage(folder), ...[...itself].map((file) => join(folder, file))];
}

/** The file that `npm run build` makes. */
const BUILT = "ringbell.node";

/** Returns the name of the file for this machine in prebuilds/. */
function prebuilt(): string {
  const family = libc();
  return family === undefined ? "ringbell.node" : `ringbell.${family}.node`;
}

/** Returns the name of the folder in prebuilds/, such as `linux-x64`. */
export function target(): string {
  return `${process.platform}-${process.arch}`;
}

/** Returns the directory of the package, that with package.json. Undefined where a bundler took this module out of it. */
export function packageRoot(): string | undefined {
  // This module lies in lib/native, or in a file of dist/.
  for (const folder of ownFolders()) {
    for (let directory = folder; ; directory = dirname(directory)) {
      if (isOurs(join(directory, "package.json"))) return directory;
      if (dirname(directory) === directory) break;
    }
  }
  return undefined;
}

/** Whether the file is the package.json of this library. That of a program around a bundle is not. */
function isOurs(path: string): boolean {
  try {
    const { name } = JSON.parse(readFileSync(path, "utf8")) as { name?: unknown };
    return typeof name === "string" && /^(@[^/]+\/)?ringbell$/.test(name);
  } catch {
    return false;
  }
}

/**
 * Returns the folders of the file that this module is in. A bundler may make `import.meta.url` undefined, or the path that the module
 * had when it was bundled. The bundle is CommonJS then, and has a `__dirname`.
 */
function ownFolders(): string[] {
  const url = import.meta.url as string | undefined;
  const folders = url?.startsWith("file:") === true ? [dirname(fileURLToPath(url))] : [];
  if (typeof __dirname === "string") folders.push(__dirname);
  return folders;
}

let family: "glibc" | "musl" | undefined;

/** Returns `glibc` or `musl` on Linux, else undefined. */
export function libc(): "glibc" | "musl" | undefined {
  if (process.platform !== "linux") return undefined;
  family ??= findLibc();
  return family;
}

/** The maps name the library that this process runs on, whatever else is installed. Node's own report is some milliseconds slower. */
function findLibc(): "glibc" | "musl" {
  try {
    return /\/(ld-musl-|libc\.musl-)/.test(readFileSync("/proc/self/maps", "utf8")) ? "musl" : "glibc";
  } catch {
    return reportsGlibc() ? "glibc" : "musl";
  }
}

/** The way without files, for Node's permission model. */
function reportsGlibc(): boolean {
  const report = process.report as (typeof process.report & { excludeNetwork?: boolean }) | undefined;
  // Without this switch the report looks up the names of all peers, which may take seconds.
  if (report?.excludeNetwork === undefined) return true;
  const before = report.excludeNetwork;
  report.excludeNetwork = true;
  try {
    const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
    return header.glibcVersionRuntime !== undefined;
  } finally {
    report.excludeNetwork = before;
  }
}

export function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}
