// The model over a store, by a Node that has SQLite. Prints "ok".
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { itemOf } from "../../../dist/session/item.js";
import { Session } from "../../../dist/session/session.js";
import { sessionSettings } from "../../../dist/session/settings.js";
import { openJournal } from "../../../dist/session/store/open-journal.js";
import { run, steps } from "./model.mjs";

const [, , directory, hasSnapshot, runs] = process.argv;

await fc.assert(
  fc.asyncProperty(steps(fc), async (list) => {
    const folder = mkdtempSync(join(directory, "model-"));
    const store = join(folder, "session.db");
    const opening = await openJournal(sessionSettings({ log: { store } }));
    const open = (options) => {
      const settings = sessionSettings({ ...options, log: { ...options.log, store } });
      const { journal, log } = opening(settings);
      const session = Session.of({}, { settings, journal, log });
      return { session, kill: () => journal.abandon() };
    };
    await run({ open, itemOf, hasSnapshot: hasSnapshot === "true" }, list);
    rmSync(folder, { recursive: true });
  }),
  { numRuns: Number(runs) },
);
console.log("ok");
