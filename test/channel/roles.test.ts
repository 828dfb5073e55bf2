import { describe, expect, it, onTestFinished } from "vitest";
import { connect } from "../../lib/channel/connect.js";
import { listen } from "../../lib/channel/listen.js";
import type { ConnectOptions, LanesOption } from "../../lib/channel/options.js";
import { bytes } from "../../lib/codec/bytes.js";
import { u32 } from "../../lib/codec/fields.js";
import { json } from "../../lib/codec/json.js";
import { struct } from "../../lib/codec/struct.js";
import { text } from "../../lib/codec/text.js";
import {
  ClosedError,
  InvalidArgumentError,
  LaneMismatchError,
  RefusedError,
  SchemaMismatchError,
  UnknownRoleError,
} from "../../lib/errors.js";
import { privateDirectory, script, transports } from "./setup.js";

const Tick = struct({ at: u32 });
const roles = {
  agent: { codec: json<{ task: string }>(), lanes: { video: { codec: bytes() } } },
  monitor: { codec: Tick, capacity: 4096 },
};

async function join<Send, Receive, Lanes extends LanesOption>(
  directory: string,
  options: ConnectOptions<Send, Receive, Lanes>,
) {
  const channel = await connect("desk", { directory, retry: false, ...options });
  onTestFinished(() => channel.close());
  return channel;
}

describe.each(transports)("a listener with roles, over %s", (transport) => {
  async function open() {
    const directory = privateDirectory();
    const desk = await listen("desk", { directory, transport, roles });
    onTestFinished(() => desk.close());
    return { desk, directory };
  }

  it("has other messages and lanes for each, at the same time", async () => {
    const { desk, directory } = await open();
    const agent = await join(directory, { role: "agent", ...roles.agent });
    const monitor = await join(directory, { role: "monitor", codec: Tick });
    const seen: string[] = [];
    for await (const channel of desk) {
      seen.push(channel.role);
      expect(channel.peer.role).toBe(channel.role);
      if (channel.role === "agent") {
        await channel.send({ task: "look" });
        await channel.lane("video").send(new Uint8Array([1, 2]));
      } else {
        await channel.send({ at: 7 });
        expect([Object.keys(channel.lanes), channel.capacity]).toEqual([[], 4096]);
      }
      if (seen.length === 2) break;
    }
    expect(seen).toEqual(["agent", "monitor"]);
    expect(await agent.receive()).toEqual({ task: "look" });
    expect(await agent.lane("video").receive()).toEqual(new Uint8Array([1, 2]));
    expect(await monitor.receive()).toEqual({ at: 7 });
    expect([agent.transport, agent.role, monitor.role]).toEqual([transport, undefined, undefined]);
  });

  it("lets in another process by the role that it says it has", async () => {
    const { desk, directory } = await open();
    const { ended } = script(
      `const { u32, struct } = ringbell;
      const codec = struct({ at: u32 });
      const channel = await ringbell.connect("desk", { directory: ${JSON.stringify(directory)}, role: "monitor", codec });
      for await (const { at } of channel) await channel.send({ at: at + 1 });`,
    );
    const monitor = await desk.accept({ role: "monitor" });
    await monitor.send({ at: 1 });
    expect(await monitor.receive()).toEqual({ at: 2 });
    await monitor.close();
    expect(await ended).toMatchObject({ code: 0, output: "" });
  });

  it("compares schemas and lanes with those of the role", async () => {
    const { directory } = await open();
    const wrongCodec = join(directory, { role: "monitor" });
    await expect(wrongCodec).rejects.toBeInstanceOf(SchemaMismatchError);
    const wrongLane = join(directory, { role: "monitor", codec: Tick, lanes: { video: { codec: bytes() } } });
    await expect(wrongLane).rejects.toBeInstanceOf(LaneMismatchError);
  });

  it.each([["viewer"], [undefined], ["constructor"], ["__proto__"], ["agent "]])(
    "turns away a peer of the role %j, and tells it which there are",
    async (role) => {
      const { desk, directory } = await open();
      const told = new Promise((resolve) => desk.once("peerError", resolve));
      const error = await join(directory, { role, ...roles.agent }).catch((reason: unknown) => reason);
      for (const one of [error, await told]) {
        expect(one).toBeInstanceOf(UnknownRoleError);
        expect(one).toMatchObject({ code: "ERR_RINGBELL_UNKNOWN_ROLE", role, roles: ["agent", "monitor"] });
        expect((one as Error).message).toContain("agent, monitor");
      }
      expect(desk.channels.size).toBe(0);
    },
  );
});

describe("roles", () => {
  async function open() {
    const directory = privateDirectory();
    const desk = await listen("desk", {
      directory,
      codec: text(),
      lanes: { log: {} },
      roles: { agent: { lanes: {} }, default: {} },
    });
    onTestFinished(() => desk.close());
    return { desk, directory };
  }

  it("that are not named get the entry default, which leaves what the whole says", async () => {
    const { desk, directory } = await open();
    await join(directory, { role: "viewer", codec: text() });
    await join(directory, { codec: text() });
    await join(directory, { role: "agent", codec: text() });
    const all = [await desk.accept(), await desk.accept(), await desk.accept()];
    expect(all.map(({ role, peer }) => [role, peer.role])).toEqual([
      ["default", "viewer"],
      ["default", undefined],
      ["agent", "agent"],
    ]);
    expect(all.map(({ lanes }) => Object.keys(lanes))).toEqual([["log"], ["log"], []]);
  });

  it("are accepted one by one: the others wait for those who want them", async () => {
    const { desk, directory } = await open();
    const codec = text();
    await join(directory, { role: "first", codec });
    await join(directory, { role: "second", codec });
    const agent = desk.accept({ role: "agent" });
    const viewers = [await desk.accept({ role: "default" }), await desk.accept()];
    expect(viewers.map(({ peer }) => peer.role)).toEqual(["first", "second"]);
    const next = desk.accept();
    const later = desk.accept({ role: "default" });
    await join(directory, { role: "agent", codec });
    await join(directory, { role: "third", codec });
    await join(directory, { role: "fourth", codec });
    expect((await agent).peer.role).toBe("agent");
    expect((await next).peer.role).toBe("third");
    expect((await later).peer.role).toBe("fourth");
  });

  it("that nobody comes with are waited for until the signal, or the end of the server", async () => {
    const { desk, directory } = await open();
    const abort = new AbortController();
    const given = desk.accept({ role: "agent", signal: abort.signal });
    const left = desk.accept({ role: "agent" });
    abort.abort(new Error("enough"));
    await expect(given).rejects.toThrow("enough");
    await join(directory, { codec: text() });
    await desk.close();
    await expect(left).rejects.toBeInstanceOf(ClosedError);
    await expect(desk.accept({ role: "agent" })).rejects.toBeInstanceOf(ClosedError);
  });

  it("that the listener does not have can't be accepted, and none where it has no such option", async () => {
    const { desk, directory } = await open();
    const other = desk.accept({ role: "other" as never });
    await expect(other).rejects.toThrow("options.role must be one of agent, default; it is");
    await expect(other).rejects.toBeInstanceOf(InvalidArgumentError);
    const plain = await listen("plain", { directory });
    onTestFinished(() => plain.close());
    await expect(plain.accept({ role: "agent" })).rejects.toThrow(
      /left out: this server has no option roles/,
    );
  });

  it("are a claim: who may have one is for authorize to say, which is asked before they are told", async () => {
    const directory = privateDirectory();
    const asked: unknown[] = [];
    const desk = await listen("desk", {
      directory,
      roles: { admin: {}, guest: {} },
      authorize: ({ role }) => {
        asked.push(role);
        return role === "guest";
      },
    });
    onTestFinished(() => desk.close());
    await expect(join(directory, { role: "admin" })).rejects.toBeInstanceOf(RefusedError);
    await expect(join(directory, { role: "nobody" })).rejects.toBeInstanceOf(RefusedError);
    await join(directory, { role: "guest" });
    expect((await desk.accept({ role: "guest" })).role).toBe("guest");
    expect(asked).toEqual(["admin", "nobody", "guest"]);
  });
});
