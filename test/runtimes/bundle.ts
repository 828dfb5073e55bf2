import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

/** Each module knows the place of its source, where the programs lie that a test starts. */
const places: Plugin = {
  name: "places of the sources",
  setup({ onLoad }) {
    onLoad({ filter: /\/(test|lib)\/.*\.ts$/ }, ({ path }) => {
      const url = JSON.stringify(pathToFileURL(path).href);
      return { loader: "ts", contents: readFileSync(path, "utf8").replaceAll("import.meta.url", url) };
    });
  },
};

/**
 * Makes one file of test files and all that they need. It runs them in any runtime, and prints a line of JSON for each test: `name`,
 * `state`, `errors`; at the end `total`, and errors outside of tests.
 */
export async function bundleSuites(files: readonly string[], outfile: string): Promise<void> {
  const imports = files.map(
    (file) => `${JSON.stringify(file)}: () => import(${JSON.stringify(`./${file}`)})`,
  );
  await build({
    stdin: {
      contents: `import { runSuites } from ${JSON.stringify(here("run-suites.ts"))};
        await runSuites({ ${imports.join(", ")} });`,
      resolveDir: root,
      loader: "js",
    },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "es2023",
    outfile,
    logLevel: "error",
    alias: { vitest: here("vitest.ts"), ringbell: join(root, "lib", "index.ts") },
    plugins: [places],
  });
}
