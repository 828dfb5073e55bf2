import { HandshakeError, NotSameMemoryError, type RingbellError, TransportError } from "../../errors.js";
import type { Region } from "../../native/binding.js";
import type { LaneGeometry } from "../contract.js";
import { ringCapacities } from "../shm/rings.js";
import { createShm } from "../shm/shm.js";
import { createStream } from "../stream/stream.js";
import type { Wire } from "../wire/wire.js";
import { isErrorFrame, readErrorFrame } from "./error-frames.js";
import { FramePipe } from "./frame-pipe.js";
import { MAIN_LANE } from "./geometry.js";
import {
  type CodecIdentities,
  type Hello,
  helloFrame,
  type LaneRequest,
  readGo,
  readWelcome,
  readyFrame,
  type Welcome,
} from "./greetings.js";
import { checkPeer, describePeer, type HandshakeSettings, isOurs, type Joined, ourClaim } from "./joining.js";
import { encodeFrame, type Frame } from "./json-frames.js";
import { ourBulkBytes, ourMeans } from "./means.js";

export interface ConnectorSettings extends HandshakeSettings {
  readonly codec: CodecIdentities;
  /** The most for lanes that are not named, in bytes; undefined: what the listener says. */
  readonly capacity: number | undefined;
  /** Undefined: all that the listener has. */
  readonly lanes: readonly LaneRequest[] | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What came of trying to map the listener's region. */
type Mapped =
  | { readonly region: Region; readonly failure?: undefined }
  | { readonly region?: undefined; readonly failure: RingbellError | undefined };

/**
 * The connector's half of the handshake. Owns the wire: either it becomes part of the connection, or it is closed.
 * Rejects with what went wrong, on this side or on the other.
 */
export async function introduce(wire: Wire, settings: ConnectorSettings): Promise<Joined> {
  const { binding, timeout, signal } = settings;
  const pipe = new FramePipe(wire, (descriptor) => binding?.closeDescriptor(descriptor), timeout, signal);
  let region: Region | undefined;
  try {
    // A listener of another user is a trap, unless we were told to expect it.
    const stranger = describePeer(wire, undefined, "");
    if (stranger.verified && settings.authorize === undefined && !isOurs(stranger)) {
      await checkPeer(stranger, undefined);
    }
    const hello = makeHello(wire, settings);
    pipe.write(fitting(hello));
    const welcome = readWelcome(await answer(pipe));
    checkWelcome(welcome, hello);
    const peer = describePeer(wire, welcome.claim, welcome.id);
    await pipe.during(checkPeer(peer, settings.authorize));

    const mapped = map(pipe, welcome, settings);
    region = mapped.region;
    pipe.write(
      readyFrame({
        nonce: region?.nonce ?? "",
        failed: mapped.failure?.code,
        message: mapped.failure?.message ?? "",
      }),
    );
    const transport = readGo(await answer(pipe, mapped.failure));
    const lanes = welcome.lanes.map((lane) => lane.name);
    if (transport === "shm") {
      if (region === undefined)
        throw new HandshakeError("the listener goes on with memory that we do not have");
      const options = {
        spin: settings.spin,
        bulkBytes: welcome.bulk,
        named: welcome.backing === "named",
        pid: peer.pid,
      };
      // A segment may have come right behind the frame.
      const passed = pipe.takeDescriptor();
      const connection = createShm(
        binding!,
        wire,
        region,
        welcome.lanes,
        false,
        options,
        pipe.finish(),
        passed,
      );
      return { connection, lanes, peer };
    }
    if (!hello.transports.includes("stream")) {
      throw new HandshakeError("the listener goes on with a transport that we did not offer");
    }
    region?.close();
    region = undefined;
    wire.unread(pipe.finish());
    return { connection: createStream(wire, welcome.lanes, welcome.bulk, peer.pid), lanes, peer };
  } catch (error) {
    pipe.finish();
    region?.close();
    wire.destroy();
    throw error;
  }
}

function makeHello(wire: Wire, settings: ConnectorSettings): Hello {
  const means = ourMeans(wire.native ? settings.binding : undefined, settings.transport, settings.backing);
  return {
    ...means,
    claim: ourClaim(settings.role),
    codec: settings.codec,
    capacity: settings.capacity,
    bulk: ourBulkBytes(settings.binding, settings.bulkBytes),
    lanes: settings.lanes,
  };
}

/** Schemas are for people: where they make the frame too long, it goes without. */
function fitting(hello: Hello): Frame {
  const frame = helloFrame(hello, true);
  return encodeFrame(frame) === undefined ? helloFrame(hello, false) : frame;
}

/** The next frame, unless it is an error. `cause`: what we know of the matter ourselves. */
async function answer(pipe: FramePipe, cause?: RingbellError): Promise<Frame> {
  const frame = (await pipe.read()) as Frame;
  if (!isErrorFrame(frame)) return frame;
  const error = readErrorFrame(frame);
  if (cause !== undefined) error.cause = cause;
  throw error;
}

/** Holds the listener to what we offered. */
function checkWelcome(welcome: Welcome, hello: Hello): void {
  const requests = new Map(hello.lanes?.map((lane) => [lane.name, lane]));
  const asked = hello.lanes === undefined ? undefined : new Set([MAIN_LANE, ...requests.keys()]);
  const names = welcome.lanes.map((lane) => lane.name);
  const tooLarge = ({ name, capacity }: LaneGeometry) =>
    capacity > (requests.get(name)?.capacity ?? hello.capacity ?? Number.POSITIVE_INFINITY);
  if (
    !hello.transports.includes(welcome.transport) ||
    (welcome.backing !== undefined && !hello.backings.includes(welcome.backing)) ||
    (asked !== undefined && (names.length !== asked.size || !names.every((name) => asked.has(name)))) ||
    welcome.lanes.some(tooLarge) ||
    welcome.bulk > hello.bulk
  ) {
    throw new HandshakeError("the listener's welcome is not what we asked for");
  }
}

function map(pipe: FramePipe, welcome: Welcome, { binding }: ConnectorSettings): Mapped {
  const descriptor = pipe.takeDescriptor();
  if (welcome.transport !== "shm" || welcome.backing !== "sealed") {
    if (descriptor !== undefined) binding?.closeDescriptor(descriptor);
  }
  if (welcome.transport !== "shm" || binding === undefined) return { failure: undefined };
  const sealed = welcome.backing === "sealed";
  if (sealed && descriptor === undefined) {
    return { failure: new NotSameMemoryError("no descriptor came with the listener's welcome") };
  }
  try {
    const capacities = ringCapacities(welcome.lanes);
    return { region: binding.regionOpen(capacities, welcome.region, sealed ? descriptor! : -1) };
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const missing = code === "ENOENT" || code === "EINVAL" || code === "EACCES";
    return {
      failure: missing
        ? new NotSameMemoryError(`the listener's shared memory is not to be found here: ${message}`, {
            cause,
          })
        : new TransportError(`can't map the listener's shared memory: ${message}`, { cause }),
    };
  }
}
