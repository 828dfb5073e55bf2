import type { EventEmitter } from "node:events";
import type { Codecs } from "../codec/resolve.js";
import type { RingbellError } from "../errors.js";
import type { LaneHandler, TransportLane } from "../transport/contract.js";
import type { LaneStatistics } from "./lane.js";
import { Receiver } from "./receiver.js";
import { Sender } from "./sender.js";

/** What a lane needs of its channel. */
export interface LaneHost {
  /** Why the transport has ended, if it has; also before it has said so. */
  whyEnded(): RingbellError | undefined;
  /** A message that could not be decoded, and that the lane's own listeners did not hear of. */
  bad(error: Error): void;
  /** All that had arrived before the end of the channel was delivered. */
  finished(): void;
}

/** The two halves of a lane, between the transport below and the Lane that users see above. */
export class LaneCore<Send, Receive> implements LaneHandler {
  readonly transport: TransportLane;
  readonly sender: Sender<Send>;
  readonly receiver: Receiver<Receive>;
  /** The Lane; it sets itself. */
  emitter: EventEmitter | undefined;

  constructor(
    transport: TransportLane,
    codecs: Codecs<Send, Receive>,
    maxMessageBytes: number,
    host: LaneHost,
  ) {
    this.transport = transport;
    this.sender = new Sender(transport, codecs.send, maxMessageBytes, {
      drain: () => void this.emitter?.emit("drain"),
      whyEnded: () => host.whyEnded(),
    });
    this.receiver = new Receiver(transport, codecs.receive, {
      // As it was registered: the wrapper of `once` takes itself out.
      listener: () => this.emitter?.rawListeners("message")[0] as ((message: Receive) => unknown) | undefined,
      bad: (error) => {
        if ((this.emitter?.listenerCount("error") ?? 0) > 0) this.emitter?.emit("error", error);
        else host.bad(error as Error);
      },
      finished: () => host.finished(),
      whyEnded: () => host.whyEnded(),
    });
  }

  onRecords(count: number): boolean {
    return this.receiver.onRecords(count);
  }

  onRoom(): void {
    this.sender.onRoom();
  }

  onTaken(): void {
    this.sender.onTaken();
  }

  stats(): LaneStatistics {
    return {
      ...this.transport.stats(),
      waitingSends: this.sender.waiting,
      badMessages: this.receiver.badMessages,
    };
  }
}
