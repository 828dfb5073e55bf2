// The inputs that are committed: a file for each target in test/fuzz/corpus/, with an input a line, in base64.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = join(dirname(fileURLToPath(import.meta.url)), "corpus");

/** The most bytes of all inputs of one target. */
const MOST_BYTES = 32 * 1024;

const fileOf = (name) => join(folder, `${name}.txt`);

/** The committed inputs of a target. */
export function readCorpus(name) {
  if (!existsSync(fileOf(name))) return [];
  const lines = readFileSync(fileOf(name), "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => Buffer.from(line, "base64"));
}

/** Puts inputs into a folder, a file each. */
export function unpack(inputs, into) {
  mkdirSync(into, { recursive: true });
  for (const input of inputs) {
    writeFileSync(join(into, createHash("sha1").update(input).digest("hex")), input);
  }
}

/** Commits the inputs in a folder, the shortest first, as many as there is room for. Returns how many these are. */
export function saveCorpus(name, from) {
  const inputs = readdirSync(from).map((file) => readFileSync(join(from, file)));
  inputs.sort((a, b) => a.length - b.length || Buffer.compare(a, b));
  let bytes = 0;
  const kept = inputs.filter(({ length }) => {
    bytes += length;
    return length > 0 && bytes <= MOST_BYTES;
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(fileOf(name), kept.map((input) => `${input.toString("base64")}\n`).join(""));
  return kept.length;
}
