import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { children, privateDirectory } from "../cleanup.js";
import { until } from "../session/setup.js";
import { MAIN, ringbell } from "./run.js";

/** A relay as a process. Resolves when it listens. */
async function relay(...args: string[]) {
  const child = spawn(process.execPath, [MAIN, "relay", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  await once(child.stdout, "data");
  return child;
}

it("joins a socket to a name, and the name to another socket, until it is asked to end", async () => {
  const directory = privateDirectory();
  const server = createServer((socket: Socket) => socket.pipe(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const path = join(directory, "in");
  const out = await relay("r", "--to", `127.0.0.1:${port}`, "-d", directory);
  const from = await relay("r", "--from", path, "-d", directory);
  const client = connect(path);
  let heard = "";
  client.setEncoding("utf8").on("data", (text: string) => {
    heard += text;
  });
  const exact = '{ "n":12345678901234567890 }\n';
  client.write(exact);
  await until(() => heard === exact);
  const closed = once(client, "close");
  for (const child of [from, out]) {
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    expect(await exit).toEqual([0, null]);
  }
  await closed;
});

it.each([
  [["--to", "nowhere"], "--to must be a path with a /, or HOST:PORT"],
  [["--to", "host:70000"], "--to must be a path with a /, or HOST:PORT"],
  [["--from", "8080"], "--from must be a path with a /"],
  [["--from", "/tmp/a", "--to", "/tmp/b"], "relay takes one of --to, --from, and a command behind --"],
])("says what is wrong with %j", async (args, message) => {
  const { code, stderr } = await ringbell(["relay", "r", ...args]);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});
