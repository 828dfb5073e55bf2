// Without shared memory the same channel runs over the plain socket: here with a child that has no addon. Nothing in the program
// changes, and `channel.transport` says which it is. A program that must have shared memory asks for it, and gets an error instead.
//
//   node examples/stream-fallback.mjs
//
// Prints:
//   a child with the addon: shm
//   a child without: stream
//   ERR_RINGBELL_TRANSPORT

import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, listen } from "ringbell";

if (process.argv[2] === "child") {
  const channel = await connect("anywhere");
  await channel.send(channel.transport);
  await channel.close();
} else {
  const server = await listen("anywhere");
  await ask("a child with the addon", {});
  await ask("a child without", { RINGBELL_NO_ADDON: "1" });

  async function ask(who, env) {
    const child = spawn(process.execPath, [import.meta.filename, "child"], {
      stdio: "inherit",
      env: { ...process.env, ...env },
    });
    const ended = once(child, "exit");
    for await (const channel of server) {
      console.log(`${who}:`, await channel.receive());
      break;
    }
    await ended;
  }
  await server.close();

  // One side takes only the stream, the other only shared memory: they have nothing in common.
  const plain = await listen("plain", { transport: "stream" });
  await connect("plain", { transport: "shm" }).catch((error) => console.log(error.code));
  await plain.close();
}
