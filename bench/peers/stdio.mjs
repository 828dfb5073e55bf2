import { startAnswerer, stopAnswerer } from "../lib/answerer.mjs";
import { answerOver, linkOver } from "../lib/framing.mjs";

/** Standard input and output of a child, as language servers and tools of agents have it; bytes behind their length, objects as lines of JSON. */
export const peer = {
  name: "stdio",
  title: "stdin and stdout of a child",
  spawns: true,
  file: import.meta.url,
};

/** @param {import("../lib/peer.mjs").Place} place @param {(message: any) => any} answer */
export function serve({ payload }, answer) {
  answerOver(process.stdin, process.stdout, payload, answer);
  process.stdin.on("end", () => process.exit());
  return { close: () => process.exit() };
}

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {import("../lib/peer.mjs").Link}
 */
export function drive(place, heard) {
  const child = startAnswerer(place, { stdio: ["pipe", "pipe", "inherit"] });
  const [input, output] = /** @type {const} */ ([child.stdin, child.stdout]);
  if (input === null || output === null) throw new Error("the child was started without its pipes");
  return { ...linkOver(output, input, place.payload, heard, () => stopAnswerer(child)), pid: child.pid };
}
