import { releaseBlocks } from "../codec/release-blocks.js";
import {
  BlockError,
  BlockTooLargeError,
  CorruptError,
  EncodeError,
  MessageTooLargeError,
  NoSpaceError,
} from "../errors.js";
import { type CancelCells, cancelCellsOf } from "./cells.js";
import type { RpcPort } from "./rpc-port.js";

/** Answers that may wait for room before the peer is not read any more, and half of which must go before it is read again. */
const MANY_WAITING = 1024;

/** A peer that leaves so many messages waiting is cut off. No peer of ours does: it reads its answers while it waits for them. */
const MOST_WAITING = 65_536;

/** What a link tells of answers that wait. */
export interface LinkEvents {
  /** So many answers wait that the peer should not be read. */
  congested(): void;
  /** There is room for more answers again. */
  relieved(): void;
}

/** The sending side of a connection, as calls use it. Blocks in a message that can't be sent are released. */
export class Link {
  readonly port: RpcPort;
  /** Cancels, credits and pings go here. They are not held up by data. */
  readonly control: RpcPort;
  /** By these a cancel is seen while the handler computes; undefined if the port has none. */
  readonly cells: CancelCells | undefined;
  /** Why the connection has ended; undefined while it is open. */
  ended: { readonly error: Error | undefined } | undefined;
  readonly #events: LinkEvents;
  /** Answers, and what `tell` sends, that wait for room. */
  #waiting = 0;

  constructor(port: RpcPort, events: LinkEvents) {
    this.port = port;
    this.control = port.control ?? port;
    this.cells = cancelCellsOf(port);
    this.#events = events;
  }

  /**
   * Sends a message. Returns a promise if it waits for room. Throws, or rejects, if the message can't be encoded or the port
   * has ended.
   */
  post(message: object, on = this.port): Promise<void> | undefined {
    try {
      if (on.trySend(message)) return undefined;
    } catch (error) {
      releaseBlocks(message);
      throw error;
    }
    return wait(on, message);
  }

  /** Like `post`, for what a peer makes us send. The peer must take it some time: beyond a number that waits, it is cut off. */
  answer(message: object, on: RpcPort): Promise<void> | undefined {
    return this.#counted(this.post(message, on));
  }

  /** Sends a message about a call, which nobody waits for. If the port has ended, so has the call. */
  tell(message: object): void {
    try {
      this.answer(message, this.control)?.catch(() => {});
    } catch {
      // The end of the port is told to all calls.
    }
  }

  #counted(sending: Promise<void> | undefined): Promise<void> | undefined {
    if (sending === undefined) return undefined;
    this.#waiting++;
    if (this.#waiting === MANY_WAITING) this.#events.congested();
    if (this.#waiting === MOST_WAITING) {
      this.port.destroy(
        new CorruptError(
          `the peer takes no messages: ${MOST_WAITING} answers wait for room, the most that may`,
        ),
      );
    }
    return sending.finally(() => {
      if (--this.#waiting === MANY_WAITING / 2) this.#events.relieved();
    });
  }
}

/** Whether a send failed because of the message. Otherwise the port has ended. */
export function isUnsendable(error: unknown): boolean {
  return UNSENDABLE.some((type) => error instanceof type);
}

const UNSENDABLE = [EncodeError, MessageTooLargeError, BlockError, BlockTooLargeError, NoSpaceError];

async function wait(on: RpcPort, message: object): Promise<void> {
  try {
    await on.send(message);
  } catch (error) {
    releaseBlocks(message);
    throw error;
  }
}
