import { once } from "node:events";
import type { Socket } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { tryBinding } from "../../lib/native/load.js";
import { longestPayload, recordBytes } from "../../lib/transport/contract.js";
import { createStream } from "../../lib/transport/stream.js";
import { ASK, CLOSING, RECORD, REFUSED, TAKEN } from "../../lib/transport/stream-frames.js";
import { End, payload, post, readRecords, turns } from "./contract/harness.js";
import { netPair, rawPair } from "./wires.js";

const CAPACITY = 4096;
const LANES = [
  { name: "main", capacity: CAPACITY },
  { name: "other", capacity: CAPACITY },
];

function frame(type: number, lane = 0, bytes: Uint8Array = new Uint8Array(0), length = bytes.length): Buffer {
  const all = Buffer.alloc(recordBytes(bytes.length));
  all.writeUInt32LE(length, 0);
  all[4] = lane;
  all[5] = type;
  all.set(bytes, 8);
  return all;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

const reserved = frame(RECORD);
reserved[6] = 1;
const full = Buffer.concat(
  Array.from({ length: CAPACITY / 1024 }, () => frame(RECORD, 0, Buffer.alloc(1016))),
);

const FAULTS: readonly (readonly [string, Buffer])[] = [
  ["a frame of type 0", frame(0)],
  ["a frame of an unknown type", frame(77)],
  ["a lane that does not exist", frame(RECORD, 2)],
  ["reserved bytes that are set", reserved],
  ["a record longer than the lane's limit", frame(RECORD, 0, undefined, longestPayload(CAPACITY) + 1)],
  ["a record of 4 GiB", frame(RECORD, 0, undefined, 0xffffffff)],
  ["more records than the window lets in", Buffer.concat([full, frame(RECORD)])],
  ["a report of bytes that were never sent", frame(TAKEN, 0, u32(8))],
  ["a report of more than was sent", frame(TAKEN, 1, u32(1 << 30))],
  ["a report of nothing", frame(TAKEN, 0, u32(0))],
  ["a report of an odd length", frame(TAKEN, 0, Buffer.alloc(8))],
  ["a request with a payload", frame(ASK, 0, Buffer.alloc(8))],
  ["a closing frame with a lane", frame(CLOSING, 1)],
  ["text", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
];

const wires = [["node:net", "net"] as const, ["the addon", tryBinding()] as const];

describe.each(wires)("a stream over %s", (_, wire) => {
  if (wire === undefined) {
    it.skip("needs the addon", () => {});
    return;
  }
  const open: End[] = [];
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await Promise.all(open.splice(0).map((end) => end.connection.close("closed")));
  });

  async function victim(): Promise<readonly [End, Socket]> {
    const [connected, socket] = await rawPair(wire!);
    const end = new End(createStream(connected, LANES)).start();
    open.push(end);
    sockets.push(socket);
    return [end, socket];
  }

  it.each(FAULTS)("ends with an error at %s, and says so to the peer", async (_, bytes) => {
    const [end, socket] = await victim();
    socket.write(frame(RECORD, 1, payload(1, 10)));
    const reply: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => reply.push(chunk));
    socket.resume();
    socket.write(bytes);
    await end.ended();
    expect(end.ends).toEqual([{ why: "protocol-error", code: "ERR_RINGBELL_CORRUPT" }]);
    expect(end.lane(1).drain(1)).toBe(0);
    await end.connection.close("closed");
    while (Buffer.concat(reply).length < 8) await once(socket, "data");
    expect(Buffer.concat(reply)).toEqual(frame(REFUSED));
  });

  it("that gets garbage leaves the others in the process alone", async () => {
    const pair = (await netPair()).map((each) => new End(createStream(each, LANES)).start());
    open.push(...pair);
    const [a, b] = pair as [End, End];
    b.lane().wantRecords(true);
    await a.send(payload(1, 100));
    for (const [, bytes] of FAULTS) {
      const [end, socket] = await victim();
      socket.on("error", () => {});
      socket.write(bytes);
      await end.ended();
      await a.send(payload(2, 50));
    }
    await b.received(1 + FAULTS.length);
    expect([a.ends, b.ends]).toEqual([[], []]);
  });

  it("takes a fault after a record as it does at first, at every cut of the bytes", async () => {
    const bytes = Buffer.concat([frame(RECORD, 1, payload(1, 3)), frame(TAKEN, 0, u32(16))]);
    for (let cut = 1; cut < bytes.length; cut += 3) {
      const [end, socket] = await victim();
      post(end.lane(0), payload(1, 8));
      end.lane(1).wantRecords(true);
      socket.write(bytes.subarray(0, cut));
      await turns(2);
      socket.write(bytes.subarray(cut));
      await end.received(1, 1);
      expect(end.log(1).records).toEqual([payload(1, 3)]);
      socket.write(frame(TAKEN, 0, u32(1)));
      await end.ended();
      expect(end.ends[0]?.why).toBe("protocol-error");
    }
  });

  it.each([
    ["within a header", frame(RECORD, 0, payload(1, 10)).subarray(0, 5)],
    ["within a record", frame(RECORD, 0, payload(1, 10)).subarray(0, 20)],
    ["between two frames", Buffer.alloc(0)],
  ])("calls it the peer's death when the socket ends %s", async (_, bytes) => {
    const [end, socket] = await victim();
    socket.end(Buffer.concat([frame(RECORD, 0, payload(2, 9)), bytes]));
    await end.ended();
    expect(end.ends.map((each) => each.why)).toEqual(["peer-died"]);
    expect(end.lane().drain(5)).toBe(1);
    expect(readRecords(end.lane().inbox, 1)).toEqual([payload(2, 9)]);
  });

  it("survives whatever bytes come, and ends by itself or with the socket", async () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .tuple(fc.nat(7), fc.nat(3), fc.uint8Array({ maxLength: 60 }), fc.option(fc.nat(5000)))
        .map(([type, lane, bytes, length]) => frame(type, lane, bytes, length ?? bytes.length)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 30 }), fc.boolean(), async (pieces, wanted) => {
        const [end, socket] = await victim();
        socket.on("error", () => {});
        for (const lane of end.connection.lanes) lane.wantRecords(wanted);
        for (const bytes of pieces) socket.write(bytes);
        socket.end();
        await end.ended();
        for (const lane of end.connection.lanes) lane.drain(1000);
        await end.connection.close("closed");
        socket.destroy();
      }),
      { numRuns: 60 },
    );
  });
});
