import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { pinned } from "../lib/cores.mjs";
import { End } from "../lib/end.mjs";
import { median } from "../lib/stats.mjs";

const MAIN = fileURLToPath(new URL("./cold-main.mjs", import.meta.url));
const SERVER = new URL("../contenders/ringbell-loop.mjs", import.meta.url).href;

/** Processes of a round, one after the other. */
const PROCESSES = 3;
/** How long one may take before it counts as hung, ms. */
const PATIENCE = 30_000;

const run = promisify(execFile);

/**
 * A new Node process imports the library, connects, and gets the answer to its first message. What Node takes to start is not counted.
 * @param {{ name: string, title: string, options: Record<string, unknown> }} description
 * @returns {import("../lib/contender.mjs").Contender}
 */
export function cold({ name, title, options }) {
  return {
    name,
    title,
    async start({ cores, directory }) {
      const told = { ...options, endpoint: name, directory };
      const server = await End.start(SERVER, "serve", told, cores && [cores[1]]);
      const [program, ...args] = pinned(cores && [cores[0]], [process.execPath, MAIN, JSON.stringify(told)]);
      const one = async () => Number((await run(program, args, { timeout: PATIENCE })).stdout);
      return {
        // The first finds nothing in the system's caches.
        async warmUp() {
          await one();
        },
        async round() {
          const times = [];
          for (let i = 0; i < PROCESSES; i++) times.push(await one());
          return { ns: median(times) };
        },
        stop: () => server.close(),
      };
    },
  };
}
