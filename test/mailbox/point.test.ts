import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { ping, receive, send } from "ringbell/mailbox";
import { describe, expect, it } from "vitest";
import { scratchDirectory } from "../transport/scratch.js";

/** A receiver that listens already: its address, and the promise of what it receives. */
async function receiving(name: string | undefined, options: Parameters<typeof receive>[1]) {
  let received!: ReturnType<typeof receive>;
  const address = await new Promise<string>((resolve, reject) => {
    received = receive(name, { ...options, onListening: resolve });
    received.catch(reject);
  });
  return { address, received };
}

describe("send and receive", () => {
  it("carry one text to the process that receives under a name (S3.1, S3.2)", async () => {
    const directory = scratchDirectory();
    const received = receive("bob", { directory });
    await send("bob", "hello", { directory, from: "alice" });
    expect(await received).toEqual({ message: "hello", from: "alice" });
  });

  it("alternate between two sessions without a broker (S3.20)", async () => {
    const directory = scratchDirectory();
    const rounds = 50;
    const bob = (async () => {
      for (let i = 0; i < rounds; i++) {
        const { message } = await receive("bob", { directory });
        await send("alice", `${message}!`, { directory });
      }
    })();
    for (let i = 0; i < rounds; i++) {
      const reply = receive("alice", { directory });
      await send("bob", `${i}`, { directory });
      expect((await reply).message).toBe(`${i}!`);
    }
    await bob;
  });

  it("fail when nobody receives, or nobody sends, in time", async () => {
    const directory = scratchDirectory();
    await expect(send("nobody", "x", { directory, timeout: 60 })).rejects.toMatchObject({
      code: expect.stringMatching(/ERR_RINGBELL_(NOT_FOUND|TIMEOUT)/),
    });
    await expect(receive("bob", { directory, timeout: 20 })).rejects.toMatchObject({
      code: "ERR_RINGBELL_TIMEOUT",
    });
    await expect(receive("bob", { directory, timeout: 300_001 })).rejects.toMatchObject({
      code: "ERR_RINGBELL_INVALID_ARGUMENT",
    });
    const stop = new AbortController();
    const waiting = receive("bob", { directory, signal: stop.signal });
    stop.abort(new Error("stop"));
    await expect(waiting).rejects.toThrow("stop");
  });

  it("answer pings meanwhile, which are no messages (S3.3)", async () => {
    const directory = scratchDirectory();
    const { received } = await receiving("bob", { directory });
    for (let i = 0; i < 3; i++) await ping("bob", { directory });
    await send("bob", "PING", { directory });
    expect((await received).message).toBe("PING");
  });

  it("refuse a text that is too long, and wait for the next", async () => {
    const directory = scratchDirectory();
    const { received } = await receiving("bob", { directory, maxMessageBytes: 10 });
    await expect(send("bob", "x".repeat(11), { directory })).rejects.toMatchObject({
      code: "ERR_RINGBELL_REFUSED",
    });
    await send("bob", "x".repeat(10), { directory });
    expect((await received).message).toHaveLength(10);
  });
});

describe("ping", () => {
  it("measures the way there and back (S3.4)", async () => {
    const directory = scratchDirectory();
    const stop = new AbortController();
    const { received } = await receiving("bob", { directory, signal: stop.signal });
    const ms = await ping("bob", { directory });
    expect(ms).toBeGreaterThan(0);
    expect(ms).toBeLessThan(1000);
    stop.abort();
    await expect(received).rejects.toThrow();
  });
});

describe("send and receive over TCP", () => {
  it("carry a text by HOST:PORT, with lines of JSON (S3.18)", async () => {
    const { address, received } = await receiving(undefined, { port: 0 });
    expect(address).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(await ping(address)).toBeGreaterThan(0);
    await send(address, "grüße\nvon hier", { from: "alice" });
    expect(await received).toEqual({ message: "grüße\nvon hier", from: "alice" });
  });

  it("are understood by a program that only knows lines of JSON", async () => {
    const { address, received } = await receiving("127.0.0.1:0", {});
    const socket = connect(Number(address.split(":")[1]), "127.0.0.1");
    const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
    socket.write('{"ping": 7}\n{"mess');
    expect(JSON.parse((await lines.next()).value)).toEqual({ pong: 7 });
    socket.write('age": "by hand"}\n');
    expect(JSON.parse((await lines.next()).value)).toEqual({ taken: true });
    expect(await received).toEqual({ message: "by hand", from: "" });
  });

  it("bind beyond this machine with a token only, which senders must know (S3.17)", async () => {
    const bind = "0.0.0.0";
    await expect(receive(undefined, { port: 0, bind })).rejects.toMatchObject({
      code: "ERR_RINGBELL_INVALID_ARGUMENT",
      argument: "options.token",
    });
    const { address, received } = await receiving(undefined, { port: 0, bind, token: "secret" });
    const here = address.replace(bind, "127.0.0.1");
    for (const token of [undefined, "wrong", "secrets"]) {
      await expect(send(here, "x", { token })).rejects.toMatchObject({ code: "ERR_RINGBELL_REFUSED" });
    }
    await send(here, "x", { token: "secret" });
    expect((await received).message).toBe("x");
  });

  it("cut off a peer that sends no JSON, and go on", async () => {
    const { address, received } = await receiving(undefined, { port: 0 });
    for (const garbage of ["GET / HTTP/1.1\r\n\r\n", "null\n", '{"message": 5}\n']) {
      const socket = connect(Number(address.split(":")[1]), "127.0.0.1");
      socket.on("error", () => {});
      socket.write(garbage);
      await once(socket, "close");
    }
    await send(address, "still there");
    expect((await received).message).toBe("still there");
  });
});
