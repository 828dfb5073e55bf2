import { spawn } from "node:child_process";
import { text as textOf } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import type { Item } from "ringbell/session";
import { describe, expect, it } from "vitest";
import type { SessionInterface } from "../../lib/session/carrier.js";
import { itemOf } from "../../lib/session/item.js";
import { Session } from "../../lib/session/session.js";
import { children } from "../cleanup.js";
import { sqliteNode } from "../sqlite-node.js";
import { run, steps } from "./programs/model.mjs";
import { isGapFree, privateDirectory, serving, take } from "./setup.js";

/** Without the warning that SQLite is an experiment of Node's. */
const quiet = { ...process.env, NODE_NO_WARNINGS: "1" };

describe("whatever is appended, attached, dropped, read slowly and started again", () => {
  it.each([true, false])(
    "an interface has seen a snapshot and a suffix without gap (snapshots: %s) (S4.39, S4.3)",
    async (hasSnapshot) => {
      const open = (options: object) => ({ session: new Session(options), kill() {} });
      await fc.assert(
        fc.asyncProperty(steps(fc), (list: readonly unknown[]) => run({ open, itemOf, hasSnapshot }, list)),
        { numRuns: 2000 },
      );
    },
  );

  it.each([true, false])(
    "holds over a store, from which the next process goes on by the same cursors (snapshots: %s) (S1.4, S4.39)",
    async (hasSnapshot) => {
      const program = fileURLToPath(new URL("./programs/model-stored.mjs", import.meta.url));
      const args = [program, privateDirectory(), String(hasSnapshot), "80"];
      const child = spawn(sqliteNode(), args, { stdio: ["ignore", "pipe", "pipe"], env: quiet });
      children.push(child);
      const [output, error] = await Promise.all([textOf(child.stdout), textOf(child.stderr)]);
      expect(error).toBe("");
      expect(output).toBe("ok\n");
    },
  );

  it("holds over a channel, with connections that are cut while events come", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 10, maxLength: 40 }),
        async (steps) => {
          let count = 0;
          const { session, attached } = await serving<number, number>({
            snapshot: () => count,
            log: { maxEvents: 30 },
          });
          const ui = await attached({ reconnect: { minDelay: 1, maxDelay: 5 } });
          const seen: Item[] = [];
          for (const one of steps) {
            if (one === 0) {
              for (const { carrier } of session.interfaces as unknown as Set<SessionInterface>)
                void carrier.close(0);
            } else if (one < 6) for (let n = 0; n < one * one; n++) session.append(++count);
            else if (session.log.last > (seen.at(-1)?.sequence ?? -1)) seen.push(...(await take(ui, 1)));
          }
          session.append(++count);
          seen.push(...(await take(ui, (item) => item.sequence === count)));
          expect(isGapFree(seen)).toBe(true);
          for (const item of seen)
            expect(item.type === "event" ? item.event : (item as { snapshot: number }).snapshot).toBe(
              item.sequence,
            );
          await ui.close();
          await session.close();
        },
      ),
      { numRuns: 30 },
    );
  });
});
