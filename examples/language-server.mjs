// The messages of language servers, by vscode-jsonrpc: requests, and a cancel that reaches a handler which computes in a loop.
//
//   node examples/language-server.mjs
//
// Prints:
//   symbols: one, two
//   the loop was stopped: true

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { connectJsonrpc, serveJsonrpc } from "ringbell/vscode-jsonrpc";
import { CancellationTokenSource, createMessageConnection } from "vscode-jsonrpc/node";

const connectionOf = ({ reader, writer, cancellationStrategy }) =>
  createMessageConnection(reader, writer, undefined, { cancellationStrategy });

async function serve() {
  const service = await serveJsonrpc("symbols", (transport) => {
    const connection = connectionOf(transport);
    connection.onRequest("textDocument/documentSymbol", () => ["one", "two"]);
    connection.onRequest("compute", (_, token) => {
      process.send("computing");
      const until = Date.now() + 3000;
      while (!token.isCancellationRequested && Date.now() < until); // It reads shared memory, and sees the cancel.
      return token.isCancellationRequested;
    });
    connection.onClose(() => service.close());
    connection.listen();
  });
}

async function ask() {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "server"], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const connection = connectionOf(await connectJsonrpc("symbols"));
  connection.listen();
  console.log("symbols:", (await connection.sendRequest("textDocument/documentSymbol", {})).join(", "));
  const source = new CancellationTokenSource();
  const stopped = connection.sendRequest("compute", {}, source.token);
  await once(child, "message");
  source.cancel();
  console.log("the loop was stopped:", await stopped);
  connection.dispose(); // This closes the channel, and the server ends.
  await once(child, "exit");
}

await (process.argv[2] === "server" ? serve() : ask());
