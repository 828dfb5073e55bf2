import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { End } from "../lib/end.mjs";
import { libraryOf } from "../lib/library.mjs";
import { revision } from "../lib/machine.mjs";
import { UsageError } from "../lib/options.mjs";
import { accepted, NAMESPACE } from "../lib/ringbell.mjs";

/**
 * A build that can be measured.
 *
 * @typedef {object} Build
 * @property {string} folder  Absolute.
 * @property {string} library  URL of its dist/index.js.
 * @property {string} version
 * @property {string | null} commit  Null outside of a repository.
 * @property {boolean | null} changed  Whether the working tree differs from the commit.
 */

/**
 * Throws a UsageError unless the folder holds a build with which processes share memory.
 * @param {string} option  That named the folder.
 * @param {string} given
 * @param {string} directory  A private one, for sockets.
 * @returns {Promise<Build>}
 */
export async function buildIn(option, given, directory) {
  const folder = resolve(given);
  const index = join(folder, "dist", "index.js");
  if (!existsSync(index))
    throw new UsageError(`${option} ${given} is not built: it has no dist/index.js (npm run build)`);
  const library = pathToFileURL(index).href;
  const transport = await transportOf(library, directory).catch((error) => {
    throw new UsageError(`${option} ${given} can't be used: ${error.message}`);
  });
  if (transport !== "shm")
    throw new UsageError(
      `${option} ${given} falls back to the transport ${JSON.stringify(transport)} where shared memory is to be measured: ` +
        "is its addon built (npm run build)? is RINGBELL_NO_ADDON or RINGBELL_TRANSPORT set?",
    );
  return { folder, library, ...revision(folder) };
}

/** What a channel goes by if nothing is asked for, in a process of its own. @param {string} library @param {string} directory */
async function transportOf(library, directory) {
  const end = await End.start(import.meta.url, "probe", { library, directory }, undefined);
  try {
    return await end.ask("transport");
  } finally {
    await end.stop();
  }
}

/** @param {{ library: string, directory: string }} options */
export async function probe({ library, directory }) {
  const { connect, listen } = await libraryOf({ library });
  const endpoint = `probe-${process.pid}`;
  const server = await listen(endpoint, { namespace: NAMESPACE, directory });
  const peer = accepted(server);
  const { transport } = await connect(endpoint, { namespace: NAMESPACE, directory });
  await peer;
  return { transport: () => transport };
}
