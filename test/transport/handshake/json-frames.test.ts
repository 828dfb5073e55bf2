import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HandshakeError } from "../../../lib/errors.js";
import { encodeFrame, FRAME_LIMIT, JsonFrameReader } from "../../../lib/transport/handshake/json-frames.js";

function framed(text: string, length = Buffer.byteLength(text)): Buffer {
  return Buffer.from(length.toString(16).padStart(8, "0") + text);
}

describe("frames", () => {
  it("carry the true length of the body, in bytes (S1.25)", () => {
    const bytes = Buffer.from(encodeFrame({ t: "hellö" })!);
    expect(bytes.toString()).toBe('0000000e{"t":"hellö"}');
    expect(Number.parseInt(bytes.toString("latin1", 0, 8), 16)).toBe(bytes.length - 8);
  });

  it("arrive whole however they are split and merged, also within a character", () => {
    const frame = fc.record({ t: fc.constant("hello"), text: fc.string({ unit: "grapheme" }) });
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(40)), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map((one) => encodeFrame(one)!));
        const reader = new JsonFrameReader();
        const read: unknown[] = [];
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          reader.push(bytes.subarray(at, at + cut));
          at += cut;
          for (let one = reader.next(false); one !== undefined; one = reader.next(false)) read.push(one);
        }
        expect(read).toEqual(frames);
        expect(reader.rest().length).toBe(0);
      }),
    );
  });

  it("leave the bytes behind them alone", () => {
    const reader = new JsonFrameReader();
    reader.push(Buffer.concat([framed('{"t":"go"}'), Buffer.from([1, 2, 3])]));
    expect(reader.next(false)).toEqual({ t: "go" });
    expect([...reader.rest()]).toEqual([1, 2, 3]);
  });

  it("keep a copy of the chunk, which is overwritten after the call", () => {
    const chunk = framed('{"t":"go"}');
    const reader = new JsonFrameReader();
    reader.push(chunk.subarray(0, 12));
    chunk.copy(chunk, 0, 12);
    reader.push(chunk.subarray(0, 6));
    expect(reader.next(false)).toEqual({ t: "go" });
  });

  it.each([
    ["a web browser", Buffer.from("GET / HTTP/1.1\r\n")],
    ["upper-case digits", Buffer.from("0000000A")],
    ["a sign", Buffer.from("+0000002{}")],
    ["zeros", Buffer.alloc(1)],
    ["a body that is too long", Buffer.from((FRAME_LIMIT + 1).toString(16).padStart(8, "0"))],
    ["the longest length", Buffer.from("ffffffff")],
    ["no JSON", framed("nonsense")],
    ["nothing", framed("")],
    ["no object", framed("[]")],
    ["null", framed("null")],
    ["a length that cuts the body", framed('{"t":"go"}', 5)],
    ["what is not UTF-8", Buffer.concat([Buffer.from("00000002"), Buffer.from([0xc3, 0x28])])],
    ["a deep nest", framed("[".repeat(60_000))],
  ])("refuse %s as soon as it is there", (_what, bytes) => {
    const reader = new JsonFrameReader();
    reader.push(bytes);
    expect(() => reader.next(true)).toThrow(HandshakeError);
  });

  it("are not made longer than the limit", () => {
    expect(encodeFrame({ text: "x".repeat(FRAME_LIMIT) })).toBeUndefined();
  });
});

describe("the status query (S1.8)", () => {
  it.each(["status\n", "status\r\n"])("is recognised, byte by byte: %j", (text) => {
    const reader = new JsonFrameReader();
    for (const [i, byte] of [...Buffer.from(text)].entries()) {
      reader.push(Uint8Array.of(byte));
      expect(reader.next(true)).toBe(i === text.length - 1 ? "status" : undefined);
    }
  });

  it.each(["stat!", "status!", "status \n", "STATUS\n"])("is nothing else: %j", (text) => {
    const reader = new JsonFrameReader();
    reader.push(Buffer.from(text));
    expect(() => reader.next(true)).toThrow(HandshakeError);
  });

  it("is no part of a handshake that has begun", () => {
    const reader = new JsonFrameReader();
    reader.push(Buffer.from("status\n"));
    expect(() => reader.next(false)).toThrow(HandshakeError);
  });
});
