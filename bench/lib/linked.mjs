import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { calibrate, WARM_SECONDS } from "./calibrate.mjs";
import { Unavailable } from "./contender.mjs";
import { End } from "./end.mjs";
import { size } from "./format.mjs";
import { pausing } from "./pausing.mjs";

const ENDS = new URL("./link-ends.mjs", import.meta.url).href;
const PACKAGES = createRequire(new URL("../package.json", import.meta.url));

/**
 * A peer under a workload, as a contender.
 * @param {import("./peer.mjs").Peer} peer  What its file exports as `peer`.
 * @param {Work} work
 * @returns {import("./contender.mjs").Contender}
 *
 * @typedef {object} Work
 * @property {"echo" | "paced" | "flood"} kind
 * @property {"bytes" | "object"} [payload]  Default: bytes.
 * @property {number} [bytes]  Default: 32.
 * @property {number} [rate]  Messages a second, if paced.
 * @property {number} [part]  How long a round is, and the warm-up, as a part of the usual.
 */
export function linked(peer, { kind, payload = "bytes", bytes = 32, rate, part = 1 }) {
  const variant = [kind, payload === "object" ? "object" : size(bytes).replace(" ", ""), rate && `${rate}/s`];
  const name = [peer.name, ...variant.filter(Boolean)].join(":");
  return {
    name,
    peer: peer.name,
    title: peer.title,
    facts: { kind, payload, bytes, ...(rate === undefined ? {} : { rate }) },
    packages: peer.packages ?? [],
    async start({ cores, seconds, directory }) {
      requireFit(peer, payload, bytes);
      const place = placeOf(
        peer,
        { payload, bytes, workload: kind === "flood" ? "flood" : "echo" },
        directory,
        cores,
      );
      const { driver, pids, stop } = await startLinked(peer, place, cores);
      let count = 0;
      const long = seconds * part;
      const round = (/** @type {number} */ messages) =>
        driver.ask(kind === "flood" ? "flood" : "echo", messages);
      const running = {
        async warmUp() {
          count = await calibrate(round, long, {
            ...countsOf(kind, bytes),
            warm: WARM_SECONDS * part,
          });
          if (kind === "paced") await driver.ask("paced", rate, long / 2);
        },
        round: () => (kind === "paced" ? driver.ask("paced", rate, long) : round(count)),
        constants: () => ({ count }),
        stop,
      };
      return peer.polls ? pausing(running, await pids()) : running;
    },
  };
}

/** Bytes of the first attempt to find the size of a round, if its messages are long; and messages, if they are short. */
const FIRST_BYTES = 8 << 20;
const FIRST = 256;
/** Messages of a flood at least, however slow; of the longest there are fewer, which take the slowest peers three seconds. */
const FEWEST = 8;
const FEWEST_LONG = 5;
const LONG_BYTES = 64 << 20;

/**
 * How `calibrate` is to begin. A flood is timed from the arrival of its first message, so that of two there would be one time.
 * @param {"echo" | "paced" | "flood"} kind
 * @param {number} bytes
 */
export function countsOf(kind, bytes) {
  const first = Math.max(2, Math.min(FIRST, Math.floor(FIRST_BYTES / bytes)));
  if (kind !== "flood") return { first };
  return { first, fewest: bytes < LONG_BYTES ? FEWEST : FEWEST_LONG, untimed: 1 };
}

let places = 0;

/**
 * @param {import("./peer.mjs").Peer} peer
 * @param {{ payload: "bytes" | "object", bytes: number, workload: "echo" | "flood" }} work
 * @param {string} directory
 * @param {readonly number[] | undefined} cores
 * @returns {import("./peer.mjs").Place}
 */
export function placeOf(peer, work, directory, cores) {
  return {
    ...work,
    peer: peer.file,
    directory,
    endpoint: `${peer.name}-${++places}`,
    ...(cores ? { core: cores[1] } : {}),
    ...(peer.more ? { more: peer.more } : {}),
  };
}

/**
 * Starts both ends: the answering one is started here, or by the asking one where that is a part of the mechanism.
 * @param {import("./peer.mjs").Peer} peer
 * @param {import("./peer.mjs").Place} place
 * @param {[number, number] | undefined} cores
 * @param {string} [ends]  URL of the file with the two ends, if it isn't lib/link-ends.mjs.
 */
export async function startLinked(peer, place, cores, ends = ENDS) {
  requirePackages(peer);
  const server = peer.spawns ? undefined : await End.start(ends, "serve", place, cores && [cores[1]]);
  const starting = End.start(ends, "drive", place, cores && [cores[0]]);
  const driver = await (server ? Promise.race([starting, server.ended.then(raise)]) : starting).catch(
    async (error) => {
      void starting.then(
        (late) => late.stop(),
        () => {},
      );
      await server?.stop();
      throw error;
    },
  );
  // Nobody would answer any more.
  void server?.ended.then((error) => driver.abandon(error));
  return {
    driver,
    /** The processes that do the work, the asking one first. */
    async pids() {
      const { own, answerer } = await driver.ask("pids");
      return [own, answerer ?? (await server?.ask("pid"))].filter((pid) => pid !== undefined);
    },
    async stop() {
      await driver.close();
      await server?.close();
    },
  };
}

/** @param {Error} error @returns {never} */
function raise(error) {
  throw error;
}

/** @param {import("./peer.mjs").Peer} peer @param {"bytes" | "object"} payload @param {number} bytes */
function requireFit({ title, maxBytes = Number.POSITIVE_INFINITY, payloads }, payload, bytes) {
  if (payload === "bytes" && bytes > maxBytes)
    throw new Unavailable(`${title} is asked for messages up to ${size(maxBytes)} only`);
  if (payloads !== undefined && !payloads.includes(payload))
    throw new Unavailable(`${title} carries ${payloads.join(" and ")} only`);
}

/** @param {import("./peer.mjs").Peer} peer */
export function requirePackages({ packages = [] }) {
  for (const name of packages) {
    try {
      PACKAGES.resolve(name);
    } catch {
      throw new Unavailable(
        `needs the npm package ${name}: npm ci --prefix ${fileURLToPath(new URL("..", import.meta.url))}`,
      );
    }
  }
}
