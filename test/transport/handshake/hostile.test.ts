import { closeSync, openSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  HandshakeError,
  HandshakeTimeoutError,
  NotSameMemoryError,
  VersionError,
} from "../../../lib/errors.js";
import { introduce } from "../../../lib/transport/handshake/connector.js";
import { readErrorFrame } from "../../../lib/transport/handshake/error-frames.js";
import { FramePipe } from "../../../lib/transport/handshake/frame-pipe.js";
import { helloFrame } from "../../../lib/transport/handshake/greetings.js";
import { encodeFrame, type Frame } from "../../../lib/transport/handshake/json-frames.js";
import { acceptPeer } from "../../../lib/transport/handshake/listener.js";
import { agreeLanes } from "../../../lib/transport/handshake/negotiate.js";
import { readHello, readReady, readWelcome } from "../../../lib/transport/handshake/read-greetings.js";
import { HungUpError } from "../../../lib/transport/wire/protocol.js";
import type { Wire } from "../../../lib/transport/wire/wire.js";
import {
  connectorSettings,
  hearAll,
  JSON_CODEC,
  listenerSettings,
  namedRegions,
  openDescriptors,
  wirePair,
} from "./rig.js";

const HELLO = helloFrame(
  {
    transports: ["shm", "stream"],
    backings: ["sealed", "named"],
    abi: 2,
    claim: { pid: 1, uid: 0, gid: 0, role: undefined },
    codec: JSON_CODEC,
    capacity: undefined,
    bulk: 0,
    lanes: undefined,
  },
  true,
);

const WELCOME: Frame = {
  t: "welcome",
  version: 3,
  transport: "stream",
  region: "",
  lanes: [{ name: "main", capacity: 4096 }],
  bulk: 0,
  pid: 1,
  uid: 0,
  gid: 0,
  id: "x",
};

function send(wire: Wire, frame: Frame): void {
  wire.write(encodeFrame(frame)!);
}

/** The listener's half against bytes; its error, and what it said to the other side. */
async function serve(bytes: Uint8Array | Frame, settings = {}): Promise<{ error: unknown; said: string }> {
  const [listener, stranger] = await wirePair();
  const said = hearAll(stranger);
  stranger.write(bytes instanceof Uint8Array ? bytes : encodeFrame(bytes)!);
  const error = await acceptPeer(listener, "id", listenerSettings(settings)).catch(
    (reason: unknown) => reason,
  );
  return { error, said: await said };
}

/** The connector's half against frames of a hostile listener, sent one after another. */
async function visit(frames: readonly Frame[], settings = {}): Promise<unknown> {
  const [host, connector] = await wirePair();
  const joining = introduce(connector, connectorSettings({ timeout: 1000, ...settings }));
  for (const frame of frames) send(host, frame);
  return joining.catch((reason: unknown) => reason);
}

/** JSON as a stranger may send it: frames that look nearly right. */
function tampered(frame: Frame): fc.Arbitrary<Frame> {
  const evil = fc.oneof(
    fc.constantFrom<unknown>(
      -1,
      0.5,
      2 ** 31,
      2 ** 32,
      2 ** 53,
      1e308,
      -0,
      null,
      true,
      "",
      "main",
      "__proto__",
      {},
      [],
    ),
    fc.constant("x".repeat(5000)),
    fc.constant(Array.from({ length: 100 }, () => ({ name: "main", capacity: 4096 }))),
    fc.constant([
      { name: "main", capacity: 4096 },
      { name: "main", capacity: 4096 },
    ]),
    fc.constant([{ name: "../x", capacity: 4097 }]),
    fc.jsonValue(),
  );
  const keys = Object.keys(frame).filter((key) => key !== "t");
  return fc
    .dictionary(fc.constantFrom(...keys, "lanes", "capacity", "region", "__proto__"), evil, { minKeys: 1 })
    .map((changes) => JSON.parse(JSON.stringify({ ...frame, ...changes })) as Frame);
}

describe("a hostile connector", () => {
  it.each([
    ["noise", Buffer.from([0x16, 3, 1, 0, 200, 1, 0]), "does not speak the handshake of ringbell"],
    ["a web browser", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 'it begins with "GET / HT"'],
    ["a frame that is too long", Buffer.from("ffffffff{}"), "4294967295 bytes; at most 65536"],
    ["no JSON", Buffer.from("00000004nope"), "must be JSON in UTF-8"],
    ["no object", Buffer.from("00000002[]"), "must be a JSON object; it is an array"],
    [
      "a frame that is not due",
      { t: "ready", nonce: "" },
      'expected the handshake frame "hello"; "ready" came',
    ],
    ["a hello without anything", { t: "hello", version: 3 }, '"transports" of a handshake frame must be'],
    ["a list in place of a number", { ...HELLO, abi: [1] }, "from 0 to 4294967295; it is a list of 1"],
    [
      "a lane without a name",
      { ...HELLO, lanes: [7] },
      '"lanes[0]" of a handshake frame must be an object; it is 7',
    ],
    [
      "a lane with a path for a name",
      { ...HELLO, lanes: [{ name: "../x" }] },
      'a lane named "../x"; expected letters',
    ],
    ["the same lane twice", { ...HELLO, lanes: [{ name: "x" }, { name: "x" }] }, 'lists lane "x" twice'],
  ])("is dropped at once, and told why: %s", async (_what, bytes, words) => {
    const { error, said } = await serve(bytes as Uint8Array);
    expect(error).toBeInstanceOf(HandshakeError);
    expect((error as Error).message).toContain(words);
    expect(said).toContain("ERR_RINGBELL_HANDSHAKE");
    expect(said).toContain(JSON.stringify(words).slice(1, -1));
  });

  it.each([
    ["silence", Buffer.alloc(0)],
    ["half a length", Buffer.from("0000")],
    ["half a frame", Buffer.from('00000040{"t":"hel')],
    ["half a status query", Buffer.from("stat")],
  ])("is dropped after the time limit: %s", async (_what, bytes) => {
    const { error, said } = await serve(bytes, { timeout: 30 });
    expect(error).toBeInstanceOf(HandshakeTimeoutError);
    expect(said).toContain("ERR_RINGBELL_HANDSHAKE_TIMEOUT");
  });

  it("may say hello and then nothing: its region and name are gone after the limit", async () => {
    const before = openDescriptors();
    const { error } = await serve(HELLO, { timeout: 30, backing: "named" });
    expect(error).toBeInstanceOf(HandshakeTimeoutError);
    expect(namedRegions()).toEqual([]);
    expect(openDescriptors()).toBeLessThanOrEqual(before + 1);
  });

  it("may hang up after its hello: its region and name are gone at once", async () => {
    const [listener, stranger] = await wirePair();
    send(stranger, HELLO);
    const accepting = acceptPeer(listener, "id", listenerSettings({ backing: "named" }));
    stranger.setHandler({ onData: () => stranger.destroy(), onDrain() {}, onEnd() {} });
    await expect(accepting).rejects.toBeInstanceOf(HungUpError);
    expect(namedRegions()).toEqual([]);
  });

  it("of another version is told so, whatever else its hello says (S2.14)", async () => {
    const { error, said } = await serve({ t: "hello", version: 4, transports: "of the future" });
    expect(error).toMatchObject({ ours: 3, theirs: 4 });
    expect(error).toBeInstanceOf(VersionError);
    expect(said).toContain('"version":3');
  });

  it("can't pass the proof by a nonce of its own", async () => {
    const { error } = await serve(
      Buffer.concat([encodeFrame(HELLO)!, encodeFrame({ t: "ready", nonce: "0".repeat(32) })!]),
      { transport: "shm" },
    );
    expect(error).toBeInstanceOf(NotSameMemoryError);
  });

  it("can't leave us its descriptors", async () => {
    const [listener, stranger] = await wirePair();
    const before = openDescriptors();
    const passed = openSync("/dev/null", "r");
    const bytes = encodeFrame(HELLO)!;
    // One with every piece, so that some arrive with each read.
    for (let at = 0; at < bytes.length; at += 40) stranger.write(bytes.subarray(at, at + 40), passed);
    closeSync(passed);
    const accepting = acceptPeer(listener, "id", listenerSettings({ transport: "stream" }));
    stranger.setHandler({
      onData: () => stranger.write(encodeFrame({ t: "ready", nonce: "" })!),
      onDrain() {},
      onEnd() {},
    });
    const joined = await accepting;
    expect(openDescriptors()).toBe(before);
    await joined!.connection.close();
  });

  it("can't make the listener hoard what it sends ahead", async () => {
    const [listener, stranger] = await wirePair();
    const authorize = () => new Promise<boolean>(() => {});
    const accepting = acceptPeer(listener, "id", listenerSettings({ authorize, timeout: 50 }));
    send(stranger, HELLO);
    stranger.write(new Uint8Array(16 * 1024 * 1024));
    await expect(accepting).rejects.toBeInstanceOf(HandshakeTimeoutError);
    // Most of it never left the stranger.
    expect(stranger.buffered).toBeGreaterThan(8 * 1024 * 1024);
  });

  it("finds no hello that does anything but fail with an error of ours, or pass", () => {
    const offers = [{ name: "main", capacity: 65536, codecs: [JSON_CODEC] }];
    fc.assert(
      fc.property(tampered(HELLO), (frame) => {
        try {
          const hello = readHello(frame);
          const lanes = agreeLanes(hello, offers);
          expect(lanes.every((lane) => lane.capacity >= 4096 && lane.capacity <= 65536)).toBe(true);
        } catch (error) {
          expect((error as { code?: string }).code).toMatch(
            /^ERR_RINGBELL_(HANDSHAKE|VERSION|LANES|SCHEMA)$/,
          );
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("finds no ready frame that does anything else", () => {
    fc.assert(
      fc.property(tampered({ t: "ready", nonce: "", failed: "", message: "" }), (frame) => {
        try {
          readReady(frame);
        } catch (error) {
          expect(error).toBeInstanceOf(HandshakeError);
        }
      }),
    );
  });
});

describe("a hostile listener", () => {
  it("finds no welcome that does anything but fail with an error of ours, or pass", () => {
    fc.assert(
      fc.property(tampered(WELCOME), (frame) => {
        try {
          const { lanes, region } = readWelcome(frame);
          expect(lanes[0]!.name).toBe("main");
          expect(lanes.length).toBeLessThanOrEqual(16);
          expect(region).not.toContain("..");
        } catch (error) {
          expect((error as { code?: string }).code).toMatch(/^ERR_RINGBELL_(HANDSHAKE|VERSION)$/);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    [
      "memory under any name it likes",
      { transport: "shm", backing: "named", region: "/etc/passwd" },
      'memory has the name "/etc/passwd"; expected "/ringbell-…"',
    ],
    [
      "sealed memory with a name",
      { transport: "shm", backing: "sealed", region: "/ringbell-1" },
      'gives sealed memory the name "/ringbell-1"; expected none',
    ],
    [
      "an unknown backing",
      { transport: "shm", backing: "paper" },
      'the backing "paper"; expected "sealed" or "named"',
    ],
    ["an unknown transport", { transport: "pigeon" }, 'the transport "pigeon"; expected "shm" or "stream"'],
    [
      "a capacity that is no power of two",
      { lanes: [{ name: "main", capacity: 5000 }] },
      'gives lane "main" a capacity of 5000 bytes; expected a power of two',
    ],
    [
      "a larger capacity than asked for",
      { lanes: [{ name: "main", capacity: 131072 }] },
      'for lane "main" a capacity of 131072 bytes; this side offered 65536',
    ],
    [
      "lanes that nobody asked for",
      {
        lanes: [
          { name: "main", capacity: 4096 },
          { name: "x", capacity: 4096 },
        ],
      },
      "chose the lanes main, x; this side offered main",
    ],
    [
      "no main lane",
      { lanes: [{ name: "other", capacity: 4096 }] },
      'begins with the lane "other"; expected "main"',
    ],
    ["no lane", { lanes: [] }, 'begins with the lane ""; expected "main"'],
    ["more bytes for blocks than offered", { bulk: 2 ** 40 }, "chose for blocks 1099511627776 bytes"],
  ])("can't make the connector take %s", async (_what, changes, words) => {
    const error = await visit([{ ...WELCOME, ...changes }], { capacity: 65536, lanes: [] });
    expect(error).toBeInstanceOf(HandshakeError);
    expect((error as Error).message).toContain(words);
  });

  it("can't make it go on with shared memory that it does not have, or a stream that it does not want", async () => {
    const visits = [
      [[WELCOME, { t: "go", transport: "shm" }], {}, "shared memory, which this side has not mapped"],
      [[WELCOME], { transport: "shm" }, "chose the transport stream; this side offered shm"],
      [[WELCOME, { t: "go", transport: "pigeon" }], {}, 'the transport "pigeon"; expected'],
    ] as const;
    for (const [frames, settings, words] of visits) {
      const error = await visit(frames, settings);
      expect(error).toBeInstanceOf(HandshakeError);
      expect((error as Error).message).toContain(words);
    }
  });

  it("that offers sealed memory and sends none gets the stream, or an error", async () => {
    const offer = { ...WELCOME, transport: "shm", backing: "sealed" };
    const [host, connector] = await wirePair();
    const joining = introduce(connector, connectorSettings());
    send(host, offer);
    const pipe = new FramePipe(host, () => {}, 1000);
    await pipe.read();
    expect(await pipe.read()).toMatchObject({ t: "ready", failed: "ERR_RINGBELL_NOT_SAME_MEMORY" });
    send(host, { t: "go", transport: "stream" });
    pipe.finish();
    const { connection } = await joining;
    expect(connection.transport).toBe("stream");
    await connection.close();
  });

  it("that passes a descriptor of something else gets nothing mapped, and it is closed", async () => {
    const [host, connector] = await wirePair();
    const before = openDescriptors();
    const joining = introduce(connector, connectorSettings({ timeout: 1000 })).catch(
      (error: unknown) => error,
    );
    const passed = openSync("/dev/null", "r");
    host.write(encodeFrame({ ...WELCOME, transport: "shm", backing: "sealed" })!, passed);
    closeSync(passed);
    const pipe = new FramePipe(host, () => {}, 1000);
    await pipe.read();
    expect(await pipe.read()).toMatchObject({ failed: "ERR_RINGBELL_NOT_SAME_MEMORY" });
    pipe.finish();
    host.destroy();
    expect(await joining).toBeInstanceOf(HungUpError);
    expect(openDescriptors()).toBe(before - 2);
  });

  it("that says nothing is given up after the time limit, or by the signal", async () => {
    expect(await visit([], { timeout: 30 })).toBeInstanceOf(HandshakeTimeoutError);
    const reason = new Error("enough");
    expect(await visit([], { signal: AbortSignal.abort(reason) })).toBe(reason);
    const controller = new AbortController();
    const visiting = visit([WELCOME], { signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    expect(await visiting).toBe(reason);
  });

  it("can't put control characters into our messages, or crash us by an error frame", () => {
    const cleaned = readErrorFrame({ t: "error", code: "ERR_RINGBELL_REFUSED", message: "\u001b[2Jno\nway" });
    expect(cleaned.message).toBe(" [2Jno way");
    const anything = fc.record({
      code: fc.string(),
      message: fc.jsonValue(),
      ours: fc.jsonValue(),
      asked: fc.jsonValue(),
    });
    const codes = ["VERSION", "SCHEMA", "LANES", "NO_SPACE", "REFUSED"].map((code) => `ERR_RINGBELL_${code}`);
    fc.assert(
      fc.property(anything, fc.constantFrom(...codes), (frame, code) => {
        expect(readErrorFrame({ ...frame, code })).toBeInstanceOf(Error);
      }),
    );
  });
});
