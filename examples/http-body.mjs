// HTTP bodies: a web server hands each request's body to a worker process, and answers with the bytes that come back. A client that
// uploads or downloads slowly slows down the worker, and nobody else.
//
//   node examples/http-body.mjs
//
// Prints:
//   200 HELLO, WORKER
//   200 … bytes

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { bytes, connect, listen } from "ringbell";

if (process.argv[2] === "worker") {
  // Each request has a channel of its own.
  for (let requests = 0; requests < 2; requests++) {
    const channel = await connect("workers", { codec: bytes() });
    const duplex = channel.toDuplex({ allowHalfOpen: true });
    const upper = new Transform({
      transform: (chunk, _encoding, done) => done(null, chunk.toString("latin1").toUpperCase()),
    });
    await pipeline(duplex, upper, duplex);
  }
} else {
  const workers = await listen("workers", { codec: bytes() });
  spawn(process.execPath, [import.meta.filename, "worker"], { stdio: "inherit" });

  const web = createServer(async (request, response) => {
    const channel = await workers.accept();
    try {
      await pipeline(request, channel.toDuplex(), response);
    } catch (error) {
      console.warn(`a request has failed: ${error}`); // The client has gone, or the worker has.
    }
  });
  await once(web.listen(0, "127.0.0.1"), "listening");

  const ask = (body) => fetch(`http://127.0.0.1:${web.address().port}`, { method: "POST", body });
  const short = await ask("hello, worker");
  console.log(short.status, await short.text());
  const long = await ask("x".repeat(5_000_000));
  console.log(long.status, (await long.text()).length, "bytes");
  web.close();
  web.closeAllConnections();
  await workers.close();
}
