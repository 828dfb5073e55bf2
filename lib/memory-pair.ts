import { randomUUID } from "node:crypto";
import { Channel } from "./channel/channel.js";
import type { LanesOf, MainReceive, MainSend, NoLanes, ReceiveOf, SendOf } from "./channel/lane-types.js";
import type { LanesOption } from "./channel/options.js";
import { listenSettings, type OfferedLane, offeredLanes } from "./channel/settings.js";
import { checkOptions } from "./check.js";
import type { CodecOption } from "./codec/resolve.js";
import type { Peer } from "./port.js";
import { createStream } from "./transport/stream/stream.js";
import { memoryWires } from "./transport/wire/memory-wire.js";
import type { Wire } from "./transport/wire/wire.js";

/** The options of `memoryPair`: those of `listen`, for the first end. The second end has the codecs the other way round. */
export interface MemoryPairOptions<
  Codec extends CodecOption<never, unknown> | undefined = CodecOption<never, unknown> | undefined,
  Lanes extends LanesOption = LanesOption,
> {
  readonly codec?: Codec;
  readonly lanes?: Lanes | undefined;
  readonly capacity?: number | undefined;
  readonly maxMessageBytes?: number | undefined;
  readonly maxBulkBytes?: number | undefined;
  readonly bulkThreshold?: number | undefined;
}

/** A pair of codecs as the other side has it. */
type Turned<Option> = Option extends { readonly send: infer Send; readonly receive: infer Receive }
  ? { readonly send: Receive; readonly receive: Send }
  : Option;

type TurnedEntry<Entry> = Entry extends { readonly codec: infer Option }
  ? { readonly codec: Turned<Option> }
  : Entry;

type TurnedLanes<Lanes> = string extends keyof Lanes
  ? Lanes
  : { readonly [Name in keyof Lanes]: TurnedEntry<Lanes[Name]> };

type End<Send, Receive, Lanes> = Channel<
  MainSend<Lanes, Send>,
  MainReceive<Lanes, Receive>,
  LanesOf<Lanes, Send, Receive>
>;

/** The channel of a codec or a pair of codecs. */
type CodecEnd<Option, Lanes> = End<
  SendOf<{ readonly codec: Option }, unknown>,
  ReceiveOf<{ readonly codec: Option }, unknown>,
  Lanes
>;

/**
 * Makes two channels that are joined within this process, for tests: without socket, other process or shared
 * memory.
 *
 * The pair is the stream transport with memory in place of its socket, so all else is as between two
 * processes. Messages go through their codecs, so the ends share no object. They arrive in a later turn of
 * the event loop, and there is backpressure. Blocks are private memory, and are copied on the way. The
 * methods named …`Sync` throw a SyncUnavailableError. The pair does not keep the process alive.
 *
 * The third element is a function that cuts the two apart, as if the process at the other end had been
 * killed. Both ends then close with the reason `peer-died`.
 *
 * Throws an InvalidArgumentError or an UnknownOptionError.
 */
export function memoryPair<Option extends CodecOption<never, unknown>, Lanes extends LanesOption = NoLanes>(
  options: MemoryPairOptions<Option, Lanes> & { readonly codec: Option },
): [one: CodecEnd<Option, Lanes>, other: CodecEnd<Turned<Option>, TurnedLanes<Lanes>>, cut: () => void];
export function memoryPair<Send = unknown, Receive = Send, Lanes extends LanesOption = LanesOption>(
  options?: MemoryPairOptions<undefined, Lanes>,
): [one: End<Send, Receive, Lanes>, other: End<Receive, Send, TurnedLanes<Lanes>>, cut: () => void];
export function memoryPair(options: MemoryPairOptions = {}): [one: Channel, other: Channel, cut: () => void] {
  checkOptions(options, OPTIONS, "options");
  const settings = listenSettings(options, {});
  const lanes = offeredLanes(settings);
  const { wires, cut } = memoryWires();
  const peer: Peer = {
    pid: process.pid,
    uid: process.geteuid?.() ?? -1,
    gid: process.getegid?.() ?? -1,
    role: undefined,
    verified: true,
    id: randomUUID(),
  };
  const { limits, handshake } = settings;
  const end = (wire: Wire, ofEnd: readonly OfferedLane[]) =>
    new Channel({
      connection: createStream(wire, ofEnd, handshake.bulkBytes, peer.pid),
      lanes: ofEnd.map(({ name, codecs }) => ({ name, codec: codecs[0]! })),
      peer,
      limits,
    });
  return [end(wires[0], lanes), end(wires[1], lanes.map(turned)), cut];
}

const OPTIONS = ["codec", "lanes", "capacity", "maxMessageBytes", "maxBulkBytes", "bulkThreshold"];

function turned(lane: OfferedLane): OfferedLane {
  return { ...lane, codecs: lane.codecs.map(({ send, receive }) => ({ send: receive, receive: send })) };
}
