import { bulk } from "./bulk.mjs";
import { connects } from "./connect.mjs";
import { costs } from "./cost.mjs";
import { floods } from "./flood.mjs";
import { inside } from "./inside.mjs";
import { kills } from "./kills.mjs";
import { latency } from "./latency.mjs";
import { mailbox } from "./mailbox.mjs";
import { mcp } from "./mcp.mjs";
import { memcpy } from "./memcpy.mjs";
import { peers } from "./peers.mjs";
import { calls } from "./rpc.mjs";
import { scale, scales } from "./scale.mjs";
import { sessions } from "./session.mjs";
import { startUps } from "./startup.mjs";
import { throughput } from "./throughput.mjs";
import { wakeUps } from "./wake-ups.mjs";

/**
 * A suite, several, or a function that makes them for what was asked for.
 * @typedef {import("../lib/contender.mjs").Suite} Suite
 * @typedef {Suite | readonly Suite[] | ((choice: Choice) => Suite | readonly Suite[])} Entry
 * @typedef {import("../lib/contender.mjs").Choice} Choice
 */

/** In the order in which they are run. @type {readonly Entry[]} */
const ENTRIES = [
  latency,
  wakeUps,
  throughput,
  bulk,
  memcpy,
  (choice) => costs(choice, peers),
  scale,
  (choice) => scales(choice, peers),
  floods,
  kills,
  connects,
  (choice) => startUps(choice, peers),
  inside,
  calls,
  mailbox,
  mcp,
  sessions,
];

/** @param {Choice} choice @returns {Suite[]} */
export function suites(choice) {
  return ENTRIES.flatMap((entry) => (typeof entry === "function" ? entry(choice) : entry));
}
