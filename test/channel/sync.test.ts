import { describe, expect, it } from "vitest";
import { pair, peer, privateDirectory, reported, script, transports } from "./setup.js";

const unavailable = expect.objectContaining({
  name: "SyncUnavailableError",
  code: "ERR_RINGBELL_SYNC_UNAVAILABLE",
  message: expect.stringMatching(/shared memory/),
});

describe("the methods that block the thread, over a stream", () => {
  it("are refused at once, also where there is a message, or room", async () => {
    const { a, b } = await pair<string>("stream", { lanes: { other: {} } });
    await a.send("one");
    const other = a.lane("other");
    expect(() => a.sendSync("two")).toThrow(unavailable);
    expect(() => a.sendManySync(["two", "three"])).toThrow(unavailable);
    expect(() => a.sendManySync([])).toThrow(unavailable);
    expect(() => b.receiveSync()).toThrow(unavailable);
    expect(() => b.receiveSync({ timeout: 0 })).toThrow(unavailable);
    expect(() => b.receiveManySync(5)).toThrow(unavailable);
    expect(() => other.sendSync("two")).toThrow(unavailable);
    expect(() => other.receiveSync()).toThrow(unavailable);
    // Nothing has happened.
    expect(await b.receive()).toBe("one");
    expect(b.tryReceive()).toBeUndefined();
    expect(a.stats().lanes.map((lane) => lane.sentMessages)).toEqual([1, 0]);
  });

  it("are refused as well after the end", async () => {
    const { a, b } = await pair<string>("stream");
    await a.close();
    await b.closed;
    for (const channel of [a, b]) {
      expect(() => channel.sendSync("x")).toThrow(unavailable);
      expect(() => channel.receiveSync()).toThrow(unavailable);
    }
  });

  it("are refused in a process without the addon", async () => {
    const { channel, ended } = await peer(
      "stream",
      `const codes = [];
      for (const call of [
        () => channel.sendSync("x"), () => channel.sendManySync(["x"]),
        () => channel.receiveSync({ timeout: 10 }), () => channel.receiveManySync(1, { timeout: 10 }),
      ]) try { call(); } catch (error) { codes.push(error.code); }
      await channel.send(codes);
      await channel.close();`,
      {},
      { RINGBELL_NO_ADDON: "1" },
    );
    expect(await channel.receive()).toEqual(Array(4).fill("ERR_RINGBELL_SYNC_UNAVAILABLE"));
    expect((await ended).code).toBe(0);
  });
});

describe("a program that only tries, over a stream", () => {
  it("is answered though it never comes to its event loop", async () => {
    const { channel } = await peer(
      "stream",
      `for (;;) {
        const message = channel.tryReceive();
        if (message === "stop") break;
        if (message !== undefined) while (!channel.trySend({ echo: message }));
      }
      await channel.close();`,
    );
    for (let i = 0; i < 100; i++) {
      await channel.send(i);
      expect(await channel.receive()).toEqual({ echo: i });
    }
    await channel.send("stop");
    expect((await channel.closed).reason).toBe("peer-closed");
  });
});

describe.each(transports)("a program that only tries, over %s", (transport) => {
  /** Loops that never come to the event loop, and end when they hear of the peer's end. */
  const LOOPS = {
    tryReceive: `while (channel.state === "open") if (channel.tryReceive() !== undefined) got++;`,
    receiveMany: `while (channel.state === "open") got += channel.receiveMany(10).length;`,
    trySend: `try { for (;;) channel.trySend("x".repeat(1000)); } catch (error) { report(error.code); }`,
    trySendMany: `try { for (;;) channel.trySendMany(["x", "y"]); } catch (error) { report(error.code); }`,
  };

  it.each(Object.keys(LOOPS) as (keyof typeof LOOPS)[])(
    "hears in a loop of %s that its peer died",
    async (name) => {
      const directory = privateDirectory();
      const listening = script(
        `const server = await ringbell.listen("l", ${JSON.stringify({ directory, transport })});
      report("listening");
      const channel = await server.accept();
      let got = 0;
      channel.trySend("ready");
      ${LOOPS[name]}
      // What had arrived is there after the end.
      while (channel.tryReceive() !== undefined) got++;
      report(channel.state + " " + got);
      process.exit(0);`,
      );
      await reported(listening.child);
      const connecting = script(
        `const channel = await ringbell.connect("l", { directory: ${JSON.stringify(directory)} });
      await channel.receive();
      for (let i = 0; i < 1000; i++) await channel.send(i);
      ${name.startsWith("trySend") ? "" : "await channel.flush();"}
      process.kill(process.pid, "SIGKILL");`,
      );
      await connecting.ended;
      const { code, output } = await listening.ended;
      expect(code).toBe(0);
      expect(output).toContain(name.startsWith("trySend") ? "PEER_DIED" : "closed 1000");
    },
  );
});
