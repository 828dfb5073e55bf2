// What orchestrator and agents say to each other. Both import this file; if one of them had another version of it, its
// connect would be refused (ERR_RINGBELL_SCHEMA), instead of messages being misread later.

import { block, json, optional, struct, text, u32, u53 } from "../dist/index.js";

/** Orchestrator → agent, on the lane `main`: do your work on this file, which is in the block. The block is the agent's now, to release. */
export const Task = struct({ id: u32, path: text(), content: block });

/**
 * Agent → orchestrator, on the lane `main`. Every kind of work has a value of its own, and so a codec of its own.
 *
 * @template T
 * @param {import("../dist/index.js").Field<T>} value
 */
export function resultOf(value) {
  return struct({
    id: u32,
    /** Bytes of the file. */
    bytes: u53,
    /** Time spent working, in µs. */
    micros: u32,
    /** Why the file was skipped, if it was. */
    skipped: optional(text()),
    /** What was found, unless the file was skipped. */
    value: optional(value),
  });
}

/** Both ways, on the lane `ping`: answered with the same. */
export const Ping = struct({ id: u32 });

/**
 * Both ways, on the lane `control`: few, of many shapes, and likely to become more. That is what JSON is good at.
 *
 * @typedef {{ type: "finish" }} Finish No more tasks: say goodbye and go.
 * @typedef {{ type: "progress", tasks: number, bytes: number }} Progress What the agent has done so far.
 * @typedef {{ type: "finished", tasks: number, bytes: number, cpuMs: number, rssBytes: number }} Finished The goodbye.
 * @typedef {Finish | Progress | Finished} Control
 */

/** @type {import("../dist/index.js").Codec<Control>} */
const Control = json();

/**
 * The lanes beside `main`. Each has rings of its own: a `finish` or a ping never waits behind a queue of tasks. The
 * capacities are wishes of the listener; for the connector they are the most it takes.
 */
export const lanes = {
  control: { codec: Control, capacity: 16 * 1024 },
  ping: { codec: Ping, capacity: 4 * 1024 },
};
