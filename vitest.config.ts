import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { alias: { ringbell: new URL("./dist/index.js", import.meta.url).pathname } },
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
