import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";

/** What is read: text, as far as its name tells. */
const EXTENSIONS = new Set(
  "c cc cjs cpp css cts cxx h hh hpp html js json jsx md mjs mts py rs sh ts tsx txt yaml yml"
    .split(" ")
    .map((end) => `.${end}`),
);
/** Made by tools, and gone or different soon. */
const IGNORED = new Set([".git", "build", "dist", "coverage"]);
/** In bytes. */
const LARGEST = 4 * 1024 * 1024;

/**
 * @typedef {object} File
 * @property {string} path
 * @property {number} bytes
 * @property {number} modified ms since the epoch
 * @property {string | undefined} sha256 undefined if it can't be read
 */

/**
 * Finds the files below a directory and reads each once: so all runs find them in the page cache, and we know
 * their hashes from another source than the agent's.
 *
 * @param {string} root
 * @param {number} limit if there are more, an even sample is taken
 * @returns {Promise<File[]>} sorted by path
 */
export async function findFiles(root, limit) {
  const paths = [];
  await walk(root, paths);
  paths.sort();
  const count = Math.min(limit, paths.length);
  const sample = Array.from({ length: count }, (_, i) => paths[Math.floor((i * paths.length) / count)]);
  return Promise.all(sample.map(look));
}

/** Symbolic links are not followed. Files that can't be read are left in: the desks have to cope. */
async function walk(directory, paths) {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory() && !IGNORED.has(entry.name)) await walk(path, paths);
    else if (entry.isFile() && EXTENSIONS.has(extname(entry.name))) {
      const { size } = await stat(path).catch(() => ({ size: 0 }));
      if (size <= LARGEST) paths.push(path);
    }
  }
}

/** @returns {Promise<File>} */
async function look(path) {
  const { size, mtimeMs } = await stat(path).catch(() => ({ size: 0, mtimeMs: 0 }));
  return { path, bytes: size, modified: mtimeMs, sha256: hashOf(path) };
}

function hashOf(path) {
  try {
    return createHash("sha256").update(readFileSync(path)).digest("hex");
  } catch {
    return undefined;
  }
}

/**
 * Reads a file into a block, to be sent over this channel: the kernel copies it there, and nobody copies it again. Waits for room,
 * but not for the disk: the files are in the page cache, where a read takes less time than a way to another thread and back.
 *
 * @param {string} path
 * @param {import("../dist/index.js").Channel<any, any>} channel
 */
export async function readIntoBlock(path, channel) {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const block = channel.tryAllocate(size) ?? (await channel.allocate(size));
    try {
      fill(block.bytes, file);
    } catch (error) {
      block.release();
      throw error;
    }
    return block;
  } finally {
    closeSync(file);
  }
}

/** @param {Uint8Array} bytes @param {number} file */
function fill(bytes, file) {
  for (let at = 0; at < bytes.length; ) {
    const count = readSync(file, bytes, at, bytes.length - at, null);
    if (count === 0) throw new Error("the file became shorter while it was read");
    at += count;
  }
}

/**
 * The files that somebody has changed since they were found.
 *
 * @param {readonly File[]} files
 * @returns {Promise<Set<File>>}
 */
export async function changedFiles(files) {
  const changed = await Promise.all(
    files.map(async (file) => {
      const now = await stat(file.path).catch(() => ({ size: 0, mtimeMs: 0 }));
      return now.size !== file.bytes || now.mtimeMs !== file.modified;
    }),
  );
  return new Set(files.filter((_, i) => changed[i]));
}
