import { listen } from "ringbell";
import { describe, expect, it } from "vitest";
import { privateDirectory, script } from "./setup.js";

const kinds = ["shm", "stream", "stream without the addon"];
const ends = { "process.exit": "process.exit(0)", SIGKILL: 'process.kill(process.pid, "SIGKILL")' };
const sends = {
  "each awaited": "for (const m of messages) await channel.send(m);",
  "awaited together": "await Promise.all(messages.map((m) => channel.send(m)));",
  sendMany: "await channel.sendMany(messages);",
};

async function left(kind: string, code: string): Promise<unknown[]> {
  const directory = privateDirectory();
  const transport = kind.split(" ")[0] as "shm" | "stream";
  const server = await listen("exit", { directory, transport, capacity: 1024 * 1024 });
  const { ended } = script(
    `const channel = await ringbell.connect("exit", { directory: ${JSON.stringify(directory)} });
const start = await channel.receive();
const messages = Array.from({ length: start.count }, (_, n) => String(n).padEnd(start.length));
${code}`,
    kind.includes("without") ? { RINGBELL_NO_ADDON: "1" } : {},
  );
  const channel = await server.accept();
  const got: unknown[] = [];
  channel.on("message", (message) => got.push(message));
  await channel.send({ count: 200, length: 3000 });
  await channel.closed;
  await ended;
  await server.close();
  return got;
}

const expected = Array.from({ length: 200 }, (_, n) => String(n).padEnd(3000));

describe.each(kinds)("%s: a process that ends at once", (kind) => {
  describe.each(Object.entries(ends))("by %s", (_, end) => {
    it.each(Object.entries(sends))("leaves every message whose send has resolved: %s", async (_, send) => {
      expect(await left(kind, `${send}\n${end}`)).toEqual(expected);
    });
  });

  it("leaves what trySend took in the same turn, by process.exit", async () => {
    expect(
      await left(
        kind,
        "for (const m of messages.slice(0, 20)) channel.trySend(m.slice(0, 100)); process.exit(0)",
      ),
    ).toEqual(expected.slice(0, 20).map((text) => text.slice(0, 100)));
  });
});

describe("a send over a stream", () => {
  it("resolves if the peer goes first, as over shared memory", async () => {
    const directory = privateDirectory();
    const server = await listen("lost", { directory, transport: "stream", capacity: 4 * 1024 * 1024 });
    const { child } = script(
      `const channel = await ringbell.connect("lost", { directory: ${JSON.stringify(directory)} });
process.kill(process.pid, "SIGSTOP");`,
    );
    const channel = await server.accept();
    const sends = Array.from({ length: 100 }, () => channel.send("x".repeat(20_000)));
    child.kill("SIGKILL");
    await Promise.all(sends);
    await expect(channel.send("late")).rejects.toMatchObject({ code: "ERR_RINGBELL_PEER_DIED" });
    await server.close();
  });
});
