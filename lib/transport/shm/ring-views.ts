import { Scratch } from "../../codec/codec.js";

/** One ring as JavaScript sees it, in the memory that the peer shares. */
export interface RingViews {
  /** The data of the ring. */
  readonly data: Scratch;
  /** Control words that the peer writes, from the one on that says whether it sleeps, and where. */
  readonly peer: Int32Array;
  /** The index there of the lower half of the number of the message whose latency is measured; 0 in a ring that this side sends on. */
  readonly marked: number;
}

/** Stands in for a ring whose memory is not there, or not any more. Its header is that of no record, so that nothing is taken there. */
export const NO_RING: RingViews = {
  data: new Scratch(new ArrayBuffer(8)),
  peer: new Int32Array(1),
  marked: 0,
};
NO_RING.data.words.fill(-1);
