import type { EventEmitter } from "node:events";
import type { Codecs } from "../codec/resolve.js";
import type { Ending } from "../ending.js";
import type { Port } from "../port.js";
import { guarded } from "../raise.js";
import type { LaneHandler, LaneStats, TransportBulk, TransportLane } from "../transport/contract.js";
import type { MessageLimits } from "./parcel.js";
import { ReceivingHalf } from "./receiving-half.js";
import { SendingHalf } from "./sending-half.js";

/** Counters of a lane: those of the transport, and those of the library. */
export interface LaneStatistics extends LaneStats {
  /** Sends that wait for room. */
  readonly waitingSends: number;
  /** Messages that arrived and could not be decoded. A count since the channel was made. */
  readonly badMessages: number;
}

/** The part of a channel that the streams of its lane `main` use to end it. */
export type Endable = Pick<Port, "close" | "destroy">;

/** The part of a channel that its lanes use. */
export interface LaneOwner {
  /** The channel of the lane. Must not be used before it is made. */
  readonly channel: Port<never, unknown>;
  readonly ending: Ending;
  /** Looks whether the peer has gone; if so, `ending` has the reason afterwards. */
  look(): void;
  /** Called for a message that could not be decoded, if the lane has no listener for errors. */
  bad(error: Error): void;
  /** Called when all that had arrived before the end of the channel was delivered. */
  finished(): void;
}

/** How the channel of a lane has ended, as far as the lane can tell. */
export interface LaneEnd {
  /** Whether the peer ended the channel, or its process ended; otherwise this side ended it. */
  readonly byPeer: boolean;
  /** Whether the channel was closed in order. */
  readonly inOrder: boolean;
  /** Bytes sent that the peer has not reported as taken. The peer reports late: it may have taken up to an eighth of the capacity more. */
  readonly unreported: number;
}

/** The two halves of a lane, between the transport below and the Lane that users see above. */
export class LaneCore<Send, Receive> implements LaneHandler {
  readonly transport: TransportLane;
  readonly codecs: Codecs<Send, Receive>;
  readonly sender: SendingHalf<Send>;
  readonly receiver: ReceivingHalf<Receive>;
  readonly #owner: LaneOwner;
  /** The Lane above this core. It sets this field itself. */
  emitter: EventEmitter | undefined;
  #end: LaneEnd | undefined;
  readonly #endListeners = new Set<(end: LaneEnd) => void>();

  constructor(
    transport: TransportLane,
    bulk: TransportBulk,
    codecs: Codecs<Send, Receive>,
    limits: MessageLimits,
    owner: LaneOwner,
  ) {
    this.#owner = owner;
    this.transport = transport;
    this.codecs = codecs;
    const { ending } = owner;
    const look = () => owner.look();
    this.sender = new SendingHalf(transport, bulk, codecs.send, limits, ending, {
      drain: () => guarded(() => this.emitter?.emit("drain")),
      look,
    });
    this.receiver = new ReceivingHalf(transport, codecs.receive, ending, {
      // `rawListeners` keeps the wrapper of `once`, which removes itself when it is called.
      listener: () => this.emitter?.rawListeners("message")[0] as ((message: Receive) => unknown) | undefined,
      bad: (error) =>
        guarded(() => {
          if ((this.emitter?.listenerCount("error") ?? 0) > 0) this.emitter?.emit("error", error);
          else owner.bad(error as Error);
        }),
      finished: () => {
        this.#tellEnd(ending);
        owner.finished();
      },
      look,
    });
  }

  get channel(): Port<never, unknown> {
    return this.#owner.channel;
  }

  onRecords(): boolean {
    return this.receiver.onRecords();
  }

  onRoom(): void {
    this.sender.onRoom();
  }

  onTaken(): void {
    this.sender.onTaken();
  }

  /**
   * Calls the listener when the channel has ended, or at once if it has. A listener for messages gets what
   * arrived first. Returns a function that removes the listener.
   */
  whenEnded(listener: (end: LaneEnd) => void): () => void {
    if (this.#end === undefined) this.#endListeners.add(listener);
    else listener(this.#end);
    return () => this.#endListeners.delete(listener);
  }

  /** Resolves with the reason when the channel has ended: a ClosedError for an end in order, else the failure. */
  whyEnded(): Promise<unknown> {
    return this.sender.flush(undefined).catch((why: unknown) => why);
  }

  #tellEnd({ byPeer, failure }: Ending): void {
    const end: LaneEnd = {
      byPeer,
      inOrder: failure === undefined,
      unreported: this.transport.stats().sendFill,
    };
    this.#end = end;
    for (const listener of this.#endListeners) listener(end);
    this.#endListeners.clear();
  }

  stats(): LaneStatistics {
    const stats = this.transport.stats();
    const { idleSince } = stats;
    return {
      ...stats,
      // A batch is drained at once, and then taken one by one.
      receiveFill: stats.receiveFill + this.receiver.untaken,
      idleSince: idleSince === undefined ? undefined : Math.max(idleSince, this.receiver.lastTaken),
      waitingSends: this.sender.waiting,
      badMessages: this.receiver.badMessages,
    };
  }
}
