// Builds dist/ from lib/, and takes out of dist/ what no file of lib/ makes any more.
//
// tsc checks the types, and makes a module of each file, for tests of single modules in other processes. Then esbuild puts the modules
// of each entry into one file, and what several entries need into dist/chunks: a cold process reads three files and not 120. The package
// has the entries, their chunks and the types.
//
//   node scripts/build-ts.mjs [--if-stale]     --if-stale: only if a file of dist/ is missing, older than its source, or too many
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** What programs import or start, without the extension. */
const ENTRIES = [
  "index",
  "rpc/index",
  "mailbox/index",
  "mcp/index",
  "vscode-jsonrpc/index",
  "acp/index",
  "session/index",
  "bridge/index",
  "cli/main",
];

/** What pages import. */
const BROWSER = join("browser", "index.ts");
/** The page of `ringbell top --page`: its script becomes one file, and the others are copied. */
const PAGE = join("cli", "top", "page");

/** The paths of all files in a folder, without the folder; none if it is not there. */
function filesIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

const stem = (file) => file.replace(/(\.d)?\.[jt]s$/, "");
const written = (...path) => statSync(join(...path), { throwIfNoEntry: false })?.mtimeMs;

function orphans(sources) {
  const stems = new Set(sources.map(stem));
  return filesIn("dist").filter(
    (file) => !file.startsWith("chunks/") && !file.startsWith(PAGE) && !stems.has(stem(file)),
  );
}

function isStale(sources) {
  const settings = written("tsconfig.json");
  const newest = (file) => Math.max(written("lib", file), settings);
  const outputs = (file) => [`${stem(file)}.js`, `${stem(file)}.d.ts`];
  const pages = filesIn(join("lib", PAGE)).map((file) => join(PAGE, file));
  if (pages.some((file) => (written("dist", file) ?? 0) < written("lib", file))) return true;
  return sources.some((file) =>
    outputs(file).some((output) => (written("dist", output) ?? 0) < newest(file)),
  );
}

const sources = filesIn("lib").filter((file) => file.endsWith(".ts"));
for (const file of orphans(sources)) rmSync(join("dist", file));
if (!process.argv.includes("--if-stale") || isStale(sources)) {
  const compiler = join(
    dirname(createRequire(import.meta.url).resolve("typescript/package.json")),
    "bin",
    "tsc",
  );
  const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.json"], { stdio: "inherit" });
  process.exitCode = status ?? 1;
  if (status === 0) await bundle(sources);
}

/** Replaces the entries in dist/ by files that need no other module but chunks. The text stays as readable as that of the modules. */
async function bundle(sources) {
  const { build } = await import("esbuild");
  rmSync(join("dist", "chunks"), { recursive: true, force: true });
  await build({
    entryPoints: ENTRIES.map((entry) => `${entry}.ts`)
      .filter((file) => sources.includes(file))
      .map((file) => join("lib", file)),
    outdir: "dist",
    outbase: "lib",
    chunkNames: "chunks/[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    packages: "external",
    logLevel: "warning",
  });
  // Browsers get one file, without chunks that are shared with what runs in Node.
  if (!sources.includes(BROWSER)) return;
  const forPages = {
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    logLevel: "warning",
  };
  await build({
    ...forPages,
    entryPoints: [join("lib", BROWSER)],
    outfile: join("dist", "browser", "index.js"),
  });
  await build({
    ...forPages,
    entryPoints: filesIn(join("lib", PAGE)).map((file) => join("lib", PAGE, file)),
    outdir: join("dist", PAGE),
    loader: { ".html": "copy", ".css": "copy" },
  });
}
