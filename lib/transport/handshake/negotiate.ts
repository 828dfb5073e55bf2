import { LaneMismatchError, SchemaMismatchError, TransportError, UnknownRoleError } from "../../errors.js";
import type { LaneGeometry } from "../contract.js";
import { printable } from "./fields.js";
import { isCapacity, MAIN_LANE } from "./geometry.js";
import {
  type Backing,
  type CodecIdentities,
  type CodecIdentity,
  type Hello,
  LONGEST_ROLE,
  type TransportName,
} from "./greetings.js";

/** A lane as the listener offers it. */
export interface LaneOffer {
  readonly name: string;
  /** The bytes of each of its rings, unless the connector wants less. */
  readonly capacity: number;
  /** The connector must have one of these. */
  readonly codecs: readonly CodecIdentities[];
}

/** A lane as both sides have it. `choice`: which of the offered codecs. */
export interface AgreedLane extends LaneGeometry {
  readonly choice: number;
}

/** The offers of a listener, by the role that peers claim. */
export interface ByRole<T> {
  readonly roles: ReadonlyMap<string, T>;
  /** The offer for a peer without a role, or with a role that has no entry. Undefined: such a peer is refused. */
  readonly other: T | undefined;
}

/** Returns the offer for a peer of this role. Throws an UnknownRoleError if there is none. */
export function forRole<T>(role: string | undefined, { roles, other }: ByRole<T>): T {
  const found = (role === undefined ? undefined : roles.get(role)) ?? other;
  if (found !== undefined) return found;
  throw new UnknownRoleError(role === undefined ? undefined : printable(role, LONGEST_ROLE), [
    ...roles.keys(),
  ]);
}

/**
 * Agrees on the lanes: `main` and the lanes that the connector names, or all lanes if it names none. They
 * come in the listener's order, each with the smaller capacity of the two sides. Throws a LaneMismatchError,
 * or a SchemaMismatchError as the listener sees it.
 */
export function agreeLanes(hello: Hello, offers: readonly LaneOffer[]): AgreedLane[] {
  const requests = new Map(hello.lanes?.map((lane) => [lane.name, lane]));
  const offered = offers.map((offer) => offer.name);
  const asked = [...requests.keys()];
  if (asked.some((name) => !offered.includes(name))) throw new LaneMismatchError(asked, offered);
  const agreed: AgreedLane[] = [];
  for (const { name, capacity, codecs } of offers) {
    const request = requests.get(name);
    if (hello.lanes !== undefined && request === undefined && name !== MAIN_LANE) continue;
    const theirs = request?.codec ?? hello.codec;
    const choice = chooseCodec(name, codecs, theirs);
    const limit = request?.capacity ?? hello.capacity;
    agreed.push({ name, capacity: isCapacity(limit) ? Math.min(limit, capacity) : capacity, choice });
  }
  return agreed;
}

/** Returns which of our codecs fits theirs. If none does, the error speaks of the last, which is the most common one. */
function chooseCodec(name: string, ours: readonly CodecIdentities[], theirs: CodecIdentities): number {
  const found = ours.findIndex(
    ({ send, receive }) => fits(receive, theirs.send) && fits(send, theirs.receive),
  );
  if (found >= 0) return found;
  const { send, receive } = ours.at(-1)!;
  checkCodec(name, "receives", receive, theirs.send);
  checkCodec(name, "sends", send, theirs.receive);
  return 0;
}

/** Makes the error for a lane in which one side "sends" (or "receives") `ours` and the other is set for `theirs`. */
export function schemaMismatch(
  lane: string,
  direction: "sends" | "receives",
  ours: string,
  theirs: string,
): SchemaMismatchError {
  const other = direction === "sends" ? "receives" : "sends";
  return new SchemaMismatchError(
    `the codecs of lane "${lane}" do not match: this side ${direction} ${ours}, the other ${other} ${theirs}`,
    ours,
    theirs,
  );
}

/** The lane and direction in which two codecs differ. It is kept with the error, so that the other side gets its own wording. */
export interface Mismatch {
  readonly lane: string;
  readonly direction: "sends" | "receives";
}

const mismatches = new WeakMap<SchemaMismatchError, Mismatch>();

export function mismatchOf(error: SchemaMismatchError): Mismatch | undefined {
  return mismatches.get(error);
}

function checkCodec(
  lane: string,
  direction: "sends" | "receives",
  ours: CodecIdentity,
  theirs: CodecIdentity,
): void {
  if (fits(ours, theirs)) return;
  // If names and schemas are the same, only the fingerprints show that the codecs differ.
  const words = ours.name !== theirs.name || ours.schema !== theirs.schema;
  const error = schemaMismatch(lane, direction, describeCodec(ours, words), describeCodec(theirs, words));
  mismatches.set(error, { lane, direction });
  throw error;
}

function fits(ours: CodecIdentity, theirs: CodecIdentity): boolean {
  return isSame(ours, theirs) || (isText(ours) && isText(theirs));
}

function isSame(a: CodecIdentity, b: Pick<CodecIdentity, "name" | "fingerprint">): boolean {
  return a.name === b.name && a.fingerprint === b.fingerprint;
}

/**
 * The codecs whose messages are texts. A side with `text()` sends and gets the JSON of a peer with `json()` as it is, so that a relay
 * need not parse it.
 */
const TEXTS = ["json", "text"].map((name) => ({ name, fingerprint: name }));

function isText(codec: CodecIdentity): boolean {
  return TEXTS.some((text) => isSame(codec, text));
}

function describeCodec({ name, schema, fingerprint }: CodecIdentity, words: boolean): string {
  if (!words) return `${name} with the fingerprint ${fingerprint}`;
  if (schema === undefined || schema === name) return name;
  // The schema of some codecs, such as a union, begins with the codec's name.
  return schema.startsWith(`${name}(`) ? schema : `${name} ${schema}`;
}

/** The means that one side has and is willing to use, best first. */
export interface Means {
  readonly transports: readonly TransportName[];
  readonly backings: readonly Backing[];
  /** The version of the layout of shared memory; 0 without the addon. */
  readonly abi: number;
}

export interface Agreement {
  readonly transport: TransportName;
  /** Undefined for a stream. */
  readonly backing: Backing | undefined;
  /** Whether a stream may be used instead if shared memory turns out not to work. */
  readonly fallback: boolean;
}

/** Agrees on the transport: the first of ours that the other side can use as well. Throws a TransportError. */
export function agreeTransport(
  ours: Means,
  theirs: Pick<Hello, "transports" | "backings" | "abi">,
): Agreement {
  const fallback = ours.transports.includes("stream") && theirs.transports.includes("stream");
  const backing = ours.backings.find((candidate) => theirs.backings.includes(candidate));
  const shared = ours.transports.includes("shm") && theirs.transports.includes("shm");
  if (shared && backing !== undefined && ours.abi === theirs.abi)
    return { transport: "shm", backing, fallback };
  if (fallback) return { transport: "stream", backing: undefined, fallback };
  const list = (items: readonly string[]) => (items.length === 0 ? "none" : items.join(" or "));
  throw new TransportError(
    shared
      ? "no shared memory that both sides can use: the listener offers the backing " +
          `${list(ours.backings)} (layout ${ours.abi}), connect asks for ${list(theirs.backings)} (layout ${theirs.abi})`
      : `no transport in common: the listener offers ${list(ours.transports)}, connect asks for ${list(theirs.transports)}`,
  );
}
