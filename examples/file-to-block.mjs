// A file reaches another process with one copy, made by the kernel: it is read straight into a block, and the block is
// handed over. Without the name of a file it sends itself.
//
//   node examples/file-to-block.mjs [FILE]
//
// Prints:
//   file-to-block.mjs: … bytes, read into a block
//   the other process says: sha256 …
//   that is what a stream of the file says: true

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { basename } from "node:path";
import { connect, listen } from "ringbell";

if (process.argv[2] === "--hasher") {
  const channel = await connect("hasher");
  const { content } = await channel.receive();
  const sha256 = createHash("sha256").update(content.bytes).digest("hex");
  content.release();
  await channel.send(sha256);
  await channel.close();
} else {
  const path = process.argv[2] ?? import.meta.filename;
  const server = await listen("hasher");
  spawn(process.execPath, [import.meta.filename, "--hasher"], { stdio: "inherit" });
  for await (const channel of server) {
    const file = await open(path);
    const { size } = await file.stat();
    const content = await channel.allocate(size);
    try {
      await readInto(content.bytes, file);
      console.log(`${basename(path)}: ${size} bytes, read into a block`);
      await channel.send({ content });
    } finally {
      // This has no effect if the block was sent.
      content.release();
      await file.close();
    }
    const sha256 = await channel.receive();
    console.log("the other process says: sha256", sha256);
    console.log("that is what a stream of the file says:", sha256 === (await hashOf(path)));
    break;
  }
  await server.close();
}

/** Reads until all is there, because a read may stop early. Node 20 aborts at a read of 2 GiB or more. */
async function readInto(bytes, file) {
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, 2 ** 30));
    if (bytesRead === 0) throw new Error("the file became shorter while it was read");
    at += bytesRead;
  }
}

async function hashOf(path) {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}
