import { describe, expect, it } from "vitest";
import { struct, u32, union } from "../../../lib/codec/index.js";
import {
  HandshakeTimeoutError,
  LaneMismatchError,
  NoSpaceError,
  NotSameMemoryError,
  RefusedError,
  SchemaMismatchError,
  TransportError,
  UnknownRoleError,
} from "../../../lib/errors.js";
import type { Binding } from "../../../lib/native/binding.js";
import { type CodecIdentities, presentCodec } from "../../../lib/transport/handshake/greetings.js";
import type { Wire } from "../../../lib/transport/wire/wire.js";
import {
  binding,
  bindingWith,
  JSON_CODEC,
  join2,
  namedRegions,
  openDescriptors,
  passRecord,
  quarrel,
  shake,
  wirePair,
} from "./rig.js";

const linux = process.platform === "linux";

function codec(name: string, schema: string): CodecIdentities {
  const one = { name, fingerprint: `${name}:${schema}`, schema };
  return { send: one, receive: one };
}

function lane(name: string, capacity = 65536, identities = JSON_CODEC) {
  return { name, capacity, codecs: [identities] };
}

/** Makes the wire say that a stranger is at the other end. */
function estrange(wire: Wire, uid = 54321): Wire {
  Object.defineProperty(wire, "credentials", { value: { pid: 77, uid, gid: uid } });
  return wire;
}

function systemError(code: string): () => never {
  return () => {
    throw Object.assign(new Error(`${code}: as if`), { code, errno: 1, syscall: "mmap" });
  };
}

/** An addon that can't map; like the real one it consumes the descriptor. */
function blindBinding(code: string): Binding {
  return bindingWith({
    regionOpen(_capacities, _name, descriptor) {
      if (descriptor !== -1) binding.closeDescriptor(descriptor);
      return systemError(code)();
    },
  });
}

describe("the handshake", () => {
  it.each([
    ["shared memory", true, "shm", "auto"],
    ["the stream over native sockets", true, "stream", "stream"],
    ["the stream over node:net", false, "stream", "auto"],
  ] as const)("joins two sides by %s, both ways", async (_what, native, transport, option) => {
    const [ours, theirs] = await join2(await wirePair(native), { transport: option });
    expect(ours.connection.transport).toBe(transport);
    expect(theirs.connection.transport).toBe(transport);
    expect(ours.lanes).toMatchObject([{ name: "main", choice: 0 }]);
    expect(await passRecord(ours.connection, theirs.connection, "hello")).toBe("hello");
    const [listens, connects] = await join2(await wirePair(native), { transport: option });
    expect(await passRecord(connects.connection, listens.connection, "back")).toBe("back");
  });

  it("tells each side who the other is, as the kernel says, with one id for both (S0.42)", async () => {
    const [ours, theirs] = await join2(await wirePair(), { role: "host" }, { role: "agent" });
    const kernel = { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.(), verified: true };
    expect(ours.peer).toEqual({ ...kernel, role: "agent", id: "id-1" });
    expect(theirs.peer).toEqual({ ...kernel, role: "host", id: "id-1" });
  });

  it("says that a peer's identity is only claimed where the kernel was not asked", async () => {
    const [ours] = await join2(await wirePair(false), {}, { role: "agent" });
    expect(ours.peer).toMatchObject({ pid: process.pid, verified: false, role: "agent" });
  });

  it("gives each lane the smaller of the two wishes", async () => {
    const [ours, theirs] = await join2(
      await wirePair(),
      { lanes: [lane("main", 65536), lane("control", 8192), lane("data", 131072)] },
      {
        capacity: 32768,
        lanes: ["control", "data"].map((name) => ({
          name,
          capacity: name === "data" ? 2 ** 20 : undefined,
          codec: undefined,
        })),
      },
    );
    const sizes = theirs.connection.lanes.map(({ name, capacity }) => [name, capacity]);
    expect(sizes).toEqual([
      ["main", 32768],
      ["control", 8192],
      ["data", 131072],
    ]);
    expect(ours.connection.lanes.map(({ name, capacity }) => [name, capacity])).toEqual(sizes);
  });

  it("takes of the listener's codecs the one that the connector has, for each lane", async () => {
    const [best, other] = [codec("packed", "packed"), codec("bytes", "bytes")];
    const offer = (name: string) => ({ name, capacity: 65536, codecs: [best, JSON_CODEC] });
    const [ours] = await join2(
      await wirePair(),
      { lanes: [offer("main"), offer("a"), { ...offer("b"), codecs: [other] }] },
      {
        codec: JSON_CODEC,
        lanes: [
          { name: "a", capacity: undefined, codec: best },
          { name: "b", capacity: undefined, codec: other },
        ],
      },
    );
    expect(ours.lanes).toMatchObject([
      { name: "main", choice: 1 },
      { name: "a", choice: 0 },
      { name: "b", choice: 0 },
    ]);
  });

  it("gives all lanes to who names none, and else main and those named, in the listener's order", async () => {
    const lanes = [lane("main"), lane("a"), lane("b"), lane("c")];
    const [, all] = await join2(await wirePair(), { lanes });
    expect(all.lanes.map(({ name }) => name)).toEqual(["main", "a", "b", "c"]);
    const named = ["c", "a"].map((name) => ({ name, capacity: undefined, codec: undefined }));
    const [ours, some] = await join2(await wirePair(), { lanes }, { lanes: named });
    expect(some.lanes.map(({ name }) => name)).toEqual(["main", "a", "c"]);
    expect(ours.lanes.map(({ name }) => name)).toEqual(["main", "a", "c"]);
  });

  it("carries sixteen lanes whose schemas alone would not fit a frame", async () => {
    const wide = { name: "struct", fingerprint: "f".repeat(5000), schema: "\u0001".repeat(5000) };
    const both = { send: wide, receive: wide };
    const shown = { send: presentCodec(both.send), receive: presentCodec(both.receive) };
    const names = Array.from({ length: 16 }, (_, i) => (i === 0 ? "main" : `lane-${i}`));
    const [ours] = await join2(
      await wirePair(),
      { lanes: names.map((name) => lane(name, 4096, shown)) },
      { codec: shown, lanes: names.map((name) => ({ name, capacity: undefined, codec: shown })) },
    );
    expect(ours.lanes.map(({ name }) => name)).toEqual(names);
  });
});

describe("what goes wrong becomes the same error on both sides", () => {
  it("schemas that do not fit, each side seeing its own as ours", async () => {
    const [ours, theirs] = await quarrel(
      await wirePair(),
      { lanes: [lane("main", 65536, codec("struct", "{ id: u32 }"))] },
      { codec: codec("struct", "{ id: u64 }") },
    );
    expect(ours).toBeInstanceOf(SchemaMismatchError);
    expect(ours).toMatchObject({ ours: "struct { id: u32 }", theirs: "struct { id: u64 }" });
    expect(ours.message).toContain(
      "this side receives struct { id: u32 }, the other sends struct { id: u64 }",
    );
    expect(theirs).toBeInstanceOf(SchemaMismatchError);
    expect(theirs).toMatchObject({ ours: "struct { id: u64 }", theirs: "struct { id: u32 }" });
    expect(theirs.message).toContain(
      "this side sends struct { id: u64 }, the other receives struct { id: u32 }",
    );
  });

  it("unions that list their variants in another order, each side seeing both", async () => {
    const [bye, hello] = [struct({}), struct({ id: u32 })];
    const shown = (codec: Parameters<typeof presentCodec>[0]) => ({
      send: presentCodec(codec),
      receive: presentCodec(codec),
    });
    const [ours, theirs] = await quarrel(
      await wirePair(),
      { lanes: [lane("main", 65536, shown(union("type", { bye, hello })))] },
      { codec: shown(union("type", { hello, bye })) },
    );
    const words = ["union(type: bye {} | hello { id: u32 })", "union(type: hello { id: u32 } | bye {})"];
    expect(ours).toMatchObject({ ours: words[0], theirs: words[1] });
    expect(theirs).toMatchObject({ ours: words[1], theirs: words[0] });
    expect(theirs.message).toContain(`this side sends ${words[1]}, the other receives ${words[0]}`);
  });

  it("schemas with the same words and other fingerprints", async () => {
    const other = { name: "json", fingerprint: "json:2", schema: undefined };
    const [, theirs] = await quarrel(await wirePair(), {}, { codec: { send: other, receive: other } });
    expect(theirs.message).toContain("fingerprint json:2");
  });

  it("none of the listener's codecs, of which the last is named", async () => {
    const codecs = [codec("packed", "packed"), JSON_CODEC];
    const [ours] = await quarrel(
      await wirePair(),
      { lanes: [{ name: "main", capacity: 65536, codecs }] },
      { codec: codec("bytes", "bytes") },
    );
    expect(ours.message).toContain("this side receives json, the other sends bytes");
  });

  it("one direction that does not fit is enough", async () => {
    const mixed = { send: JSON_CODEC.send, receive: codec("bytes", "bytes").receive };
    const [ours] = await quarrel(await wirePair(), {}, { codec: mixed });
    expect(ours.message).toContain("this side sends json, the other receives bytes");
  });

  it("lanes that the listener does not have", async () => {
    const lanes = [{ name: "ctl", capacity: undefined, codec: undefined }];
    const errors = await quarrel(await wirePair(), { lanes: [lane("main"), lane("control")] }, { lanes });
    for (const error of errors) {
      expect(error).toBeInstanceOf(LaneMismatchError);
      expect(error).toMatchObject({ asked: ["ctl"], offered: ["main", "control"] });
    }
  });

  it("a role that the listener does not have, whose name is not for terminals", async () => {
    const offers = { roles: new Map([["agent", [lane("main")]]]), other: undefined };
    for (const error of await quarrel(await wirePair(), { offers }, { role: "\u001b[31mred" })) {
      expect(error).toBeInstanceOf(UnknownRoleError);
      expect(error).toMatchObject({ role: " [31mred", roles: ["agent"] });
    }
    for (const error of await quarrel(await wirePair(), { offers })) {
      expect(error).toMatchObject({ role: undefined, roles: ["agent"] });
    }
  });

  it("transports that have nothing in common", async () => {
    for (const error of await quarrel(await wirePair(), { transport: "shm" }, { transport: "stream" })) {
      expect(error).toBeInstanceOf(TransportError);
      expect(error.message).toContain("the listener offers shm, connect asks for stream");
    }
  });

  it.skipIf(!linux)("backings that have nothing in common", async () => {
    const errors = await quarrel(
      await wirePair(),
      { transport: "shm", backing: "named" },
      { backing: "sealed" },
    );
    for (const error of errors) expect(error).toBeInstanceOf(TransportError);
  });

  it("another layout of shared memory", async () => {
    const newer = bindingWith({ abiVersion: 999 });
    const errors = await quarrel(await wirePair(), { transport: "shm" }, { binding: newer });
    for (const error of errors) expect(error.message).toContain("layout 999");
    const [ours] = await join2(await wirePair(), {}, { binding: newer });
    expect(ours.connection.transport).toBe("stream");
  });

  it.each(["ENOSPC", "ENOMEM"])("no memory: %s", async (code) => {
    const full = bindingWith({ regionCreate: systemError(code) });
    for (const error of await quarrel(await wirePair(), { transport: "shm", binding: full })) {
      expect(error).toBeInstanceOf(NoSpaceError);
      expect(error).toMatchObject({ bytes: 163840 });
    }
  });

  it("memory that the connector does not find (S2.17)", async () => {
    const blind = blindBinding("ENOENT");
    const errors = await quarrel(
      await wirePair(),
      { transport: "shm", backing: "named" },
      { binding: blind },
    );
    for (const error of errors) expect(error).toBeInstanceOf(NotSameMemoryError);
    expect((errors[1].cause as Error).cause).toMatchObject({ code: "ENOENT" });
  });

  it("memory that the connector can't map for want of room", async () => {
    const poor = blindBinding("ENOMEM");
    for (const error of await quarrel(await wirePair(), { transport: "shm" }, { binding: poor })) {
      expect(error).toBeInstanceOf(TransportError);
    }
  });
});

describe("where shared memory can't be had, the stream takes over (S2.18)", () => {
  it.each([
    ["the listener has no room", { binding: bindingWith({ regionCreate: systemError("ENOSPC") }) }, {}],
    ["the connector finds no memory", {}, { binding: blindBinding("ENOENT") }],
    ["the connector has no addon", {}, { binding: undefined }],
    ["the listener has no addon", { binding: undefined }, {}],
  ])("%s", async (_what, listens, connects) => {
    const before = openDescriptors();
    const [ours, theirs] = await join2(await wirePair(), listens, connects);
    expect(ours.connection.transport).toBe("stream");
    expect(theirs.connection.transport).toBe("stream");
    expect(await passRecord(ours.connection, theirs.connection, "hello")).toBe("hello");
    expect(openDescriptors()).toBe(before + 2);
  });

  it.skipIf(!linux)("another memory is at the place where ours should be", async () => {
    const other = binding.regionCreate([65536], "");
    const elsewhere = bindingWith({
      regionOpen(_capacities, _name, descriptor) {
        binding.closeDescriptor(descriptor);
        return other;
      },
    });
    const [ours] = await join2(await wirePair(), {}, { binding: elsewhere });
    expect(ours.connection.transport).toBe("stream");
    const again = binding.regionCreate([65536], "");
    const liar = bindingWith({
      regionOpen(_capacities, _name, descriptor) {
        binding.closeDescriptor(descriptor);
        return again;
      },
    });
    const errors = await quarrel(await wirePair(), { transport: "shm" }, { binding: liar });
    for (const error of errors) expect(error).toBeInstanceOf(NotSameMemoryError);
  });
});

describe("who is let in", () => {
  it("nobody of another user, unless authorize says so (S0.27)", async () => {
    const [listener, connector] = await wirePair();
    const [ours, theirs] = await quarrel([estrange(listener), connector]);
    expect(ours).toBeInstanceOf(RefusedError);
    expect(theirs).toBeInstanceOf(RefusedError);
    expect(theirs.message).toContain("user 54321");
  });

  it("a connector does not talk to a listener of another user", async () => {
    const [listener, connector] = await wirePair();
    const [ours, theirs] = await shake([listener, estrange(connector)]);
    expect(theirs).toMatchObject({ reason: expect.any(RefusedError) });
    // Not a word was said, so the listener takes it for a probe.
    expect(ours).toEqual({ status: "fulfilled", value: undefined });
  });

  it.skipIf(!linux)("a stranger who is let in gets sealed memory, and no name", async () => {
    const [listener, connector] = await wirePair();
    const seen: unknown[] = [];
    const names: string[] = [];
    const watching = bindingWith({
      regionCreate(capacities, name) {
        names.push(name);
        return binding.regionCreate(capacities, name);
      },
    });
    const authorize = (peer: unknown) => {
      seen.push(peer);
      return true;
    };
    const [ours] = await join2(
      [estrange(listener), connector],
      { authorize, binding: watching },
      { role: "guest" },
    );
    expect(ours.connection.transport).toBe("shm");
    expect(names).toEqual([""]);
    expect(seen).toEqual([{ pid: 77, uid: 54321, gid: 54321, role: "guest", verified: true, id: "id-1" }]);
    const [other, side] = await wirePair();
    const errors = await quarrel([estrange(other), side], { authorize, transport: "shm", backing: "named" });
    expect(errors[1]).toBeInstanceOf(TransportError);
  });

  it.each([
    ["says no", () => false],
    ["says no later", async () => false],
    ["says something that is not yes", () => "yes" as unknown as boolean],
    [
      "throws",
      () => {
        throw new Error("secret");
      },
    ],
    ["rejects", () => Promise.reject(new Error("secret"))],
  ])("refuses if authorize %s, and the reason stays here", async (_what, authorize) => {
    const [ours, theirs] = await quarrel(await wirePair(), { authorize });
    expect(ours).toBeInstanceOf(RefusedError);
    expect(theirs).toBeInstanceOf(RefusedError);
    expect(theirs.message).not.toContain("secret");
  });

  it("the connector may refuse as well", async () => {
    const [, theirs] = await quarrel(await wirePair(), {}, { authorize: () => false });
    expect(theirs).toBeInstanceOf(RefusedError);
  });

  it("an authorize that never answers does not outlast the time limit", async () => {
    const never = () => new Promise<boolean>(() => {});
    const [ours, theirs] = await quarrel(await wirePair(), { authorize: never, timeout: 30 });
    expect(ours).toBeInstanceOf(HandshakeTimeoutError);
    expect(theirs).toBeInstanceOf(HandshakeTimeoutError);
  });
});

describe("what is left behind", () => {
  it("a named region has no name once both sides have it", async () => {
    const [ours, theirs] = await join2(await wirePair(), { backing: "named" });
    expect(ours.connection.transport).toBe("shm");
    expect(namedRegions()).toEqual([]);
    expect(await passRecord(ours.connection, theirs.connection, "hello")).toBe("hello");
  });

  it("no name and no descriptor after all that can fail has failed", async () => {
    const wires: [Wire, Wire][] = [];
    for (let i = 0; i < 5; i += 1) wires.push(await wirePair());
    const before = openDescriptors() - 10;
    const blind = blindBinding("ENOENT");
    await quarrel(wires[0]!, { transport: "shm", backing: "named" }, { binding: blind });
    await quarrel(wires[1]!, { transport: "shm", backing: "named" }, { authorize: () => false });
    await quarrel(wires[2]!, { transport: "shm" }, { authorize: () => false });
    await quarrel(wires[3]!, { lanes: [lane("main", 65536, codec("a", "b"))] });
    await quarrel(wires[4]!, { authorize: () => false });
    for (const wire of wires.flat()) wire.destroy();
    expect(namedRegions()).toEqual([]);
    expect(openDescriptors()).toBe(before);
  });
});
