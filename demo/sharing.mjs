import { listen, TransportError } from "ringbell";

/**
 * Tries whether this process can share memory.
 *
 * @param {string} directory
 * @returns {Promise<string | undefined>} why not; undefined if it can
 */
export async function whyNotShared(directory) {
  try {
    const server = await listen("trial", { directory, transport: "shm" });
    await server.close();
    return undefined;
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    const { message } = error.cause instanceof Error ? error.cause : error;
    return message.split("\n", 1)[0];
  }
}
