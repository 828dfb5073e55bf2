import { once } from "node:events";
import { text } from "ringbell";
import { describe, expect, it } from "vitest";
import { collect, fill, pair, peer, reported, script, transports } from "./setup.js";

describe.each(transports)("the end of a channel over %s", (transport) => {
  it("is told to both sides: ended here, peer-closed there, once", async () => {
    const { a, b } = await pair<string>(transport);
    const events: string[] = [];
    a.on("close", (reason, error) => events.push(`a ${reason} ${error}`));
    b.on("close", (reason, error) => events.push(`b ${reason} ${error}`));
    await Promise.all([a.close(), a.close()]);
    expect(await a.closed).toEqual({ reason: "ended", error: undefined });
    expect(await b.closed).toEqual({ reason: "peer-closed", error: undefined });
    await b.close();
    b.destroy();
    expect(events.sort()).toEqual(["a ended undefined", "b peer-closed undefined"]);
    expect(a.state).toBe("closed");
  });

  it("comes after what was sent before: to a listener, a loop, and who asks", async () => {
    for (const consume of ["listener", "loop", "receive", "many"] as const) {
      const { a, b } = await pair<number>(transport);
      for (let n = 0; n < 500; n++) a.trySend(n);
      await a.close();
      const got: number[] = [];
      if (consume === "listener") {
        b.on("message", (n) => got.push(n));
        await once(b, "close");
      } else {
        await b.closed;
        if (consume === "loop") for await (const n of b) got.push(n);
        if (consume === "many") got.push(...b.receiveMany(1000));
        if (consume === "receive") {
          await expect(
            (async () => {
              for (;;) got.push(await b.receive());
            })(),
          ).rejects.toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
        }
      }
      expect(got).toEqual(Array.from({ length: 500 }, (_, n) => n));
      b.removeAllListeners("message");
      expect(b.tryReceive()).toBeUndefined();
      await expect(b.receive()).rejects.toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
      if (transport === "stream") continue;
      expect(() => b.receiveSync()).toThrow(expect.objectContaining({ code: "ERR_RINGBELL_CLOSED" }));
    }
  });

  it("drops what has arrived when this side closes after the peer", async () => {
    const { a, b } = await pair<number>(transport);
    for (let n = 0; n < 100; n++) a.trySend(n);
    await a.close();
    await b.closed;
    expect(b.tryReceive()).toBe(0);
    await b.close();
    expect(b.tryReceive()).toBeUndefined();
    expect(await b.closed).toEqual({ reason: "peer-closed", error: undefined });
  });

  it("settles every pending promise of both sides", async () => {
    const { a, b } = await pair<string>(transport, { codec: text(), capacity: 4096, lanes: { other: {} } });
    fill(a);
    const closed = expect.objectContaining({ code: "ERR_RINGBELL_CLOSED" });
    const pending = [
      expect(a.send("waiting")).rejects.toEqual(closed),
      expect(a.flush()).rejects.toEqual(closed),
      expect(a.receive()).rejects.toEqual(closed),
      expect(a.lane("other").receive()).rejects.toEqual(closed),
      expect(b.lane("other")[Symbol.asyncIterator]().next()).resolves.toEqual({
        done: true,
        value: undefined,
      }),
    ];
    a.destroy();
    await Promise.all(pending);
    expect(() => a.trySend("x")).toThrow(closed);
    await expect(a.send("x")).rejects.toEqual(closed);
    if (transport === "shm") expect(() => a.sendSync("x")).toThrow(closed);
    await expect(a.flush()).rejects.toEqual(closed);
    await expect(a.receive()).rejects.toEqual(closed);
    await b.closed;
    expect(() => b.trySend("x")).toThrow(closed);
    for await (const _ of a) throw new Error("nothing comes any more");
  });

  it("waits in close for sends that wait, as long as the time allows", async () => {
    const { a, b } = await pair<string>(transport, { codec: text(), capacity: 4096 });
    const sent = fill(a);
    const waiting = a.send("the last");
    const closing = a.close();
    expect(a.state).toBe("closing");
    expect(() => a.trySend("too late")).toThrow(expect.objectContaining({ code: "ERR_RINGBELL_CLOSED" }));
    await expect(a.send("too late")).rejects.toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
    const got = collect(b, sent + 1);
    await Promise.all([waiting, closing]);
    expect((await got).at(-1)).toBe("the last");

    const again = await pair<string>(transport, { codec: text(), capacity: 4096 });
    fill(again.a);
    const lost = expect(again.a.send("never")).rejects.toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
    await again.a.close({ timeout: 20 });
    await lost;

    const third = await pair<string>(transport, { codec: text(), capacity: 4096 });
    fill(third.a);
    const dropped = expect(third.a.send("never")).rejects.toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
    const impatient = new AbortController();
    const closingLong = third.a.close({ timeout: Number.POSITIVE_INFINITY, signal: impatient.signal });
    impatient.abort(new Error("no time"));
    await expect(closingLong).rejects.toThrow("no time");
    await dropped;
    expect((await third.b.closed).reason).toMatch(/^peer-/);
  });

  it("can be made in every handler", async () => {
    for (const handler of ["message", "drain", "close"] as const) {
      const { a, b } = await pair<string>(transport, { codec: text(), capacity: 4096 });
      a.on(handler as "drain", () => void a.close());
      if (handler === "drain") fill(a);
      b.on("message", () => {});
      b.trySend("m");
      if (handler === "close") b.destroy();
      await a.closed;
      await b.closed;
    }
  });

  it("passes the error of destroy to those who wait, and to close", async () => {
    const { a, b } = await pair<string>(transport);
    const failure = new Error("no longer wanted");
    const receiving = expect(a.receive()).rejects.toBe(failure);
    a.destroy(failure);
    a.destroy(new Error("another"));
    await receiving;
    expect(await a.closed).toEqual({ reason: "ended", error: failure });
    expect((await b.closed).reason).toBe("peer-closed");
  });

  it("is peer-died when the peer is killed, after whole messages only (S0.36)", async () => {
    const { child, channel } = await peer(
      transport,
      `for (let n = 0; ; n++) await channel.send({ n, text: "x".repeat(n % 300) });`,
    );
    const got: { n: number; text: string }[] = [];
    let code: unknown;
    try {
      for await (const message of channel) {
        got.push(message as never);
        if (got.length === 3000) child.kill("SIGKILL");
      }
    } catch (error) {
      code = (error as { code: string }).code;
    }
    expect(code).toBe("ERR_RINGBELL_PEER_DIED");
    expect((await channel.closed).reason).toBe("peer-died");
    expect(got.length).toBeGreaterThanOrEqual(3000);
    expect(got.every(({ n, text }, i) => n === i && text.length === n % 300)).toBe(true);
    await expect(channel.receive()).rejects.toMatchObject({ code: "ERR_RINGBELL_PEER_DIED" });
  });

  it.runIf(transport === "shm")(
    "wakes a thread that waits in receiveSync when the peer is killed, and when it closes",
    async () => {
      for (const how of ["SIGKILL", "close"]) {
        const { child, channel, ended } = await peer(
          transport,
          `channel.sendSync("ready");
        try { channel.receiveSync(); } catch (error) { report(error.code); }`,
        );
        // The roles are turned round: the child waits, and we go.
        expect(await channel.receive()).toBe("ready");
        if (how === "close") await channel.close();
        else {
          const { child: other, channel: toOther } = await peer(
            transport,
            `channel.sendSync("here"); setInterval(() => {}, 1000);`,
          );
          expect(toOther.receiveSync()).toBe("here");
          setTimeout(() => other.kill("SIGKILL"), 10);
          const waiter = new Promise((resolve) => setImmediate(resolve));
          await waiter;
          await channel.close();
          await toOther.closed;
        }
        const { output } = await ended;
        expect(output).toContain("ERR_RINGBELL_CLOSED");
        expect(child.exitCode).toBe(0);
      }
    },
  );

  it("is peer-died when the peer exits in the middle of a message handler, and its messages arrive", async () => {
    const { channel, ended } = await peer(
      transport,
      // A stream gathers what is sent in one turn: there a flush says that it is out.
      transport === "shm"
        ? `channel.on("message", () => { channel.trySend("one"); channel.sendSync("two"); process.exit(7); });`
        : `channel.once("message", async () => { channel.trySend("one"); channel.trySend("two"); await channel.flush(); process.exit(7); });`,
    );
    const got = collect(channel, 2);
    for (let i = 0; i < 10; i++) channel.trySend("go");
    expect(await got).toEqual(["one", "two"]);
    expect((await channel.closed).reason).toBe("peer-died");
    expect((await ended).code).toBe(7);
  });

  it("lets the process end when the channel is closed, or unref'd", async () => {
    const closing = await peer(transport, `channel.on("message", () => channel.close());`);
    closing.channel.trySend("now");
    expect((await closing.ended).code).toBe(0);
    const unrefd = await peer(transport, `channel.on("message", () => {}); channel.unref(); report("bye");`);
    expect((await unrefd.ended).code).toBe(0);
    expect((await unrefd.channel.closed).reason).toBe("peer-died");
    const refd = await peer(
      transport,
      `channel.unref(); channel.ref(); channel.on("message", () => { report("got it"); channel.close(); }); report("up");`,
    );
    await reported(refd.child);
    refd.channel.trySend("x");
    expect((await refd.ended).output).toContain("got it");
  });

  it("is no unhandled rejection of a send that nobody awaits", async () => {
    const { channel, ended } = await peer(
      transport,
      `channel.on("message", (m) => { channel.send("re " + m); channel.send("and " + m); });
      await channel.closed;
      await new Promise((resolve) => setTimeout(resolve, 20));
      channel.send("after all");
      await channel.send("awaited").catch((error) => report(error.code));`,
    );
    for (let i = 0; i < 50; i++) channel.trySend(i);
    channel.destroy();
    const { code, output } = await ended;
    expect(output).toBe("ERR_RINGBELL_CLOSED\n");
    expect(code).toBe(0);
  });

  it("leaves the listener's other channels alone", async () => {
    const { a, b } = await pair<string>(transport);
    const { child, channel } = await peer(transport, `setInterval(() => {}, 1000);`);
    child.kill("SIGKILL");
    await channel.closed;
    a.trySend("still here");
    expect(await b.receive()).toBe("still here");
  });
});

describe("processes without the addon", () => {
  it("talk over the stream, and say so", async () => {
    const { channel } = await peer(
      "stream",
      `channel.on("message", (m) => channel.trySend({ echo: m }));`,
      {},
      { RINGBELL_NO_ADDON: "1" },
    );
    channel.trySend("hello");
    expect(await channel.receive()).toEqual({ echo: "hello" });
  });

  it("get a typed error from a synchronous method that would have to wait", async () => {
    const { channel, ended } = await peer(
      "stream",
      `try { channel.receiveSync(); } catch (error) { report(error.code); } await channel.close();`,
      {},
      { RINGBELL_NO_ADDON: "1" },
    );
    expect((await ended).output).toContain("ERR_RINGBELL_SYNC_UNAVAILABLE");
    await channel.closed;
  });

  it("are told why shared memory can't be had", async () => {
    const { ended } = script(
      `try { await ringbell.listen("x", { transport: "shm", directory: "/tmp" }); } catch (error) { report(error.code + " " + error.message); }`,
      { RINGBELL_NO_ADDON: "1" },
    );
    expect((await ended).output).toMatch(/ERR_RINGBELL_(TRANSPORT|ADDON) .*RINGBELL_NO_ADDON/);
  });
});
