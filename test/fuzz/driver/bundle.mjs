// Makes one file of a target and of all of lib/ that it needs, with or without counters in what comes from lib/. In it the clock of the
// library is virtual-clock.ts, so that an input does the same each time.
import { readFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";
import { instrument } from "./instrument.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..", "..");
const lib = join(root, "lib") + sep;
const CLOCK = join(lib, "clock.ts");

/** The file of a target. */
export function targetFile(name) {
  return join(here, "..", "targets", `${name}.ts`);
}

/** Bundles a target to `outfile`, a module. With `counters` (instrument.mjs) what comes from lib/ counts there. */
export async function bundle(name, outfile, counters) {
  await build({
    entryPoints: [targetFile(name)],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    packages: "external",
    logLevel: "warning",
    plugins: [virtualClock, ...(counters === undefined ? [] : [counting(counters)])],
  });
}

const virtualClock = {
  name: "virtual clock",
  setup(build) {
    build.onResolve({ filter: /(^|\/)clock\.js$/ }, ({ path, resolveDir }) => {
      if (join(resolveDir, path.replace(/\.js$/, ".ts")) !== CLOCK) return undefined;
      return { path: join(here, "virtual-clock.ts") };
    });
  },
};

function counting(counters) {
  return {
    name: "counters",
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (!path.startsWith(lib)) return undefined;
        const { code } = await transform(readFileSync(path, "utf8"), { loader: "ts", target: "node20.19" });
        return { contents: instrument(code, counters), loader: "js" };
      });
    },
  };
}
