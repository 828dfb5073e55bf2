import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { mailboxes } from "ringbell/mailbox";
import { afterAll, beforeAll, describe, it } from "vitest";
import { scratchDirectory } from "../transport/scratch.js";
import { cases } from "./contract/cases.js";
import { localCases } from "./contract/local-cases.js";
import { stage } from "./contract/stage.js";
import { sqliteNode } from "./setup.js";

const all = { ...cases, ...localCases };

describe("mailboxes in memory", () => {
  it.each(Object.keys(all))("%s", async (title) => {
    const { end, ...actors } = stage(mailboxes, { directory: scratchDirectory(), store: "memory" });
    try {
      await all[title]!(actors);
    } finally {
      await end();
    }
  });
});

describe("mailboxes in SQLite", () => {
  let directory: string;
  const results = new Map<string, string | undefined>();
  let output = "";

  // One process runs all cases: a Node that has SQLite.
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "ringbell-mail-"));
    const program = fileURLToPath(new URL("./contract/run.ts", import.meta.url));
    const child = spawn(sqliteNode(), [program, directory], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NODE_NO_WARNINGS: "1" },
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      const { title, error } = JSON.parse(line) as { title: string; error?: string };
      results.set(title, error);
    });
    await once(child, "close");
  }, 120_000);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it.each(Object.keys(all))("%s", (title) => {
    if (!results.has(title)) throw new Error(`the case did not run: ${output}`);
    const error = results.get(title);
    if (error !== undefined) throw new Error(error);
  });
});
