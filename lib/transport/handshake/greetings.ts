import { createHash } from "node:crypto";
import type { LaneGeometry } from "../contract.js";
import { PROTOCOL_VERSION } from "../wire/protocol.js";
import type { Frame } from "./json-frames.js";

/** The messages of the handshake, and the frames that they become. read-greetings.ts reads them. */

export type TransportName = "shm" | "stream";
export type Backing = "sealed" | "named";

/** The longest role, in characters. */
export const LONGEST_ROLE = 64;
/** The most roles that a listener may have. An error frame lists them all for a peer that has none of them. */
export const MOST_ROLES = 64;
/** The longest name of a space of pids, in characters. */
export const LONGEST_SPACE = 32;
/** The longest names, schemas and fingerprints that a frame carries, in characters. */
export const LONGEST_NAME = 64;
export const LONGEST_SCHEMA = 500;
export const LONGEST_FINGERPRINT = 128;

/** A codec as it is presented to the peer. */
export interface CodecIdentity {
  readonly name: string;
  readonly fingerprint: string;
  /** For people; left out if there is no room for it. */
  readonly schema: string | undefined;
}

export interface CodecIdentities {
  readonly send: CodecIdentity;
  readonly receive: CodecIdentity;
}

/** A process as it describes itself. The kernel's data count instead, if they are known. */
export interface Claim {
  readonly pid: number;
  /** The space in which the pid is valid; undefined if the peer does not say. */
  readonly space?: string | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly role: string | undefined;
}

export interface LaneRequest {
  readonly name: string;
  /** The most bytes that the connector wants. Undefined: the listener decides. */
  readonly capacity: number | undefined;
  /** Undefined: the codec for lanes that are not named. */
  readonly codec: CodecIdentities | undefined;
}

export interface Hello {
  readonly transports: readonly string[];
  readonly backings: readonly string[];
  /** The version of the layout of shared memory; 0 without the addon. */
  readonly abi: number;
  readonly claim: Claim;
  /** The codec for lanes that are not named. */
  readonly codec: CodecIdentities;
  readonly capacity: number | undefined;
  /** The most bytes that the blocks of each side may take, as the connector wishes; 0: no blocks. */
  readonly bulk: number;
  /** The lanes that the connector wants beside `main`. Undefined: all lanes. */
  readonly lanes: readonly LaneRequest[] | undefined;
  /** Whether the connector says hello again with other codecs if these do not fit. Then it is no failure that they don't. */
  readonly more?: boolean | undefined;
}

export interface Welcome {
  readonly transport: TransportName;
  /** Undefined for a stream. */
  readonly backing: Backing | undefined;
  /** The name of the region; "" if it comes as a descriptor. */
  readonly region: string;
  readonly lanes: readonly LaneGeometry[];
  /** The agreed bytes for blocks: the smaller value of the two sides. */
  readonly bulk: number;
  readonly claim: Claim;
  readonly id: string;
}

export interface Ready {
  /** The nonce that stands in the region; "" for a stream. */
  readonly nonce: string;
  /** The code of the error why there is no nonce; undefined if all is well. */
  readonly failed: string | undefined;
  readonly message: string;
}

/** Presents a codec in a form so short that sixteen lanes of them fit a frame. Two forms are equal only if the codecs are. */
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
    more: hello.more === true ? true : undefined,
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
