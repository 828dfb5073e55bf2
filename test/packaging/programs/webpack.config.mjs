// A program of ES modules, for which the addon lies in prebuilds/ beside it: see docs/bundlers.md.
export default {
  mode: "production",
  target: "node20",
  entry: "./app.mjs",
  experiments: { outputModule: true },
  output: { filename: "app.mjs", module: true, chunkFormat: "module" },
  module: { parser: { javascript: { importMeta: false } } },
};
