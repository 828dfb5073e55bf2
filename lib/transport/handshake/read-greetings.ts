import { HandshakeError, VersionError } from "../../errors.js";
import type { LaneGeometry } from "../contract.js";
import { NAME_PATTERN } from "../places/names.js";
import { PROTOCOL_VERSION } from "../wire/protocol.js";
import {
  printable,
  readInteger,
  readObject,
  readObjects,
  readOptionalInteger,
  readOptionalObject,
  readOptionalString,
  readString,
  readStrings,
} from "./fields.js";
import {
  isCapacity,
  LARGEST_BULK_BYTES,
  LARGEST_CAPACITY,
  MAIN_LANE,
  MOST_LANES,
  SMALLEST_CAPACITY,
} from "./geometry.js";
import {
  type Backing,
  type Claim,
  type CodecIdentities,
  type CodecIdentity,
  type Hello,
  type LaneRequest,
  LONGEST_FINGERPRINT,
  LONGEST_NAME,
  LONGEST_ROLE,
  LONGEST_SCHEMA,
  LONGEST_SPACE,
  type Ready,
  type TransportName,
  type Welcome,
} from "./greetings.js";
import type { Frame } from "./json-frames.js";

/*
 * Reads the messages of the handshake from frames that a stranger sent. Each function returns valid data, or
 * throws a HandshakeError that says what was expected and what came.
 */

const LARGEST_ID = 2 ** 32 - 1;

export function readHello(frame: Frame): Hello {
  checkType(frame, "hello");
  checkVersion(frame);
  const lanes = frame.lanes === undefined ? undefined : readObjects(frame, "lanes", MOST_LANES).map(readLane);
  if (lanes !== undefined) checkDistinct(lanes);
  return {
    transports: readStrings(frame, "transports", 8, 32),
    backings: readStrings(frame, "backings", 8, 32),
    abi: readInteger(frame, "abi", 0, LARGEST_ID),
    claim: readClaim(frame),
    codec: readIdentities(readObject(frame, "codec")),
    capacity: readOptionalInteger(frame, "capacity", SMALLEST_CAPACITY, LARGEST_CAPACITY),
    bulk: readInteger(frame, "bulk", 0, LARGEST_BULK_BYTES),
    lanes,
    more: frame.more === true,
  };
}

export function readWelcome(frame: Frame): Welcome {
  checkType(frame, "welcome");
  checkVersion(frame);
  const lanes = readObjects(frame, "lanes", MOST_LANES).map((lane) => ({
    name: readLaneName(lane),
    capacity: readInteger(lane, "capacity", SMALLEST_CAPACITY, LARGEST_CAPACITY),
  }));
  checkDistinct(lanes);
  checkLanes(lanes);
  const transport = readTransport(frame);
  const backing = transport === "shm" ? readBacking(frame) : undefined;
  return {
    transport,
    backing,
    region: readRegion(frame, backing),
    lanes,
    bulk: readInteger(frame, "bulk", 0, LARGEST_BULK_BYTES),
    claim: readClaim(frame),
    id: readString(frame, "id", 64),
  };
}

export function readReady(frame: Frame): Ready {
  checkType(frame, "ready");
  const failed = readOptionalString(frame, "failed", 64);
  return {
    nonce: failed === undefined ? readString(frame, "nonce", 64) : "",
    failed,
    message: readOptionalString(frame, "message", 1000) ?? "",
  };
}

export function readGo(frame: Frame): TransportName {
  checkType(frame, "go");
  return readTransport(frame);
}

function readTransport(frame: Frame): TransportName {
  const transport = readString(frame, "transport", 32);
  if (transport === "shm" || transport === "stream") return transport;
  throw new HandshakeError(
    `the listener chose the transport ${quote(transport)}; expected "shm" or "stream"`,
  );
}

function readBacking(frame: Frame): Backing {
  const backing = readOptionalString(frame, "backing", 32);
  if (backing === "sealed" || backing === "named") return backing;
  throw new HandshakeError(
    `the listener chose the backing ${quote(backing ?? "")}; expected "sealed" or "named"`,
  );
}

/** Reads the name of named memory. Other memory must have none. */
function readRegion(frame: Frame, backing: Backing | undefined): string {
  const region = readString(frame, "region", 255);
  if (backing === "sealed" && region !== "") {
    throw new HandshakeError(`the listener gives sealed memory the name ${quote(region)}; expected none`);
  }
  if (backing === "named" && !/^\/ringbell-[a-z0-9-]+$/.test(region)) {
    throw new HandshakeError(`the listener's memory has the name ${quote(region)}; expected "/ringbell-…"`);
  }
  return region;
}

function checkLanes(lanes: readonly LaneGeometry[]): void {
  if (lanes[0]?.name !== MAIN_LANE) {
    throw new HandshakeError(
      `the listener's welcome begins with the lane ${quote(lanes[0]?.name ?? "")}; expected "${MAIN_LANE}"`,
    );
  }
  for (const { name, capacity } of lanes) {
    if (isCapacity(capacity)) continue;
    throw new HandshakeError(
      `the listener gives lane "${name}" a capacity of ${capacity} bytes; expected a power of two`,
    );
  }
}

/** Quotes a stranger's text for an error. */
function quote(text: string): string {
  return JSON.stringify(printable(text, 64));
}

function checkType(frame: Frame, expected: string): void {
  if (frame.t === expected) return;
  const came = typeof frame.t === "string" ? quote(frame.t) : "one without a type";
  throw new HandshakeError(`expected the handshake frame "${expected}"; ${came} came`);
}

function checkVersion(frame: Frame): void {
  // The version is checked first: in another version the other fields may have another meaning.
  const version = readInteger(frame, "version", 0, LARGEST_ID);
  if (version !== PROTOCOL_VERSION) throw new VersionError(PROTOCOL_VERSION, version);
}

function readClaim(frame: Frame): Claim {
  return {
    pid: readInteger(frame, "pid", 0, LARGEST_ID),
    space: readOptionalString(frame, "space", LONGEST_SPACE),
    uid: readInteger(frame, "uid", -1, LARGEST_ID),
    gid: readInteger(frame, "gid", -1, LARGEST_ID),
    role: readOptionalString(frame, "role", LONGEST_ROLE),
  };
}

function readLaneName(lane: Frame): string {
  const name = readString(lane, "name", LONGEST_NAME);
  if (!NAME_PATTERN.test(name)) {
    throw new HandshakeError(
      `the handshake has a lane named ${quote(name)}; expected letters, digits, ".", "_" and "-"`,
    );
  }
  return name;
}

function readLane(lane: Frame): LaneRequest {
  const codec = readOptionalObject(lane, "codec");
  return {
    name: readLaneName(lane),
    capacity: readOptionalInteger(lane, "capacity", SMALLEST_CAPACITY, LARGEST_CAPACITY),
    codec: codec === undefined ? undefined : readIdentities(codec),
  };
}

function checkDistinct(lanes: readonly { readonly name: string }[]): void {
  const names = new Set<string>();
  for (const { name } of lanes) {
    if (names.has(name)) throw new HandshakeError(`the handshake lists lane "${name}" twice`);
    names.add(name);
  }
}

function readIdentities(pair: Frame): CodecIdentities {
  return {
    send: readIdentity(readObject(pair, "send")),
    receive: readIdentity(readObject(pair, "receive")),
  };
}

function readIdentity(codec: Frame): CodecIdentity {
  return {
    name: readString(codec, "name", LONGEST_NAME),
    fingerprint: readString(codec, "fingerprint", LONGEST_FINGERPRINT),
    schema: readOptionalString(codec, "schema", LONGEST_SCHEMA),
  };
}
