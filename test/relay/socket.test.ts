import { once } from "node:events";
import { statSync } from "node:fs";
import { createServer, connect as netConnect, type Socket } from "node:net";
import { join } from "node:path";
import { type Channel, connect, json, listen, text } from "ringbell";
import { describe, expect, it, onTestFinished } from "vitest";
import { relayFromSocket, relayToSocket } from "../../lib/relay/index.js";
import { ending, privateDirectory, until } from "../rpc/setup.js";

const EXACT = '{ "n":12345678901234567890, "e":1.0e2, "a":1, "a":"\\u00fc" }';

/** What came by a socket so far. */
function heard(socket: Socket): { text: string } {
  const all = { text: "" };
  socket.setEncoding("utf8").on("data", (part: string) => {
    all.text += part;
  });
  socket.on("error", () => {});
  return all;
}

/** A server of sockets that keeps its connections. */
async function sockets(where: { path: string } | { port: number; host: string }) {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket));
  server.listen(where);
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  return { server, accepted };
}

describe("a relay from a name to a socket", () => {
  it.each(["path", "port"])(
    "makes a connection for each client, by %s, and passes on text as it is, both ways (S1.35)",
    async (kind) => {
      const directory = privateDirectory();
      const path = join(directory, "s");
      const { server, accepted } = await sockets(kind === "path" ? { path } : { port: 0, host: "127.0.0.1" });
      const address = server.address() as { port: number };
      ending(
        await relayToSocket("r", kind === "path" ? { path } : { host: "127.0.0.1", port: address.port }, {
          directory,
        }),
      );
      const one = ending(await connect<string>("r", { directory, codec: text() }));
      const two = ending(await connect("r", { directory, codec: json() }));
      await until(() => accepted.length === 2);
      const [first, second] = accepted.map(heard);
      await one.send(EXACT);
      await two.send({ who: "two" });
      await until(() => first!.text !== "" && second!.text !== "");
      const [ofOne, ofTwo] = first!.text.startsWith("{ ") ? accepted : [accepted[1]!, accepted[0]!];
      expect([first!.text, second!.text].sort()).toEqual([`${EXACT}\n`, '{"who":"two"}\n'].sort());
      ofOne!.write(`${EXACT}\n`);
      expect(await one.receive({ timeout: 10_000 })).toBe(EXACT);

      // All that the socket said comes before the end.
      for (let n = 0; n < 2000; n++) ofTwo!.write(`${JSON.stringify("x".repeat(1000))}\n`);
      ofTwo!.end();
      let count = 0;
      for await (const _ of two) count++;
      expect(count).toBe(2000);
      // And all that the channel said.
      const message = JSON.stringify("y".repeat(1000));
      for (let n = 0; n < 500; n++) await one.send(message);
      await one.close();
      await once(ofOne!, "close");
      expect(Math.max(first!.text.length, second!.text.length)).toBe(EXACT.length + 1 + 500 * 1003);
    },
  );

  it("lets a client go where nobody listens, says why, and takes the next", async () => {
    const directory = privateDirectory();
    const errors: string[] = [];
    const onError = ({ message }: Error) => errors.push(message);
    ending(await relayToSocket("r", { path: join(directory, "no") }, { directory, onError }));
    for (let n = 1; n <= 2; n++) {
      const channel = await connect<string>("r", { directory, codec: text() });
      expect((await channel.closed).reason).toBe("peer-closed");
      await until(() => errors.length === n);
    }
    expect(errors[0]).toContain("ENOENT");
  });
});

describe("a relay from a socket to a name", () => {
  it("connects each client of the socket, which is open to its user alone, and goes on when one of them sends garbage", async () => {
    const directory = privateDirectory();
    const channels: Channel<unknown, unknown>[] = [];
    const server = ending(await listen("r", { directory, codec: json() }));
    server.on("connection", (channel) => channels.push(channel as never));
    const path = join(directory, "s");
    const errors: Error[] = [];
    const relay = await relayFromSocket("r", path, {
      directory,
      framing: "length",
      onError: (error) => errors.push(error),
    });
    ending(relay);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const bad = netConnect(path);
    bad.on("error", () => {});
    bad.write("no length\n");
    await once(bad.resume(), "close");
    await until(() => errors.length === 1);
    const good = netConnect(path);
    const said = heard(good);
    good.write('00000007{"a":1}');
    await until(() => channels.length === 2);
    expect(await channels[1]!.receive({ timeout: 10_000 })).toEqual({ a: 1 });
    await channels[1]!.send([1]);
    await until(() => said.text.endsWith("[1]"));
    await channels[1]!.close();
    await once(good, "close");
    await expect(relayFromSocket("r", path, { directory })).rejects.toMatchObject({
      code: "ERR_RINGBELL_SYSTEM",
      systemCode: "EADDRINUSE",
    });
  });

  it("ends a client of the socket where nobody serves the name", async () => {
    const directory = privateDirectory();
    const path = join(directory, "s");
    const errors: Error[] = [];
    const retry = { attempts: 1 };
    const onError = (error: Error) => errors.push(error);
    ending(await relayFromSocket("none", path, { directory, retry, onError }));
    await once(netConnect(path).resume(), "close");
    await until(() => errors.length === 1);
  });
});
