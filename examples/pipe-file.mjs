// Files: a channel of bytes is a stream, so a file is piped through another process as through a socket. Here that process compresses
// it. A process that transforms still writes when all has been read, so it needs `allowHalfOpen`.
//
//   node examples/pipe-file.mjs
//
// Prints:
//   the child has compressed … bytes to …
//   unpacked, it is the same file

import { spawn } from "node:child_process";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip, gunzipSync } from "node:zlib";
import { bytes, connect, listen } from "ringbell";

if (process.argv[2] === "compressor") {
  const channel = await connect("compressor", { codec: bytes() });
  const duplex = channel.toDuplex({ allowHalfOpen: true });
  await pipeline(duplex, createGzip(), duplex);
} else {
  const directory = await mkdtemp(join(tmpdir(), "ringbell-example-"));
  const [from, to] = [join(directory, "file"), join(directory, "file.gz")];
  await writeFile(from, "Rings in shared memory, a bell to wake the sleeper.\n".repeat(100_000));

  const server = await listen("compressor", { codec: bytes() });
  spawn(process.execPath, [import.meta.filename, "compressor"], { stdio: "inherit" });
  const channel = await server.accept();
  await pipeline(createReadStream(from), channel.toDuplex(), createWriteStream(to));

  console.log(`the child has compressed ${(await stat(from)).size} bytes to ${(await stat(to)).size}`);
  const same = gunzipSync(await readFile(to)).equals(await readFile(from));
  console.log(same ? "unpacked, it is the same file" : "it is another file");
  await server.close();
  await rm(directory, { recursive: true });
}
