// Runs the cases of the contract over SQLite, in a Node that has it: node run.ts DIRECTORY [TITLE]. Prints a line of JSON for each.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Case } from "./cases.js";

const sibling = (path: string) => new URL(path, import.meta.url).href;
const { cases } = (await import(sibling("./cases.ts"))) as { cases: Record<string, Case> };
const { localCases } = (await import(sibling("./local-cases.ts"))) as { localCases: Record<string, Case> };
const { stage } = (await import(sibling("./stage.ts"))) as typeof import("./stage.js");
const library = (await import(
  sibling("../../../dist/mailbox/index.js")
)) as typeof import("ringbell/mailbox");

const [, , directory, only] = process.argv;
for (const [at, [title, run]] of Object.entries({ ...cases, ...localCases }).entries()) {
  if (only !== undefined && only !== title) continue;
  const place = join(directory!, String(at));
  mkdirSync(place);
  const { end, ...actors } = stage(library.mailboxes, { directory: place });
  let error: string | undefined;
  try {
    await run(actors);
  } catch (thrown) {
    error = String((thrown as Error).stack);
  }
  await end();
  process.stdout.write(`${JSON.stringify({ title, error })}\n`);
}
