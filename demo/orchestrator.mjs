import { setTimeout as delay } from "node:timers/promises";
import { RingbellError } from "../dist/index.js";
import { kinds } from "./agents/index.mjs";
import { Desk } from "./desk.mjs";

/** Pings to each agent before the work; the first ones warm up the code and are not counted. */
const IDLE_PINGS = 600;
const WARM_UP = 100;
/** Between two pings during the work, in ms. */
const BUSY_INTERVAL = 10;
/** The part of its tasks after which the victim is killed. */
const KILL_AFTER = 0.4;

/**
 * @typedef {object} Settings
 * @property {"shm" | "stream"} transport
 * @property {readonly import("./files.mjs").File[]} files
 * @property {string} directory a private one
 * @property {string | undefined} victim the kind of work whose agent is killed
 * @property {AbortSignal} signal
 * @property {(desks: readonly Desk[], begin: number) => void} onStart called when the work begins
 */

/**
 * What became of a job.
 *
 * @typedef {object} Outcome
 * @property {"shm" | "stream"} transport
 * @property {readonly Desk[]} desks
 * @property {number} seconds from the first task to the last result
 * @property {number} cpuSeconds of the orchestrator in that time
 * @property {number[]} idlePings round trips in ms, nobody having anything else to do
 * @property {number[]} busyPings the same while the agents work
 */

/**
 * Does the whole job once, over one transport: starts an agent for each kind of work, has every file done by each of them, and
 * sends them home.
 *
 * @param {Settings} settings
 * @returns {Promise<Outcome>}
 */
export async function runJob({ transport, files, directory, victim, signal, onStart }) {
  const place = { directory, namespace: transport, transport };
  const desks = kinds.map(
    (kind) => new Desk(kind, files, place, kind.name === victim ? files.length * KILL_AFTER : undefined),
  );
  const interrupted = abortion(signal);
  const pinging = new AbortController();
  try {
    await Promise.race([Promise.all(desks.map((desk) => desk.open())), interrupted]);
    const idlePings = await Promise.race([pingIdle(desks), interrupted]);

    const cpu = process.cpuUsage();
    const begin = performance.now();
    onStart(desks, begin);
    const work = Promise.all(desks.map((desk) => desk.work()));
    const busyPings = [];
    const pinger = pingBusy(desks, busyPings, pinging.signal);
    await Promise.race([work, interrupted]);
    const seconds = (performance.now() - begin) / 1000;
    const { user, system } = process.cpuUsage(cpu);

    pinging.abort();
    await pinger;
    await Promise.race([Promise.all(desks.map((desk) => desk.finish())), interrupted]);
    return { transport, desks, seconds, cpuSeconds: (user + system) / 1e6, idlePings, busyPings };
  } finally {
    pinging.abort();
    await Promise.all(desks.map((desk) => desk.close()));
  }
}

/** One at a time, so that nothing but the message's way is measured. */
async function pingIdle(desks) {
  const times = [];
  for (const desk of desks) {
    try {
      for (let i = 0; i < IDLE_PINGS; i++) {
        const time = await desk.ping();
        if (i >= WARM_UP) times.push(time);
      }
    } catch (error) {
      // Its agent has died, and will be replaced: it matters when there is work.
      if (!(error instanceof RingbellError)) throw error;
    }
  }
  return times;
}

/** To the agents in turn, now and then, until the signal. */
async function pingBusy(desks, times, signal) {
  for (let turn = 0; !signal.aborted; turn++) {
    try {
      times.push(await desks[turn % desks.length].ping());
    } catch (error) {
      // This agent has just died; the next turn is another's.
      if (!(error instanceof RingbellError)) throw error;
    }
    await delay(BUSY_INTERVAL);
  }
}

/** @param {AbortSignal} signal */
function abortion(signal) {
  const promise = new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  promise.catch(() => {});
  return promise;
}
