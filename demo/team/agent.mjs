// An agent: a process that serves tasks. The orchestrator starts it, and it ends with the orchestrator.
//
//     node demo/team/agent.mjs        (by spawnService, which says where to listen)

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { opendir, stat } from "node:fs/promises";
import { join } from "node:path";
import { serve } from "../../dist/rpc/index.js";
import { agent } from "./contract.mjs";

/** So many candidates between two looks at `call.cancelled`. */
const LOOK = 1000;
/** So many candidates between two reports. */
const REPORT = 200_000;
const SKIPPED = new Set(["node_modules", ".git", "dist", "build"]);

await serve(agent, {
  hash({ path }) {
    const content = readFileSync(path);
    return { bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") };
  },

  words({ path }) {
    const text = readFileSync(path, "utf8");
    return { lines: text.split("\n").length, words: text.match(/\p{L}+/gu)?.length ?? 0 };
  },

  symbols({ path }) {
    const found = readFileSync(path, "utf8").matchAll(
      /^export (?:async )?(?:function\*?|class|const) (\w+)/gm,
    );
    return [...found].map(([, name]) => name);
  },

  primes({ below }, call) {
    let count = below > 2 ? 1 : 0;
    for (let candidate = 3; candidate < below; candidate += 2) {
      if (isPrime(candidate)) count++;
      // A cancel shows here though the event loop does not run: it is a word in shared memory.
      if (candidate % LOOK === 1 && call.cancelled) return count;
      if (candidate % REPORT === 1) void call.progress(candidate / below);
    }
    return count;
  },

  async *walk({ directory, most }) {
    let left = most;
    for await (const path of filesIn(directory)) {
      if (left-- === 0) return;
      yield { path, bytes: (await stat(path)).size };
    }
  },
});

function isPrime(candidate) {
  for (let divisor = 3; divisor * divisor <= candidate; divisor += 2)
    if (candidate % divisor === 0) return false;
  return true;
}

async function* filesIn(directory) {
  for await (const entry of await opendir(directory)) {
    const path = join(directory, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) yield* filesIn(path);
    else if (entry.isFile()) yield path;
  }
}
