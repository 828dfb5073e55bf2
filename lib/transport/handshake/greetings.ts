import { createHash } from "node:crypto";
import { HandshakeError, VersionError } from "../../errors.js";
import type { LaneGeometry } from "../contract.js";
import { NAME_PATTERN } from "../places/names.js";
import { PROTOCOL_VERSION } from "../wire/protocol.js";
import {
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
  MOST_LANES,
  SMALLEST_CAPACITY,
} from "./geometry.js";
import type { Frame } from "./json-frames.js";

/** The messages of the handshake, and what may stand in them. What is read here came from a stranger. */

export type TransportName = "shm" | "stream";
export type Backing = "sealed" | "named";

/** The longest role, in characters. */
export const LONGEST_ROLE = 64;
/** The most roles that a listener can tell apart: a peer that has none of them is told of all. */
export const MOST_ROLES = 64;
const LONGEST_NAME = 64;
const LONGEST_SCHEMA = 500;
const LONGEST_FINGERPRINT = 128;
const LARGEST_ID = 2 ** 32 - 1;

/** A codec as it is presented to the peer. */
export interface CodecIdentity {
  readonly name: string;
  readonly fingerprint: string;
  /** For people; left out where there is no room for it. */
  readonly schema: string | undefined;
}

export interface CodecIdentities {
  readonly send: CodecIdentity;
  readonly receive: CodecIdentity;
}

/** A process as it describes itself; the kernel's word counts where it can be had. */
export interface Claim {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  readonly role: string | undefined;
}

export interface LaneRequest {
  readonly name: string;
  /** The most that the connector wants, in bytes; undefined: what the listener says. */
  readonly capacity: number | undefined;
  /** Undefined: as for lanes that are not named. */
  readonly codec: CodecIdentities | undefined;
}

export interface Hello {
  readonly transports: readonly string[];
  readonly backings: readonly string[];
  /** The version of the layout of shared memory; 0 without the addon. */
  readonly abi: number;
  readonly claim: Claim;
  /** For lanes that are not named. */
  readonly codec: CodecIdentities;
  readonly capacity: number | undefined;
  /** Bytes that the blocks of each side may take, as far as the connector is concerned; 0: no blocks. */
  readonly bulk: number;
  /** The lanes that the connector wants beside `main`; undefined: all that there are. */
  readonly lanes: readonly LaneRequest[] | undefined;
}

export interface Welcome {
  readonly transport: TransportName;
  /** Undefined for a stream. */
  readonly backing: Backing | undefined;
  /** The name of the region; "" where it comes as a descriptor. */
  readonly region: string;
  readonly lanes: readonly LaneGeometry[];
  /** What was agreed for the blocks: the smaller wish of the two. */
  readonly bulk: number;
  readonly claim: Claim;
  readonly id: string;
}

export interface Ready {
  /** As it stands in the region; "" for a stream. */
  readonly nonce: string;
  /** Why there is none, as an error code; undefined if all is well. */
  readonly failed: string | undefined;
  readonly message: string;
}

/** Presents a codec: short enough that sixteen lanes of them fit a frame, and equal only where the codecs are. */
export function presentCodec(codec: {
  readonly name: string;
  readonly fingerprint: string;
  readonly schema?: string;
}): CodecIdentity {
  const { name, fingerprint, schema } = codec;
  return {
    name: shorten(name, LONGEST_NAME),
    fingerprint: fingerprint.length <= LONGEST_FINGERPRINT ? fingerprint : digest(fingerprint),
    schema:
      schema === undefined || schema.length <= LONGEST_SCHEMA
        ? schema
        : `${schema.slice(0, LONGEST_SCHEMA - 1)}…`,
  };
}

function shorten(name: string, longest: number): string {
  if (name.length <= longest) return name;
  const tail = digest(name).slice(0, 16);
  return `${name.slice(0, longest - tail.length - 1)}~${tail}`;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

export function helloFrame(hello: Hello, schemas: boolean): Frame {
  const identities = ({ send, receive }: CodecIdentities) => ({
    send: schemas ? send : { name: send.name, fingerprint: send.fingerprint },
    receive: schemas ? receive : { name: receive.name, fingerprint: receive.fingerprint },
  });
  return {
    t: "hello",
    version: PROTOCOL_VERSION,
    transports: hello.transports,
    backings: hello.backings,
    abi: hello.abi,
    ...hello.claim,
    codec: identities(hello.codec),
    capacity: hello.capacity,
    bulk: hello.bulk,
    lanes: hello.lanes?.map((lane) => ({
      name: lane.name,
      capacity: lane.capacity,
      codec: lane.codec === undefined ? undefined : identities(lane.codec),
    })),
  };
}

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
  };
}

export function welcomeFrame(welcome: Welcome): Frame {
  const { transport, backing, region, lanes, bulk, claim, id } = welcome;
  return { t: "welcome", version: PROTOCOL_VERSION, transport, backing, region, lanes, bulk, ...claim, id };
}

export function readWelcome(frame: Frame): Welcome {
  checkType(frame, "welcome");
  checkVersion(frame);
  const lanes = readObjects(frame, "lanes", MOST_LANES).map((lane) => ({
    name: readLaneName(lane),
    capacity: readInteger(lane, "capacity", SMALLEST_CAPACITY, LARGEST_CAPACITY),
  }));
  checkDistinct(lanes);
  if (lanes[0]?.name !== "main" || !lanes.every((lane) => isCapacity(lane.capacity))) {
    throw new HandshakeError("the lanes in the welcome can't be");
  }
  const transport = readString(frame, "transport", 32);
  const backing = readOptionalString(frame, "backing", 32);
  const region = readString(frame, "region", 255);
  if (transport === "shm") {
    if (
      (backing !== "sealed" && backing !== "named") ||
      (region === "") !== (backing === "sealed") ||
      (region !== "" && !/^\/ringbell-[a-z0-9-]+$/.test(region))
    ) {
      throw new HandshakeError("the region in the welcome can't be");
    }
  } else if (transport !== "stream") {
    throw new HandshakeError("the transport in the welcome can't be");
  }
  return {
    transport,
    backing: transport === "shm" ? (backing as Backing) : undefined,
    region,
    lanes,
    bulk: readInteger(frame, "bulk", 0, LARGEST_BULK_BYTES),
    claim: readClaim(frame),
    id: readString(frame, "id", 64),
  };
}

export function readyFrame(ready: Ready): Frame {
  const { nonce, failed, message } = ready;
  return failed === undefined
    ? { t: "ready", nonce }
    : { t: "ready", failed, message: message.slice(0, 1000) };
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

export function goFrame(transport: TransportName): Frame {
  return { t: "go", transport };
}

export function readGo(frame: Frame): TransportName {
  checkType(frame, "go");
  const transport = readString(frame, "transport", 32);
  if (transport !== "shm" && transport !== "stream") {
    throw new HandshakeError("the transport in the go frame can't be");
  }
  return transport;
}

function checkType(frame: Frame, expected: string): void {
  if (frame.t !== expected) throw new HandshakeError(`a handshake frame "${expected}" was due; another came`);
}

function checkVersion(frame: Frame): void {
  // Before anything else, for the other fields may have another meaning in another version.
  const version = readInteger(frame, "version", 0, LARGEST_ID);
  if (version !== PROTOCOL_VERSION) throw new VersionError(PROTOCOL_VERSION, version);
}

function readClaim(frame: Frame): Claim {
  return {
    pid: readInteger(frame, "pid", 0, LARGEST_ID),
    uid: readInteger(frame, "uid", -1, LARGEST_ID),
    gid: readInteger(frame, "gid", -1, LARGEST_ID),
    role: readOptionalString(frame, "role", LONGEST_ROLE),
  };
}

function readLaneName(lane: Frame): string {
  const name = readString(lane, "name", LONGEST_NAME);
  if (!NAME_PATTERN.test(name)) throw new HandshakeError("the name of a lane can't be");
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
  if (new Set(lanes.map((lane) => lane.name)).size !== lanes.length) {
    throw new HandshakeError("a lane is named twice");
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
