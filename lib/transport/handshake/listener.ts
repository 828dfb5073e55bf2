import type { Socket } from "node:net";
import { clearTimeout, setTimeout } from "../../clock.js";
import {
  HandshakeError,
  NoSpaceError,
  NotSameMemoryError,
  RingbellError,
  SchemaMismatchError,
  TransportError,
} from "../../errors.js";
import type { Region } from "../../native/binding.js";
import type { LaneGeometry } from "../contract.js";
import { atExit } from "../places/at-exit.js";
import { regionName } from "../places/region-names.js";
import { ringCapacities } from "../shm/rings.js";
import { createShm } from "../shm/shm.js";
import { createStream } from "../stream/stream.js";
import { HungUpError } from "../wire/protocol.js";
import type { Wire } from "../wire/wire.js";
import { errorFrame } from "./error-frames.js";
import { printable } from "./fields.js";
import { FramePipe } from "./frame-pipe.js";
import { type Backing, goFrame, type Hello, type Ready, welcomeFrame } from "./greetings.js";
import { checkPeer, describePeer, type HandshakeSettings, isOurs, type Joined, ourClaim } from "./joining.js";
import { encodeFrame, type Frame } from "./json-frames.js";
import { meansForStranger, ourBulkBytes, ourMeans } from "./means.js";
import {
  type AgreedLane,
  type Agreement,
  agreeLanes,
  agreeTransport,
  type ByRole,
  forRole,
  type LaneOffer,
} from "./negotiate.js";
import type { Peer } from "./peer.js";
import { readHello, readReady } from "./read-greetings.js";
import { isShowFrame, type Shown, showMemory } from "./showing.js";

/** How long (ms) a refused peer has to read the reason. */
const LINGER = 1000;

export interface ListenerSettings extends HandshakeSettings {
  readonly offers: ByRole<readonly LaneOffer[]>;
  /** Takes a peer that speaks lines of JSON in place of the handshake. Undefined: such a peer is refused. */
  readonly onLines?: ((socket: Socket, peer: Peer) => void) | undefined;
  /** Whether the memory of channels may be shown to processes that only watch. */
  readonly tap: boolean;
  /** Returns the memory of the channel with this id. Throws a RefusedError or TransportError where it is not shown. */
  show(id: string): Shown;
  /** Returns the answer to a status query: anything that JSON carries. */
  status(): object;
}

/** A region that the peer was told of and has not mapped yet. */
interface Offer {
  readonly region: Region;
  readonly backing: Backing;
  /** The region's name; "" if it goes as a descriptor. */
  readonly name: string;
  /** Removes the region's name, if it has one. Idempotent. */
  unlink(): void;
}

/**
 * The listener's half of the handshake. Owns the wire: either it becomes part of the connection, or it is
 * closed. `id` names the connection. Resolves with undefined after a status query, for one that only watches, for a peer that speaks
 * lines of JSON, after a probe that hung up without a word, and for a peer that tries other codecs next. Otherwise it rejects with the failure, and tells the peer first.
 */
export async function acceptPeer(
  wire: Wire,
  id: string,
  settings: ListenerSettings,
): Promise<Joined | undefined> {
  const pipe = new FramePipe(
    wire,
    (descriptor) => settings.binding?.closeDescriptor(descriptor),
    settings.timeout,
  );
  try {
    const ours = isOurs(wire, undefined);
    const first = await pipe.read(true, settings.onLines !== undefined);
    // A stranger that must be refused is refused before any of its data are interpreted.
    if (settings.authorize === undefined) await checkPeer(describePeer(wire, undefined, id), ours, undefined);
    if (first === "status") {
      if (!ours) await pipe.during(checkPeer(describePeer(wire, undefined, id), ours, settings.authorize));
      pipe.finish();
      wire.write(Buffer.from(`${JSON.stringify(settings.status())}\n`));
      endSoon(wire);
      return undefined;
    }
    if (first === "lines") {
      const peer = describePeer(wire, undefined, id);
      await pipe.during(checkPeer(peer, ours, settings.authorize));
      const begun = Buffer.from(pipe.finish());
      const socket = wire.toSocket();
      socket.unshift(begun);
      settings.onLines!(socket, peer);
      return undefined;
    }
    if (isShowFrame(first)) {
      await showMemory(wire, pipe, first, settings.show);
      pipe.finish();
      endSoon(wire);
      return undefined;
    }
    return await agree(wire, pipe, id, first, settings);
  } catch (error) {
    pipe.finish();
    turnAway(wire, error instanceof OtherCodecsError ? error.cause : error);
    // A wire that hung up without a byte was only a look whether this listener is there.
    if (error instanceof HungUpError && pipe.silent) return undefined;
    if (error instanceof OtherCodecsError) return undefined;
    throw error;
  }
}

async function agree(
  wire: Wire,
  pipe: FramePipe,
  id: string,
  first: Frame,
  settings: ListenerSettings,
): Promise<Joined> {
  const hello = readHello(first);
  const peer = describePeer(wire, hello.claim, id);
  const ours = isOurs(wire, hello.claim);
  await pipe.during(checkPeer(peer, ours, settings.authorize));
  const lanes = agreeOrAskAgain(hello, forRole(peer.role, settings.offers));
  const means = ourMeans(wire.native ? settings.binding : undefined, settings.transport, settings.backing);
  const agreement = agreeTransport(ours ? means : meansForStranger(means), hello);
  const bulk = Math.min(hello.bulk, ourBulkBytes(settings.binding, settings.bulkBytes));
  const offer = makeOffer(agreement, lanes, settings);
  try {
    pipe.write(
      welcomeFrame({
        transport: offer === undefined ? "stream" : "shm",
        backing: offer?.backing,
        region: offer?.name ?? "",
        lanes: lanes.map(({ name, capacity }) => ({ name, capacity })),
        bulk,
        claim: ourClaim(settings.role),
        id,
      }),
      offer?.backing === "sealed" ? offer.region.descriptor : undefined,
    );
    const ready = readReady((await pipe.read()) as Frame);
    offer?.unlink();
    const shared = offer !== undefined && isShared(offer.region, ready, agreement);
    pipe.write(goFrame(shared ? "shm" : "stream"));
    if (!shared) {
      offer?.region.close();
      wire.unread(pipe.finish());
      return {
        connection: createStream(wire, lanes, bulk, peer.pid),
        lanes,
        peer,
      };
    }
    // Kept where others may watch: there is no other way to the memory of a process.
    if (!settings.tap) offer.region.closeDescriptor();
    // The transport takes the descriptor. Bytes that the wire has not written yet would be lost.
    await pipe.drained();
    return share(wire, pipe, offer, lanes, bulk, peer, settings);
  } catch (error) {
    offer?.unlink();
    offer?.region.close();
    throw error;
  }
}

/** The connector's codecs do not fit, and it has others to try. */
class OtherCodecsError extends Error {}

function agreeOrAskAgain(hello: Hello, offers: readonly LaneOffer[]): AgreedLane[] {
  try {
    return agreeLanes(hello, offers);
  } catch (cause) {
    if (hello.more === true && cause instanceof SchemaMismatchError)
      throw new OtherCodecsError("", { cause });
    throw cause;
  }
}

function share(
  wire: Wire,
  pipe: FramePipe,
  { region, backing }: Offer,
  lanes: readonly AgreedLane[],
  bulkBytes: number,
  peer: Peer,
  { binding, spin }: ListenerSettings,
): Joined {
  const options = { spin, bulkBytes, named: backing === "named", pid: peer.pid };
  // The connector may have begun already and passed a segment.
  const passed = pipe.takeDescriptor();
  const connection = createShm(binding!, wire, region, lanes, true, options, pipe.finish(), passed);
  return { connection, lanes, peer };
}

function makeOffer(
  { backing, fallback }: Agreement,
  lanes: readonly LaneGeometry[],
  { binding }: ListenerSettings,
): Offer | undefined {
  if (backing === undefined || binding === undefined) return undefined;
  const capacities = ringCapacities(lanes);
  const name = backing === "named" ? regionName() : "";
  let region: Region;
  try {
    region = binding.regionCreate(capacities, name);
  } catch (cause) {
    if (fallback) return undefined;
    const bytes = 2 * capacities.reduce((sum, capacity) => sum + capacity, 0);
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "ENOMEM") {
      throw new NoSpaceError(`no room for ${bytes} bytes of shared memory: ${message}`, bytes, { cause });
    }
    throw new TransportError(`making shared memory failed: ${message}`, { cause });
  }
  if (name === "") return { region, backing, name, unlink: () => {} };
  let linked = true;
  const unlink = () => {
    if (linked) binding.regionUnlink(name);
    linked = false;
  };
  const forget = atExit(unlink);
  return {
    region,
    backing,
    name,
    unlink() {
      unlink();
      forget();
    },
  };
}

/** Returns whether both sides see the same memory. Throws if they do not and no stream was agreed. */
function isShared(region: Region, ready: Ready, { fallback }: Agreement): boolean {
  if (ready.failed === undefined && ready.nonce === region.nonce) return true;
  if (fallback) return false;
  if (ready.failed === "ERR_RINGBELL_TRANSPORT") {
    throw new TransportError(
      `mapping the shared memory failed at the peer: ${printable(ready.message, 300)}`,
    );
  }
  throw new NotSameMemoryError(
    "the two sides reach each other but do not see the same memory " +
      `(${ready.failed === undefined ? "the nonce differs" : printable(ready.message, 300)}); ` +
      'use transport "auto" or "stream", or let them share /dev/shm',
  );
}

function turnAway(wire: Wire, error: unknown): void {
  if (error instanceof HungUpError) {
    wire.destroy();
    return;
  }
  const told =
    error instanceof RingbellError
      ? error
      : new HandshakeError("the listener failed; its own process knows why");
  const bytes = encodeFrame(errorFrame(told));
  if (bytes !== undefined) wire.write(bytes);
  endSoon(wire);
}

/** Closes the wire when the kernel has its last bytes, or after LINGER. */
function endSoon(wire: Wire): void {
  const timer = setTimeout(() => wire.destroy(), LINGER);
  void wire.end().finally(() => clearTimeout(timer));
}
