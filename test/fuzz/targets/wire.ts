// The handshake of either side, and the frames of a stream behind it, by a peer that says what the input says, cut anywhere.
//
// A handshake ends with a connection or a typed error, at the latest when the peer hangs up. A channel ends with a typed error, or goes on;
// and what waits for a program that takes nothing is bounded.
import { Channel } from "../../../lib/channel/channel.js";
import { json, packed } from "../../../lib/codec/index.js";
import { releaseBlocks } from "../../../lib/codec/release-blocks.js";
import {
  LaneMismatchError,
  NoSpaceError,
  NotSameMemoryError,
  RefusedError,
  RingbellError,
  SchemaMismatchError,
  TransportError,
  UnknownRoleError,
  VersionError,
} from "../../../lib/errors.js";
import type { Connection } from "../../../lib/transport/contract.js";
import { introduce } from "../../../lib/transport/handshake/connector.js";
import { errorFrame } from "../../../lib/transport/handshake/error-frames.js";
import { type CodecIdentities, goFrame, presentCodec } from "../../../lib/transport/handshake/greetings.js";
import { encodeFrame, type Frame } from "../../../lib/transport/handshake/json-frames.js";
import { acceptPeer } from "../../../lib/transport/handshake/listener.js";
import {
  ASK,
  BLOCK,
  CHUNK,
  CLOSING,
  FREED,
  frameWord,
  RECORD,
  REFUSED,
  TAKEN,
} from "../../../lib/transport/stream/frame-layout.js";
import { createStream } from "../../../lib/transport/stream/stream.js";
import { WireBase } from "../../../lib/transport/wire/base.js";
import { PROTOCOL_VERSION } from "../../../lib/transport/wire/protocol.js";
import type { Wire } from "../../../lib/transport/wire/wire.js";
import { encode } from "../../codec/support.js";
import { advance, reset, settle } from "../driver/virtual-clock.js";
import { check, Input, split } from "./input.js";

const CAPACITY = 4096;
const BULK = 1 << 16;
const TIMEOUT = 5000;

/** A wire whose other end is the input. */
class InputWire extends WireBase implements Wire {
  readonly native = false;
  readonly credentials = undefined;
  readonly buffered = 0;
  written = 0;
  isGone = false;

  come(chunk: Uint8Array): void {
    // The chunk is overwritten, as a real one is.
    const copy = Uint8Array.from(chunk);
    if (!this.ended) this.deliver(copy);
    copy.fill(0xee);
  }
  hangUp(): void {
    this.finish(undefined);
  }
  write(bytes: Uint8Array): void {
    this.written += bytes.length;
  }
  takeDescriptor(): undefined {}
  poll(): void {}
  detach(): number {
    return -1;
  }
  toSocket(): never {
    this.destroy();
    return { unshift() {} } as never;
  }
  ref(): void {}
  unref(): void {}
  end(): Promise<void> {
    this.destroy();
    return Promise.resolve();
  }
  destroy(): void {
    this.isGone = true;
    this.finishSilently();
  }
  protected readingChanged(): void {}
}

const codecs = [json(), packed()];
const identities: CodecIdentities[] = codecs.map((codec) => ({
  send: presentCodec(codec),
  receive: presentCodec(codec),
}));
const common = {
  binding: undefined,
  transport: "auto",
  backing: undefined,
  spin: 0,
  authorize: undefined,
  role: undefined,
  bulkBytes: BULK,
  timeout: TIMEOUT,
} as const;

const claim = { pid: 1, space: undefined, uid: -1, gid: -1, role: undefined };
const hello = {
  t: "hello",
  version: PROTOCOL_VERSION,
  transports: ["stream"],
  backings: [],
  abi: 0,
  ...claim,
  codec: identities[0],
  capacity: CAPACITY,
  bulk: BULK,
  lanes: [{ name: "main" }, { name: "side", capacity: CAPACITY, codec: identities[1] }],
  more: false,
};
const welcome = {
  t: "welcome",
  version: PROTOCOL_VERSION,
  transport: "stream",
  region: "",
  lanes: [
    { name: "main", capacity: CAPACITY },
    { name: "side", capacity: CAPACITY },
  ],
  bulk: BULK,
  ...claim,
  id: "x",
};
const OTHERS: readonly Frame[] = [
  { t: "ready", nonce: "" },
  { t: "ready", failed: "ERR_RINGBELL_TRANSPORT", message: "no" },
  goFrame("stream"),
  goFrame("shm"),
  ...[
    new SchemaMismatchError("m", "a", "b"),
    new LaneMismatchError(["a"], ["main"]),
    new UnknownRoleError("r", ["a"]),
    new NoSpaceError("m", 5),
    new RefusedError("m"),
    new VersionError(1, 2),
    new TransportError("m"),
    new NotSameMemoryError("m"),
  ].map(errorFrame),
  { t: "show", id: "x" },
];
const KEYS = [
  ...Object.keys(hello),
  ...split("t region backing id nonce failed message transport code ours theirs name send receive"),
  ...split("fingerprint schema limit asked offered error json stream main"),
];

/** One frame of the handshake, more or less as it should be. */
function greeting(input: Input, usual: object): Uint8Array {
  switch (input.below(8)) {
    case 0:
      return input.bytes(64);
    case 1:
      return Buffer.from(
        input.pick(["status\n", "{", "[1]\n", "GET / HTTP/1.1\r\n", "00000002{}", "0001ffff{"]),
      );
    case 2:
      return encodeFrame(input.spoil(input.pick(OTHERS), KEYS))!;
    case 3:
      return Buffer.from(`${input.text(8)}${JSON.stringify(input.json(KEYS))}`);
    default:
      return encodeFrame(input.spoil(usual, KEYS))!;
  }
}

const TYPES = [RECORD, TAKEN, ASK, CLOSING, REFUSED, BLOCK, CHUNK, FREED];

function frame(length: number, lane: number, type: number, kind: number, payload: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(8 + padded(payload.length));
  bytes.writeUInt32LE(length >>> 0, 0);
  bytes.writeUInt32LE(frameWord(type, lane, kind) >>> 0, 4);
  bytes.set(payload, 8);
  return bytes;
}

/** A frame of the stream, often one that is allowed. */
function streamFrame(input: Input): Uint8Array {
  const lane = input.below(8) === 0 ? input.byte() : input.below(2);
  switch (input.below(10)) {
    case 0:
      return input.bytes(100);
    case 1: {
      const payload = input.bytes(100);
      return frame(payload.length, lane, input.pick(TYPES), input.below(4), payload);
    }
    case 2: {
      // A block, its bytes, and the record that brings it.
      const content = input.bytes(64);
      const block = Buffer.alloc(16);
      block.writeUInt32LE(input.below(8) === 0 ? input.number() >>> 0 : content.length, 0);
      block.writeUInt32LE(input.below(6), 8);
      return Buffer.concat([
        frame(16, lane, BLOCK, 0, block),
        frame(content.length, lane, CHUNK, 0, content),
        streamRecord(input, lane, 2 + input.below(2)),
      ]);
    }
    case 3: {
      const numbers = Buffer.alloc(24);
      for (let at = 0; at < 24; at += 4) numbers.writeUInt32LE(input.below(200), at);
      const [type, bytes] = input.pick([
        [TAKEN, 8],
        [FREED, 24],
        [BLOCK, 16],
      ] as const);
      if (input.below(4) > 0) numbers.writeUInt32LE(0, bytes - 4);
      return frame(bytes, lane, type, 0, numbers.subarray(0, bytes));
    }
    case 4:
      return frame(0, lane, input.pick([ASK, CLOSING, REFUSED]), 0, new Uint8Array());
    case 5: {
      // A long record, which is JSON.
      const payload = Buffer.alloc(1 + input.below(2200), " ");
      payload[payload.length - 1] = 0x31;
      return frame(payload.length, lane, RECORD, 0, payload);
    }
    default:
      return streamRecord(input, lane, input.below(6) === 0 ? input.below(5) : 0);
  }
}

const messages = [{ a: 1, text: "hello" }, [1, 2, 3], "x".repeat(60), null].map((message) =>
  codecs.map((codec) => encode(codec, message)),
);

function streamRecord(input: Input, lane: number, kind: number): Uint8Array {
  const payload =
    input.below(2) === 0 ? input.bytes(100) : (input.pick(messages)[lane] ?? input.pick(messages)[0]!);
  const length = input.below(12) === 0 ? input.number() : payload.length;
  return frame(length, lane, RECORD, kind, payload);
}

/** The lane of a record that is whole, and its bytes on the wire; 0 bytes if it is none. */
function recordIn(bytes: Uint8Array): { readonly lane: number; readonly size: number } {
  const isWhole = bytes.length >= 8 && bytes[5] === RECORD && bytes.length === 8 + padded(u32(bytes));
  return { lane: bytes[4] ?? 0, size: isWhole ? bytes.length : 0 };
}

const u32 = (bytes: Uint8Array): number => Buffer.from(bytes.subarray(0, 4)).readUInt32LE();
const padded = (length: number): number => Math.ceil(length / 8) * 8;

/** Sends chunks to the wire, cut where the input says. */
function say(input: Input, wire: InputWire, bytes: Uint8Array): void {
  const cut = input.below(3) === 0 ? input.below(bytes.length + 1) : bytes.length;
  wire.come(bytes.subarray(0, cut));
  settle();
  if (cut === bytes.length) return;
  wire.come(bytes.subarray(cut));
  settle();
}

/** A program's channel over the connection, which the input talks to until it ends. */
function converse(input: Input, wire: InputWire, connection: Connection, names: readonly string[]): void {
  const channel = new Channel({
    connection,
    lanes: names.map((name, at) => ({ name, codec: { send: codecs[at]!, receive: codecs[at]! } })),
    peer: { pid: undefined, uid: -1, gid: -1, role: undefined, verified: false, id: "x" },
    limits: { maxMessageBytes: undefined, bulkThreshold: undefined } as never,
  });
  let reason: string | undefined;
  void channel.closed.then((info) => {
    reason = info.reason;
    check(info.error === undefined || info.error instanceof RingbellError, `a typed end; ${info.error}`);
  });
  const isIdle = input.below(4) === 0;
  const come = names.map(() => 0);
  for (const name of names) {
    const lane = channel.lane(name);
    if (!isIdle) lane.on("message", (message: unknown) => releaseBlocks(message));
    lane.on("error", (error: Error) =>
      check(error instanceof RingbellError, `a typed error; ${error.stack}`),
    );
  }
  settle();
  while (input.more && reason === undefined) {
    switch (input.below(8)) {
      case 0:
        try {
          channel.trySend(input.json(["a", "b"]));
        } catch (error) {
          if (!(error instanceof RingbellError)) throw error;
        }
        break;
      case 1:
        advance(input.below(200));
        break;
      default: {
        const bytes = streamFrame(input);
        say(input, wire, bytes);
        const { lane, size } = recordIn(bytes);
        if (lane < come.length) come[lane]! += size;
      }
    }
    settle();
    // A program that takes nothing: its memory is bounded.
    const isBounded = come.every((bytes) => bytes <= CAPACITY);
    check(!isIdle || isBounded || reason !== undefined, `${come.join(" and ")} bytes wait`);
  }
  wire.hangUp();
  settle();
  if (reason === undefined) channel.destroy();
  settle();
  advance(60_000);
  check(reason !== undefined, "a channel ends when its peer has hung up");
}

export function run(bytes: Uint8Array): void {
  reset();
  const input = new Input(bytes);
  const wire = new InputWire();
  const mode = input.below(3);
  if (mode === 2) {
    const lanes = ["main", "side"].map((name) => ({ name, capacity: CAPACITY }));
    converse(input, wire, createStream(wire, lanes, input.below(4) === 0 ? 0 : BULK), ["main", "side"]);
    return;
  }
  const settings = {
    ...common,
    offers: {
      roles: new Map(),
      other: [
        { name: "main", capacity: CAPACITY, codecs: identities },
        { name: "side", capacity: CAPACITY, codecs: [identities[1]!] },
      ],
    },
    onLines: input.below(2) === 0 ? undefined : () => {},
    tap: false,
    show(): never {
      throw new RingbellError("nothing is shown");
    },
    status: () => ({ pid: 1 }),
  };
  const connecting = {
    ...common,
    codec: identities[0]!,
    capacity: undefined,
    lanes: [
      { name: "main", capacity: undefined, codec: undefined },
      { name: "side", capacity: CAPACITY, codec: identities[1]! },
    ],
    signal: undefined,
  };
  let ended = false;
  let joined: Awaited<ReturnType<typeof introduce>> | undefined;
  (mode === 0 ? acceptPeer(wire, "id", settings) : introduce(wire, connecting)).then(
    (result) => {
      ended = true;
      joined = result;
    },
    (error) => {
      ended = true;
      check(error instanceof RingbellError, `a typed failure; ${error.stack}`);
    },
  );
  settle();
  const usual = mode === 0 ? [hello, { t: "ready", nonce: "" }] : [welcome, goFrame("stream")];
  for (let at = 0; !ended && input.more; at++) {
    if (input.below(16) === 0) advance(TIMEOUT + 1);
    say(input, wire, greeting(input, usual[at] ?? hello));
  }
  if (joined !== undefined) {
    converse(
      input,
      wire,
      joined.connection,
      joined.lanes.map(({ name }) => name),
    );
    return;
  }
  wire.hangUp();
  settle();
  check(ended, "a handshake ends when the peer has hung up");
}

export function* seeds(): Iterable<Uint8Array> {
  for (const mode of [0, 1, 2]) {
    for (const more of [0, 3, 5, 9]) {
      yield Buffer.concat([Buffer.of(mode, 1), Buffer.alloc(60, more)]);
      yield Buffer.concat([
        Buffer.of(mode, 0, 0),
        Buffer.from(Array.from({ length: 40 }, () => [7, 1, 0, 5, 0, 3, 232]).flat()),
      ]);
      yield Buffer.concat([
        Buffer.of(mode, 1),
        Buffer.from(Array.from({ length: 90 }, (_, at) => (at * more) % 11)),
      ]);
    }
  }
}
