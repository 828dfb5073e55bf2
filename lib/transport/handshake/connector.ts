import { HandshakeError, NotSameMemoryError, type RingbellError, TransportError } from "../../errors.js";
import type { Region } from "../../native/binding.js";
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
  readyFrame,
  type Welcome,
} from "./greetings.js";
import { checkPeer, describePeer, type HandshakeSettings, isOurs, type Joined, ourClaim } from "./joining.js";
import { encodeFrame, type Frame } from "./json-frames.js";
import { ourBulkBytes, ourMeans } from "./means.js";
import { readGo, readWelcome } from "./read-greetings.js";

export interface ConnectorSettings extends HandshakeSettings {
  readonly codec: CodecIdentities;
  /** The most bytes for lanes that are not named. Undefined: the listener decides. */
  readonly capacity: number | undefined;
  /** Undefined: all lanes that the listener has. */
  readonly lanes: readonly LaneRequest[] | undefined;
  /** Whether a SchemaMismatchError leads to another attempt, with other codecs. */
  readonly more?: boolean | undefined;
  readonly signal: AbortSignal | undefined;
}

/** The result of mapping the listener's region. */
type Mapped =
  | { readonly region: Region; readonly failure?: undefined }
  | { readonly region?: undefined; readonly failure: RingbellError | undefined };

/**
 * The connector's half of the handshake. Owns the wire: either it becomes part of the connection, or it is
 * closed. Rejects with the failure of this side or of the other.
 */
export async function introduce(wire: Wire, settings: ConnectorSettings): Promise<Joined> {
  const { binding, timeout, signal } = settings;
  const pipe = new FramePipe(wire, (descriptor) => binding?.closeDescriptor(descriptor), timeout, signal);
  let region: Region | undefined;
  try {
    // A listener of another user may be a trap, so it is refused unless the program has the option
    // `authorize`.
    if (settings.authorize === undefined) {
      await checkPeer(describePeer(wire, undefined, ""), isOurs(wire, undefined), undefined);
    }
    const hello = makeHello(wire, settings);
    pipe.write(fitting(hello));
    const welcome = readWelcome(await answer(pipe));
    checkWelcome(welcome, hello);
    const peer = describePeer(wire, welcome.claim, welcome.id);
    await pipe.during(checkPeer(peer, isOurs(wire, welcome.claim), settings.authorize));

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
    const lanes = welcome.lanes.map(({ name }) => ({ name, choice: 0 }));
    if (transport === "shm") {
      if (region === undefined)
        throw new HandshakeError("the listener chose shared memory, which this side has not mapped");
      const options = {
        spin: settings.spin,
        bulkBytes: welcome.bulk,
        named: welcome.backing === "named",
        pid: peer.pid,
      };
      // The listener may have passed a segment right behind the frame.
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
      throw new HandshakeError("the listener chose a stream, which this side did not offer");
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
    more: settings.more,
  };
}

/** Makes the hello frame. Schemas are for people: if they make the frame too long, they are left out. */
function fitting(hello: Hello): Frame {
  const frame = helloFrame(hello, true);
  return encodeFrame(frame) === undefined ? helloFrame(hello, false) : frame;
}

/** Returns the next frame, or throws the error that it carries. `cause`: the failure of this side behind it. */
async function answer(pipe: FramePipe, cause?: RingbellError): Promise<Frame> {
  const frame = (await pipe.read()) as Frame;
  if (!isErrorFrame(frame)) return frame;
  const error = readErrorFrame(frame);
  if (cause !== undefined) error.cause = cause;
  throw error;
}

/** Checks that the listener chose only what this side offered. */
function checkWelcome(welcome: Welcome, hello: Hello): void {
  const wrong = (what: string, chosen: string, ours: string) =>
    new HandshakeError(`the listener chose ${what} ${chosen}; this side offered ${ours}`);
  const { transport, backing, bulk } = welcome;
  if (!hello.transports.includes(transport)) {
    throw wrong("the transport", transport, hello.transports.join(", "));
  }
  if (backing !== undefined && !hello.backings.includes(backing)) {
    throw wrong("the backing", backing, hello.backings.join(", "));
  }
  const requests = new Map(hello.lanes?.map((lane) => [lane.name, lane]));
  if (hello.lanes !== undefined) {
    const asked = new Set([MAIN_LANE, ...requests.keys()]);
    const names = welcome.lanes.map((lane) => lane.name);
    if (names.length !== asked.size || !names.every((name) => asked.has(name))) {
      throw wrong("the lanes", names.join(", "), [...asked].join(", "));
    }
  }
  for (const { name, capacity } of welcome.lanes) {
    const most = requests.get(name)?.capacity ?? hello.capacity ?? Number.POSITIVE_INFINITY;
    if (capacity > most) throw wrong(`for lane "${name}" a capacity of`, `${capacity} bytes`, `${most}`);
  }
  if (bulk > hello.bulk) throw wrong("for blocks", `${bulk} bytes`, `${hello.bulk}`);
}

function map(pipe: FramePipe, welcome: Welcome, { binding }: ConnectorSettings): Mapped {
  const descriptor = pipe.takeDescriptor();
  if (welcome.transport !== "shm" || welcome.backing !== "sealed") {
    if (descriptor !== undefined) binding?.closeDescriptor(descriptor);
  }
  if (welcome.transport !== "shm" || binding === undefined) return { failure: undefined };
  const sealed = welcome.backing === "sealed";
  if (sealed && descriptor === undefined) {
    return {
      failure: new NotSameMemoryError("the listener's welcome came without the descriptor of its memory"),
    };
  }
  try {
    const capacities = ringCapacities(welcome.lanes);
    return { region: binding.regionOpen(capacities, welcome.region, sealed ? descriptor! : -1) };
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const missing = code === "ENOENT" || code === "EINVAL" || code === "EACCES";
    return {
      failure: missing
        ? new NotSameMemoryError(`the listener's shared memory is not visible here: ${message}`, {
            cause,
          })
        : new TransportError(`mapping the listener's shared memory failed: ${message}`, { cause }),
    };
  }
}
