import { SyncUnavailableError } from "../errors.js";
import type { BlockingLane, TransportLane } from "../transport/contract.js";

/** Returns the blocking half of the lane, for a method that blocks the thread. Throws a SyncUnavailableError over a stream. */
export function blockingLane(lane: TransportLane): BlockingLane {
  if (lane.blocking !== undefined) return lane.blocking;
  throw new SyncUnavailableError(
    "methods that block need shared memory, and this channel is a stream; use the asynchronous methods",
  );
}
