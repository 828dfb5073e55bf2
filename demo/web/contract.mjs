// What the processes of this demo say to each other. All of them import this file.

import { z } from "zod";
import { contract, request, stream } from "../../dist/rpc/index.js";

const pong = z.literal("pong");

/** A model that answers a prompt with tokens, one after the other. This one reads them from script.mjs. */
export const model = contract("model", {
  complete: stream(z.object({ prompt: z.string() }), z.string()),
  ping: request(undefined, pong),
});

/** What the agent can do with files. Only reading is real; nothing is ever changed. */
export const tools = contract("tools", {
  /** The files below a directory of this checkout, as they are found. */
  list: stream(z.object({ directory: z.string() }), z.object({ path: z.string(), bytes: z.number() })),
  hash: request(z.object({ path: z.string() }), z.string().length(64)),
  ping: request(undefined, pong),
});

/** What windows, and the scribe, may tell the agent. */
export const inputs = contract("inputs", {
  approve: request(z.object({ id: z.number() }), z.string()),
  reject: request(z.object({ id: z.number() }), z.string()),
  abort: request(z.object({ task: z.number() }), z.string()),
  /** How long tokens take from the agent to the scribe, in ms. */
  delivered: request(z.object({ p50: z.number(), p99: z.number() }), z.null()),
});
