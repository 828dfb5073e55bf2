import { program } from "../scripts/runtimes.mjs";

/** A version of Node that has SQLite. The tests of the store on a file run it, whichever version runs the tests. */
const NODE_WITH_SQLITE = "24.22.3";

/** The path of a Node that has SQLite: this one if it does, else one that npm carries. */
export function sqliteNode(): string {
  const builtins = process as unknown as { getBuiltinModule?(id: string): unknown };
  if (builtins.getBuiltinModule?.("node:sqlite") !== undefined) return process.execPath;
  return program(`node-${process.platform}-${process.arch}`, NODE_WITH_SQLITE, "bin/node");
}
