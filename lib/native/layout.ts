import { AddonError } from "../errors.js";

/**
 * The numbers that TypeScript and the addon must both know, as native/js/layout.cc exports them: one object,
 * deeply frozen. `assertLayout` compares the numbers that TypeScript must know without the addon with it.
 */
export interface Layout {
  /** The index of each control word in `NativeLane.control`. It counts 32-bit integers, except for `timeout`, where it counts doubles. */
  readonly control: {
    /** In: the payload's bytes to send, the number of records of a batch, or the most records to drain. */
    readonly argument: number;
    /** Out: the result: one of `sent`, or a number of records. */
    readonly result: number;
    /** In: one of `demand`. */
    readonly demand: number;
    /** Out: the bytes that the next record needs in the inbox if the inbox is too small; else 0. */
    readonly needed: number;
    /** Out: 1 while the reactor polls the lane or has parked it. `watch` need not be called then. */
    readonly watching: number;
    /** In: the kind of record that `send` and `sendWait` make, one of `record.kinds`. */
    readonly kind: number;
    /** In: how long `sendWait` and `drainWait` block, in ms; Infinity: no limit. */
    readonly timeout: number;
    /** Both ways: the words of the end that sends, and of the one that receives: `endWords`. */
    readonly producer: number;
    readonly consumer: number;
  };
  /**
   * The words of an end that native code and the inline way share (native/ring.h): indices of 32-bit integers from the first one on.
   * `position` and `limit` have 64 bits; of these the lower ones are meant.
   */
  readonly endWords: {
    /** How far this end has come. */
    readonly position: number;
    /** How far the inline way may go. */
    readonly limit: number;
    /** The lower half of the number of messages. */
    readonly messages: number;
    /** The bytes of each payload that goes the inline way. */
    readonly bytesEach: number;
    /** The number of words. */
    readonly words: number;
  };
  /** The values of the control word `demand`: records are not wanted, wanted as they come, or looked for when a bell rings. */
  readonly demand: { readonly none: number; readonly records: number; readonly atTheBell: number };
  /** The results of a send. */
  readonly sent: {
    readonly sent: number;
    readonly full: number;
    readonly ended: number;
    readonly tooLarge: number;
  };
  /** The numbers of records at once: `most` that may be asked for, and `polled` that the reactor asks for. */
  readonly batch: { readonly most: number; readonly polled: number };
  /** The values that `NativeConnection.close` takes. */
  readonly close: { readonly closed: number; readonly corrupt: number };
  /** The values of `onEnd` and of the counter `end`. `accused`: the peer says that this side broke the protocol. `failed`: see `NativeConnection.throwFailure`. */
  readonly end: {
    readonly none: number;
    readonly peerClosed: number;
    readonly peerDied: number;
    readonly corrupt: number;
    readonly accused: number;
    readonly failed: number;
  };
  /** The index of each counter that `NativeLane.stats` writes, and their number. */
  readonly laneStats: {
    readonly sentMessages: number;
    readonly sentBytes: number;
    readonly receivedMessages: number;
    readonly receivedBytes: number;
    readonly sendFill: number;
    readonly receiveFill: number;
    readonly fullCount: number;
    /** Milliseconds since the epoch; 0: not now. */
    readonly blockedSince: number;
    /** Milliseconds since the epoch; 0: not now. */
    readonly idleSince: number;
    readonly count: number;
  };
  /** The index of each counter that `NativeConnection.stats` writes, and their number. */
  readonly connectionStats: {
    readonly bells: number;
    readonly parks: number;
    readonly rescues: number;
    readonly end: number;
    readonly count: number;
  };
  /** A record, in a ring and in a scratch: a header of two 32-bit words, and the payload. */
  readonly record: {
    /** The bytes before the payload. */
    readonly headerBytes: number;
    /** A record begins at a multiple of this. */
    readonly alignment: number;
    /** The bit of the header's first word that publishes. In a scratch it is 0. */
    readonly published: number;
    /** The bits of the header's first word that hold the payload's length in bytes. */
    readonly lengthMask: number;
    /** The index of the header's word that holds the kind: 1, the second. */
    readonly kindWord: number;
    /** The bits by which the kind is shifted in that word, in a ring. */
    readonly kindShift: number;
    /** The bits by which the kind is shifted in that word, in a scratch. The bits below belong to the transport. */
    readonly scratchKindShift: number;
    readonly kinds: {
      readonly message: number;
      /** The kind that fills the rest at the end of a ring. It never stands in a scratch. */
      readonly padding: number;
      readonly withBlocks: number;
      readonly inBlock: number;
    };
  };
  readonly ring: {
    /** In bytes. A capacity is a power of two. */
    readonly smallestCapacity: number;
    readonly largestCapacity: number;
    /** A record, header included, takes at most `capacity / recordShare` bytes. */
    readonly recordShare: number;
    /** A consumer reports its position once it has taken `capacity / reportShare` bytes. */
    readonly reportShare: number;
  };
  /**
   * The shared memory, in bytes. The control of ring `r` (0 or 1) of lane `l` stands at
   * `headerBytes + controlBytes * (l * ringsALane + r)`. The data begin at the next multiple of `dataAlignment`, ring by ring, in
   * the order of the controls. docs/layout.md
   */
  readonly region: {
    /** The version of this layout, which two peers compare. The same number as `Binding.abiVersion`. */
    readonly version: number;
    /** The most lanes of a region, including the bulk lane. */
    readonly mostLanes: number;
    readonly headerBytes: number;
    readonly controlBytes: number;
    readonly ringsALane: number;
    readonly dataAlignment: number;
    /** The offsets in the region's header of the version, and of the number of lanes. */
    readonly versionAt: number;
    readonly lanesAt: number;
    /** The offset in a ring's control of the 64-bit position that the consumer has reported. */
    readonly consumed: number;
    /** The offset in a ring's control of the 32-bit word that says whether the consumer sleeps, one of `parked`. */
    readonly consumerState: number;
    /** The offset in a ring's control of the 32-bit word that says whether the producer sleeps, one of `parked`. */
    readonly producerState: number;
    /** The offset in a ring's control of the 64-bit limit: the producer writes nothing at this position or behind it. */
    readonly limit: number;
    /** The offsets of a position where a record begins, of the number of messages before it, and of the limit at that time: 64 bits each. */
    readonly anchor: number;
    readonly anchorMessages: number;
    readonly anchorLimit: number;
    /** The offset in a ring's control of the 64-bit number of a message whose latency is measured, from 1 on. */
    readonly marked: number;
  };
  /** Histograms of latency: the number of buckets. The first one has what is below 2^firstBits ns, each further one twice as much. */
  readonly latency: { readonly buckets: number; readonly firstBits: number };
  /** The state of a side: awake, asleep in its event loop until the bell wakes it, or asleep on a futex. */
  readonly parked: { readonly awake: number; readonly loop: number; readonly futex: number };
}

/** A part of a layout: the numbers that a caller relies on. */
export type ExpectedLayout = Expected<Layout>;
type Expected<T> = T extends number ? number : { readonly [Key in keyof T]?: Expected<T[Key]> };

/** Throws an AddonError (ERR_RINGBELL_ADDON) if numbers of the layout are not as expected. Its message names each of them. */
export function assertLayout(layout: Layout, expected: ExpectedLayout): void {
  const wrong = [...differences(layout, expected, "")];
  if (wrong.length === 0) return;
  throw new AddonError(
    `the addon's layout is not what this version of ringbell expects: ${wrong.join("; ")}. Build it again: npm run build`,
  );
}

function* differences(actual: unknown, expected: object, path: string): Generator<string> {
  for (const [name, wanted] of Object.entries(expected) as [string, unknown][]) {
    const found = (actual as Readonly<Record<string, unknown>> | undefined)?.[name];
    if (typeof wanted === "object" && wanted !== null) yield* differences(found, wanted, `${path}${name}.`);
    else if (found !== wanted) yield `${path}${name} is ${found}, not ${wanted}`;
  }
}
