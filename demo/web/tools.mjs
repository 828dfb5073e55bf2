// The tools: a process that reads files of this checkout for the agent.

import { createHash } from "node:crypto";
import { opendir, readFile, stat } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { CallError, INVALID_PARAMS, serve } from "../../dist/rpc/index.js";
import { tools } from "./contract.mjs";
import { endWithLauncher, place } from "./process.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const service = await serve(
  tools,
  {
    async *list({ directory }) {
      for await (const path of filesIn(inside(directory)))
        yield { path: relative(ROOT, path), bytes: (await stat(path)).size };
    },
    hash: async ({ path }) =>
      createHash("sha256")
        .update(await readFile(inside(path)))
        .digest("hex"),
    ping: () => "pong",
  },
  place,
);
endWithLauncher(() => service.close());

/** The path of a file of the checkout. Others are none of the agent's business. */
function inside(path) {
  const found = resolve(ROOT, path);
  if (!`${found}${sep}`.startsWith(ROOT))
    throw new CallError(INVALID_PARAMS, `${path} is not in the checkout`);
  return found;
}

async function* filesIn(directory) {
  for await (const entry of await opendir(directory)) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* filesIn(path);
    else if (entry.isFile()) yield path;
  }
}
