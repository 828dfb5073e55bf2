import { all, bridge, CLIENTS, MANY, one, ws } from "../contenders/session-bridge.mjs";
import { disconnects } from "../contenders/session-disconnects.mjs";
import { alone, comesBack, toEight, toOne } from "../contenders/session-events.mjs";
import { net, session, spinning } from "../contenders/session-tokens.mjs";
import { count, duration, rate, ratio } from "../lib/format.mjs";
import { multiple } from "../lib/targets.mjs";

/** @typedef {import("../lib/contender.mjs").Target} Target */

const part = (/** @type {number} */ value) => `${Math.round(value * 100)} %`;

/** @type {import("../lib/contender.mjs").Suite} */
const tokens = {
  name: "session-tokens",
  group: "session",
  title: "A token from the program that makes it to an interface's loop, 2,000 a second",
  notes: [
    "Both sides sleep between two tokens, unless they spin. CPU: of one core, in the program and in the interface.",
  ],
  contenders: [session, spinning, net],
  columns: [
    { title: "p50", figure: "p50", format: duration, spread: true },
    { title: "p99", figure: "p99", format: duration },
    { title: "max", figure: "max", format: duration },
    { title: "CPU, program", figure: "servedCpu", format: part },
    { title: "CPU, interface", figure: "drivenCpu", format: part },
  ],
  targets: ["p50", "p99"].flatMap((of) => [
    multiple(`token to interface / node:net, ${of}`, session, net, of, 0.85),
    multiple(`token to interface, spin: 1000 / node:net, ${of}`, spinning, net, of, 0.3),
  ]),
};

/** @param {string} name @param {{ name: string }} contender @param {number} limit @returns {Target} */
const atLeast = (name, contender, limit) => ({
  name,
  needs: [contender.name],
  value: (figure) => figure(contender.name, "perSecond"),
  limit,
  better: "higher",
  format: rate,
});

/** @type {import("../lib/contender.mjs").Suite} */
const events = {
  name: "session-events",
  group: "session",
  title: "Events of a session",
  notes: [
    "Some hundred bytes of JSON each, appended in bursts of 100. Of eight processes, the figure is that of the slowest.",
  ],
  contenders: [toOne, toEight, alone],
  columns: [
    { title: "a second", figure: "perSecond", format: rate, spread: true },
    { title: "each", figure: "ns", format: duration },
  ],
  targets: [
    atLeast("events a second to one attached process", toOne, 300_000),
    atLeast("events a second to each of eight", toEight, 100_000),
    {
      name: "append with nobody attached",
      needs: [alone.name],
      value: (figure) => figure(alone.name, "ns"),
      limit: 1000,
      better: "lower",
      format: duration,
    },
  ],
};

/** @type {import("../lib/contender.mjs").Suite} */
const returns = {
  name: "session-return",
  group: "session",
  title: "An interface that comes back",
  notes: ["From attaching until it has taken all that it had missed."],
  contenders: [comesBack],
  columns: [{ title: "until live", figure: "ns", format: duration, spread: true }],
  targets: [
    {
      name: "reattach, 10,000 events behind, until live",
      needs: [comesBack.name],
      value: (figure) => figure(comesBack.name, "ns"),
      limit: 50e6,
      better: "lower",
      format: duration,
    },
  ],
};

/** @type {import("../lib/contender.mjs").Suite} */
const broadcasts = {
  name: "bridge-broadcast",
  group: "session",
  title: `The bridge: events to ${CLIENTS} WebSocket clients`,
  notes: ["Messages for each second of CPU time of the process that sends, acknowledgements included."],
  contenders: [bridge, ws],
  columns: [
    { title: "a CPU second", figure: "perCpuSecond", format: rate, spread: true },
    { title: "a second", figure: "perSecond", format: rate },
  ],
  targets: [
    {
      name: "bridge / ws broadcasting, messages a second on one core",
      needs: [bridge.name, ws.name],
      value: (figure) => figure(bridge.name, "perCpuSecond") / figure(ws.name, "perCpuSecond"),
      limit: 0.8,
      better: "higher",
      format: ratio,
    },
  ],
};

/** @type {import("../lib/contender.mjs").Suite} */
const deaf = {
  name: "bridge-never-reads",
  group: "session",
  title: `The bridge: ${MANY} WebSocket clients, 50 events a second to each`,
  notes: [
    "From append to the client's loop. The client that never reads acknowledges nothing; its time is not counted.",
  ],
  contenders: [all, one],
  columns: [
    { title: "p50", figure: "p50", format: duration },
    { title: "p99", figure: "p99", format: duration, spread: true },
    { title: "max", figure: "max", format: duration },
  ],
  targets: [multiple("p99 of the others where one of 100 never reads / where all do", one, all, "p99", 1.3)],
};

/** @param {import("../lib/contender.mjs").Choice} choice @returns {import("../lib/contender.mjs").Suite} */
function cuts({ quick }) {
  const times = quick ? 100 : 1000;
  const { ours, theirs } = disconnects(times);
  return {
    name: "session-disconnects",
    group: "session",
    title: `${times.toLocaleString("en")} disconnects at random moments, while events come`,
    contenders: [ours, theirs],
    columns: [
      { title: "events", figure: "events", format: count },
      { title: "lost", figure: "lost", format: count },
      { title: "doubled", figure: "doubled", format: count },
    ],
    targets: ["lost", "doubled"].map((of) => ({
      name: `events ${of} over disconnects`,
      needs: [ours.name],
      value: (figure) => figure(ours.name, of),
      limit: 0,
      better: /** @type {const} */ ("lower"),
      format: count,
    })),
  };
}

/** @param {import("../lib/contender.mjs").Choice} choice */
export const sessions = (choice) => [tokens, events, returns, broadcasts, deaf, cuts(choice)];
