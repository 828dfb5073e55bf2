import { closeSync, openSync } from "node:fs";
import { HandshakeError, RefusedError, TransportError } from "../../errors.js";
import type { Binding } from "../../native/binding.js";
import type { LaneGeometry } from "../contract.js";
import type { Wire } from "../wire/wire.js";
import { isErrorFrame, readErrorFrame } from "./error-frames.js";
import { readInteger, readObject, readObjects, readOptionalString, readString } from "./fields.js";
import { FramePipe } from "./frame-pipe.js";
import { LARGEST_CAPACITY, MOST_LANES, SMALLEST_CAPACITY } from "./geometry.js";
import { type CodecIdentity, LONGEST_FINGERPRINT, LONGEST_NAME, LONGEST_SCHEMA } from "./greetings.js";
import { checkPeer, describePeer, isOurs } from "./joining.js";
import type { Frame } from "./json-frames.js";

/**
 * How a listener shows the memory of a channel to a process that only watches. In place of `hello` it is asked `show`, with the id of a
 * channel. It answers with `shown` and a descriptor that can only be read. From then on the two have nothing to do with each other.
 */

const LONGEST_ID = 64;

/** A lane of a channel that is shown. */
export interface ShownLane extends LaneGeometry {
  /** The codecs of both directions, from the listener's point of view. */
  readonly codec: { readonly send: CodecIdentity; readonly receive: CodecIdentity };
}

/** The memory of a channel, for those that only watch. */
export interface Shown {
  readonly descriptor: number;
  /** Without the lane of the blocks, which is the last of the region. */
  readonly lanes: readonly ShownLane[];
}

export function isShowFrame(frame: Frame): boolean {
  return frame.t === "show";
}

/**
 * The listener's half. `show` returns the memory of a channel by its id, or throws why it does not. Only a process of our own user gets it,
 * whatever `authorize` allows.
 */
export async function showMemory(
  wire: Wire,
  pipe: FramePipe,
  frame: Frame,
  show: (id: string) => Shown,
): Promise<void> {
  if (!isOurs(wire, undefined)) await checkPeer(describePeer(wire, undefined, ""), false, undefined);
  const { descriptor, lanes } = show(readString(frame, "id", LONGEST_ID));
  let readable: number;
  try {
    // The other process gets an open file of its own, which can't be mapped for writing.
    readable = openSync(`/proc/self/fd/${descriptor}`, "r");
  } catch (cause) {
    throw new TransportError("the memory can't be opened for reading: watching needs /proc, and thus Linux", {
      cause,
    });
  }
  try {
    pipe.write({ t: "shown", lanes }, readable);
    await pipe.drained();
  } finally {
    closeSync(readable);
  }
}

/**
 * Asks the listener at the other end of the wire for the memory of a channel. The caller owns the descriptor. Rejects with the listener's
 * RefusedError or TransportError, or with a HandshakeError. Closes the wire.
 */
export async function askForMemory(
  wire: Wire,
  binding: Binding,
  id: string,
  timeout: number,
): Promise<Shown> {
  const pipe = new FramePipe(wire, (descriptor) => binding.closeDescriptor(descriptor), timeout);
  try {
    pipe.write({ t: "show", id });
    const frame = (await pipe.read()) as Frame;
    if (isErrorFrame(frame)) throw readErrorFrame(frame);
    if (frame.t !== "shown") throw new HandshakeError("the listener does not know how to show its memory");
    const lanes = readObjects(frame, "lanes", MOST_LANES).map(readLane);
    if (lanes.length === 0) throw new HandshakeError("the listener shows a channel without lanes");
    const descriptor = pipe.takeDescriptor();
    if (descriptor === undefined) throw new HandshakeError("the listener sent no descriptor");
    return { descriptor, lanes };
  } finally {
    pipe.finish();
    wire.destroy();
  }
}

function readLane(lane: Frame): ShownLane {
  const codec = readObject(lane, "codec");
  const capacity = readInteger(lane, "capacity", SMALLEST_CAPACITY, LARGEST_CAPACITY);
  if ((capacity & (capacity - 1)) !== 0)
    throw new HandshakeError(`a capacity of ${capacity} is no power of two`);
  return {
    name: readString(lane, "name", LONGEST_NAME),
    capacity,
    codec: { send: readCodec(readObject(codec, "send")), receive: readCodec(readObject(codec, "receive")) },
  };
}

function readCodec(codec: Frame): CodecIdentity {
  return {
    name: readString(codec, "name", LONGEST_NAME),
    fingerprint: readString(codec, "fingerprint", LONGEST_FINGERPRINT),
    schema: readOptionalString(codec, "schema", LONGEST_SCHEMA),
  };
}

/** The error of a channel that is not shown. */
export function notShown(
  why: "not allowed" | "no such channel" | "not in shared memory",
): RefusedError | TransportError {
  switch (why) {
    case "not allowed":
      return new RefusedError(
        "the process does not let others watch its messages; it must be started with RINGBELL_TAP=1, or listen with the option tap: true",
      );
    case "no such channel":
      return new RefusedError("the channel has ended, or there never was one of this id");
    case "not in shared memory":
      return new TransportError(
        "the channel has no memory that can be shown: only sealed shared memory can be watched, which needs Linux and the addon on both sides",
      );
  }
}
