import { createHash } from "node:crypto";
import type { LaneGeometry } from "../contract.js";
import { PROTOCOL_VERSION } from "../wire/protocol.js";
import type { Frame } from "./json-frames.js";

/** The messages of the handshake, and the frames that they become. read-greetings.ts reads them. */

export type TransportName = "shm" | "stream";
export type Backing = "sealed" | "named";

/** The longest role, in characters. */
export const LONGEST_ROLE = 64;
/** The most roles that a listener can tell apart: a peer that has none of them is told of all. */
export const MOST_ROLES = 64;
/** The longest names, schemas and fingerprints that a frame carries, in characters. */
export const LONGEST_NAME = 64;
export const LONGEST_SCHEMA = 500;
export const LONGEST_FINGERPRINT = 128;

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

export function welcomeFrame(welcome: Welcome): Frame {
  const { transport, backing, region, lanes, bulk, claim, id } = welcome;
  return { t: "welcome", version: PROTOCOL_VERSION, transport, backing, region, lanes, bulk, ...claim, id };
}

export function readyFrame(ready: Ready): Frame {
  const { nonce, failed, message } = ready;
  return failed === undefined
    ? { t: "ready", nonce }
    : { t: "ready", failed, message: message.slice(0, 1000) };
}

export function goFrame(transport: TransportName): Frame {
  return { t: "go", transport };
}
