// What the orchestrator, its agents and a monitor say to each other. All of them import this file.

import { z } from "zod";
import { contract, request, stream } from "../../dist/rpc/index.js";

const file = z.object({ path: z.string() });
const share = z.number().min(0).max(1);

/** What agents do for the orchestrator: tasks of five kinds, each with types of its own. */
export const agent = contract("agent", {
  hash: request(file, z.object({ bytes: z.number(), sha256: z.string().length(64) })),
  words: request(file, z.object({ lines: z.number(), words: z.number() })),
  symbols: request(file, z.array(z.string())),
  /** Computes without a pause, so that its event loop does not run. It reports how far it has come. */
  primes: request(z.object({ below: z.number() }), z.number(), { progress: share }),
  /** The files below a directory, as they are found. */
  walk: stream(
    z.object({ directory: z.string(), most: z.number() }),
    z.object({ path: z.string(), bytes: z.number() }),
  ),
});

/** One line of the orchestrator's log. `agent` is empty where it is about none of them. */
export const event = z.object({ at: z.number(), agent: z.string(), what: z.string() });

/** What the orchestrator tells those who watch. */
export const team = contract("team", {
  status: request(
    undefined,
    z.array(z.object({ name: z.string(), pid: z.number(), done: z.number(), state: z.string() })),
  ),
  /** What happens from now on, and first what has happened lately. */
  events: stream(undefined, event),
});
