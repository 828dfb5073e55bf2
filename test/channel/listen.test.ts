import diagnosticsChannel from "node:diagnostics_channel";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { connect as connectSocket, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Channel } from "../../lib/channel/channel.js";
import { connect } from "../../lib/channel/connect.js";
import { listen } from "../../lib/channel/listen.js";
import { HandshakeError, HandshakeTimeoutError, RefusedError } from "../../lib/errors.js";
import { health } from "../../lib/transport/places/status.js";
import { openDescriptors } from "../transport/handshake/rig.js";
import { scratchDirectory } from "../transport/scratch.js";

/** A server in a directory of its own; `join` connects to it. */
async function serve(options: Parameters<typeof listen>[1] = {}) {
  const directory = scratchDirectory();
  const server = await listen("n", { directory, ...options });
  onTestFinished(() => server.close());
  const join = async (more: Parameters<typeof connect>[1] = {}) => {
    const channel = await connect("n", { directory, retry: false, ...more });
    onTestFinished(() => channel.close());
    return channel;
  };
  return { server, join, directory };
}

/** A raw connection, whose errors are nobody's concern. */
function rude(path: string, bytes: string | Uint8Array) {
  const socket = connectSocket(path);
  socket.on("error", () => {});
  socket.write(bytes);
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** Resolves when the socket is closed, also by an error. */
function closes(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()).resume());
}

describe("a server", () => {
  it("listens when listen has resolved (S2.13)", async () => {
    const { join, server } = await serve();
    const channel = await join();
    expect(channel.peer.pid).toBe(process.pid);
    expect(existsSync(server.path)).toBe(true);
  });

  it("gives each peer a channel of its own, also those that came before it was asked (S0.19, S2.4)", async () => {
    const { server, join } = await serve();
    const clients = await Promise.all([join({ role: "a" }), join({ role: "b" }), join({ role: "c" })]);
    expect(server.channels.size).toBe(3);
    const seen: Channel[] = [];
    for await (const channel of server) {
      seen.push(channel);
      if (seen.length === 3) break;
    }
    expect(seen.map((channel) => channel.peer.role).sort()).toEqual(["a", "b", "c"]);
    for (const channel of seen) await channel.send(`for ${channel.peer.role}`);
    expect(await Promise.all(clients.map((client) => client.receive()))).toEqual(["for a", "for b", "for c"]);
  });

  it("takes no channel for an iterator that was given up while it waited", async () => {
    const { server, join } = await serve();
    const [left, kept] = [server[Symbol.asyncIterator](), server[Symbol.asyncIterator]()];
    const waiting = left.next();
    await left.return!();
    expect(await waiting).toEqual({ done: true, value: undefined });
    await join({ role: "a" });
    expect((await kept.next()).value!.peer.role).toBe("a");
    expect((await left.next()).done).toBe(true);
  });

  it("goes on after the loop was left, and each channel is given once", async () => {
    const { server, join } = await serve();
    await join({ role: "first" });
    for await (const channel of server) {
      expect(channel.peer.role).toBe("first");
      break;
    }
    await join({ role: "second" });
    const { value } = await server[Symbol.asyncIterator]().next();
    expect(value!.peer.role).toBe("second");
  });

  it("gives channels to an iterator that waits, in its turn", async () => {
    const { server, join } = await serve();
    const iterator = server[Symbol.asyncIterator]();
    const waiting = [iterator.next(), iterator.next()];
    await join({ role: "a" });
    await join({ role: "b" });
    const roles = (await Promise.all(waiting)).map(({ value }) => value!.peer.role);
    expect(roles).toEqual(["a", "b"]);
  });

  it("tells of connections by events too, and of those that came before there was a listener", async () => {
    const { server, join } = await serve();
    await join({ role: "early" });
    const roles: unknown[] = [];
    server.on("connection", (channel) => roles.push(channel.peer.role));
    await join({ role: "late" });
    expect(roles).toEqual(["early", "late"]);
  });

  it("gives 100 that connect at the same time different ids, the same on both sides (S0.42)", async () => {
    const { server, join } = await serve({ capacity: 4096 });
    const clients = await Promise.all(Array.from({ length: 100 }, () => join()));
    const ids = new Set(clients.map((client) => client.peer.id));
    expect(ids.size).toBe(100);
    expect(new Set([...server.channels].map((channel) => channel.peer.id))).toEqual(ids);
  });

  it("forgets a channel when it has ended, on whichever side", async () => {
    const { server, join } = await serve();
    const [mine, other] = [await join(), await join()];
    const iterator = server[Symbol.asyncIterator]();
    const first = (await iterator.next()).value!;
    await mine.close();
    await first.closed;
    expect(server.channels.size).toBe(1);
    const second = (await iterator.next()).value!;
    await second.close();
    await other.closed;
    expect(server.channels.size).toBe(0);
  });

  it("leaves those who come in the kernel while too many wait to be taken", async () => {
    const { server, join } = await serve({ capacity: 4096, transport: "stream" });
    const [limit, more] = [1024, 3];
    for (let batch = 0; batch < limit; batch += 64) {
      await Promise.all(Array.from({ length: 64 }, () => join()));
    }
    expect(server.channels.size).toBe(limit);
    let joined = 0;
    const late = Array.from({ length: more }, () => join().then(() => (joined += 1)));
    await expect(join({ handshakeTimeout: 100 })).rejects.toBeInstanceOf(HandshakeTimeoutError);
    expect(joined).toBe(0);
    const iterator = server[Symbol.asyncIterator]();
    for (let taken = 0; taken < 10; taken += 1) await iterator.next();
    await Promise.all(late);
    expect(joined).toBe(more);
  }, 60_000);

  it("has no socket on any network (S4.5, S3.17)", async () => {
    const { join } = await serve();
    await join();
    if (process.platform !== "linux") return;
    const inodes = ["tcp", "tcp6", "udp", "udp6"].flatMap((table) =>
      readFileSync(`/proc/self/net/${table}`, "utf8")
        .trim()
        .split("\n")
        .slice(1)
        .map((line) => `socket:[${line.trim().split(/\s+/)[9]}]`),
    );
    const ours = readdirSync("/proc/self/fd").flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)];
      } catch {
        return [];
      }
    });
    expect(ours.filter((link) => inodes.includes(link))).toEqual([]);
  });
});

describe("closing a server", () => {
  it("frees the name, ends iterators, and closes its channels in order", async () => {
    const { server, join, directory } = await serve();
    const client = await join();
    const iterator = server[Symbol.asyncIterator]();
    const channel = (await iterator.next()).value!;
    const waiting = iterator.next();
    await channel.send("last words");
    const closed = once(server, "close");
    const closing = server.close();
    expect(existsSync(server.path)).toBe(false);
    await closing;
    await closed;
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(await client.receive()).toBe("last words");
    expect((await client.closed).reason).toBe("peer-closed");
    expect((await iterator.next()).done).toBe(true);
    await server.close();
    await using next = await listen("n", { directory });
    await next.close();
  });

  it("cuts off handshakes under way, and gives all descriptors back", async () => {
    const before = openDescriptors();
    const { server } = await serve();
    const socket = rude(server.path, "0000");
    await once(socket, "connect");
    await new Promise((resolve) => setImmediate(resolve));
    const hungUp = closes(socket);
    await server.close();
    await hungUp;
    expect(openDescriptors()).toBe(before);
  });

  it("is done by the signal, by `await using`, and refused by a signal that was aborted before", async () => {
    const controller = new AbortController();
    const { server, directory } = await serve({ signal: controller.signal });
    const closed = once(server, "close");
    controller.abort();
    await closed;
    expect(existsSync(server.path)).toBe(false);
    const reason = new Error("no");
    await expect(listen("n", { directory, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    let path = "";
    {
      await using disposed = await listen("n", { directory });
      path = disposed.path;
    }
    expect(existsSync(path)).toBe(false);
  });
});

describe("a server among strangers", () => {
  it("is not disturbed by garbage, silence and half a handshake, and says what they were", async () => {
    const { server, join } = await serve({ handshakeTimeout: 200 });
    const errors: Error[] = [];
    const enough = new Promise<void>((resolve) => {
      server.on("peerError", (error) => {
        errors.push(error);
        if (errors.length === 4) resolve();
      });
    });
    rude(server.path, "GET / HTTP/1.1\r\n\r\n");
    rude(server.path, '00000010{"t":"hel');
    rude(server.path, Buffer.alloc(100_000, 0xff));
    const silent = connectSocket(server.path);
    onTestFinished(() => void silent.destroy());
    const channel = await join();
    const theirs = (await server[Symbol.asyncIterator]().next()).value!;
    await channel.send("undisturbed");
    expect(await theirs.receive()).toBe("undisturbed");
    await enough;
    expect(
      errors.every((error) => error instanceof HandshakeError || error instanceof HandshakeTimeoutError),
    ).toBe(true);
    expect(server.channels.size).toBe(1);
  });

  it("takes no notice of who only looks whether it is there", async () => {
    const { server, join, directory } = await serve();
    const errors: Error[] = [];
    server.on("peerError", (error) => errors.push(error));
    for (let probe = 0; probe < 5; probe += 1) {
      const socket = rude(server.path, "");
      await once(socket, "connect");
      socket.destroy();
      await expect(listen("n", { directory })).rejects.toThrow(/in use/);
    }
    expect((await health("n", { directory })).state).toBe("healthy");
    await join();
    expect(errors).toEqual([]);
  });

  it("does not crash where nobody listens for errors, and tells those who watch", async () => {
    const seen: unknown[] = [];
    const watch = (message: unknown) => seen.push(message);
    diagnosticsChannel.subscribe("ringbell:handshake-error", watch);
    onTestFinished(() => void diagnosticsChannel.unsubscribe("ringbell:handshake-error", watch));
    const { server, join } = await serve();
    const socket = rude(server.path, "nonsense");
    await closes(socket);
    await join();
    expect(seen).toEqual([{ path: server.path, error: expect.any(HandshakeError) }]);
  });

  it("lets in newcomers though silent ones hold on: the oldest must go", async () => {
    const { server, join } = await serve();
    const silent = [rude(server.path, "")];
    const firstGone = closes(silent[0]!);
    for (let batch = 0; batch < 13; batch += 1) {
      const sockets = Array.from({ length: 40 }, () => rude(server.path, ""));
      await Promise.all(sockets.map((socket) => once(socket, "connect")));
      silent.push(...sockets);
    }
    const channel = await join();
    expect(channel.peer.pid).toBe(process.pid);
    await firstGone;
    expect(silent.at(-1)!.destroyed).toBe(false);
  });

  it("asks authorize about every peer, and refuses without a channel", async () => {
    const roles: unknown[] = [];
    const { server, join } = await serve({
      authorize(peer) {
        roles.push(peer.role);
        return peer.role === "friend";
      },
    });
    await expect(join({ role: "foe" })).rejects.toBeInstanceOf(RefusedError);
    const channel = await join({ role: "friend" });
    expect(roles).toEqual(["foe", "friend"]);
    expect(server.channels.size).toBe(1);
    await channel.close();
  });

  it("leaves an error of a connection listener to the process, and keeps the channel", async () => {
    const { server, join } = await serve();
    const before = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    onTestFinished(() => {
      process.removeAllListeners("uncaughtException");
      for (const listener of before) process.on("uncaughtException", listener);
    });
    const thrown = new Promise((resolve) => process.once("uncaughtException", resolve));
    const failed: Error[] = [];
    server.on("peerError", (error) => failed.push(error));
    server.on("connection", () => {
      throw new Error("a fault in the program");
    });
    const channel = await join();
    expect(await thrown).toMatchObject({ message: "a fault in the program" });
    expect(failed).toEqual([]);
    expect(server.channels.size).toBe(1);
    await channel.close();
  });

  it("publishes that it opens, connects and closes to those who watch (S1.31)", async () => {
    const seen: string[] = [];
    const watch = (message: unknown, name: string | symbol) => {
      const { state, side } = message as { state?: string; side?: string };
      seen.push(`${String(name)} ${state ?? side}`);
    };
    for (const name of ["ringbell:endpoint", "ringbell:connection"]) {
      diagnosticsChannel.subscribe(name, watch);
      onTestFinished(() => void diagnosticsChannel.unsubscribe(name, watch));
    }
    const { server, join } = await serve();
    await join();
    await server.close();
    expect(seen.sort()).toEqual([
      "ringbell:connection connector",
      "ringbell:connection listener",
      "ringbell:endpoint closed",
      "ringbell:endpoint open",
    ]);
  });
});
