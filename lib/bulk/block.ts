import { type InspectOptions, inspect } from "node:util";
import { brand, isInstance } from "../brand.js";
import { BlockError, InvalidArgumentError } from "../errors.js";
import type { Lease } from "./lease.js";

/** The most handles that one block can be shared out into. */
const MOST_SHARES = 65_536;

/** What a codec does with the blocks that it meets while it encodes; returns what stands for the block in the message. */
export type Attach = (block: Block) => unknown;

let attach: Attach | undefined;

/** While JSON.stringify runs: what `toJSON` of a block does. Returns what it was before, to be put back. */
export function setAttach(next: Attach | undefined): Attach | undefined {
  const before = attach;
  attach = next;
  return before;
}

/** How a block lost its lease. */
type Gone = "sent" | "released" | "shared";

/** Makes a block of a lease. */
export let makeBlock: (lease: Lease) => Block;
/** The lease of a block, which stays with it. Throws a BlockError if it is gone, or comes from another copy of the package. */
export let leaseOf: (block: Block) => Lease;
/** Takes the lease away: the block was sent. */
export let forget: (block: Block) => void;
/** Moves the lease to a block of its own, so that its program can't use it while it waits to be sent. */
export let moveOut: (block: Block) => Block;
/** Moves it back: it was not sent after all. */
export let moveBack: (block: Block, from: Block) => void;

/**
 * A piece of memory that is handed over whole, made by `channel.allocate` or received in a message. Put it anywhere in a message: the
 * receiver finds a block there with the same bytes, not copied (copied, where the channel is a stream: see `stats().bulk`).
 *
 * It has one owner at a time. Sending it gives it away: from then on `bytes` and a second send throw a BlockError
 * (ERR_RINGBELL_BLOCK) that says so. What was sent is the receiver's to change and to release. Views of `bytes` that were kept from before are
 * not taken away: whoever goes on using them sees what the new owner does. With RINGBELL_CHECK_BLOCKS=1 they are, and have the
 * length 0: slower, for tests.
 *
 * Release it as soon as it is not needed any more, best by `using block = …`. A block that is garbage-collected comes back too,
 * but late, and with a warning.
 *
 * A program can load two copies of the package. A block of one copy is no `instanceof Block` to the other, which can't read its
 * memory: the codecs of the other copy refuse it with a BlockError.
 */
export class Block {
  static {
    brand(Block, "Block");
    makeBlock = (lease) => new Block(lease);
    leaseOf = (block) => {
      if (!isObject(block) || !(#lease in block)) refuse(block);
      const lease = block.#lease;
      return typeof lease === "string" ? gone(lease) : lease;
    };
    forget = (block) => {
      block.#lease = "sent";
    };
    moveOut = (block) => {
      const moved = new Block(leaseOf(block));
      block.#lease = "sent";
      return moved;
    };
    moveBack = (block, from) => {
      block.#lease = from.#lease;
      from.#lease = "sent";
    };
  }

  #lease: Lease | Gone;
  /** Makes structuredClone and postMessage refuse a block, which would arrive as an empty object. */
  readonly uncloneable: () => never = uncloneable;

  // Not private: schemas such as z.instanceof(Block) take only classes that could be constructed.
  /** Blocks are made by `channel.allocate`. @internal */
  constructor(lease: Lease) {
    this.#lease = lease;
  }

  /**
   * The memory, at an address that is a multiple of 64, so that any typed array fits: `new Float64Array(bytes.buffer, bytes.byteOffset,
   * bytes.byteLength / 8)`. Its content is at first whatever an earlier block of this channel left there. Throws a BlockError
   * (ERR_RINGBELL_BLOCK) once the block is gone, and says how it went. Its `buffer` is larger than the block and can't be transferred.
   */
  get bytes(): Uint8Array {
    const lease = this.#lease;
    return typeof lease === "string" ? gone(lease) : lease.bytes;
  }

  /** In bytes; 0 once it is gone. */
  get byteLength(): number {
    const lease = this.#lease;
    return typeof lease === "string" ? 0 : lease.length;
  }

  /** Whether it was sent, released or shared out, and can't be used any more. */
  get gone(): boolean {
    return typeof this.#lease === "string";
  }

  /** Whether nobody can change it: what is written to `bytes` is seen by nobody else. See `seal`. */
  get sealed(): boolean {
    const lease = this.#lease;
    return typeof lease !== "string" && lease.sealed;
  }

  /** Whether there are other handles of the same memory, here or elsewhere, or may be: it should only be read. See `share`. */
  get shared(): boolean {
    const lease = this.#lease;
    return typeof lease !== "string" && lease.shared;
  }

  /** Gives the memory back to whom it belongs. Of no effect if the block is gone. */
  release(): void {
    const lease = this.#lease;
    if (typeof lease === "string") return;
    this.#lease = "released";
    lease.release();
  }

  /**
   * Makes `count` (1 to 65 536) handles of the same memory, in place of this one, which is gone: a second call throws. Each can be sent over any channel of
   * this thread, read, released; the memory goes when the last was released, wherever it is. By agreement it is only read from now on;
   * `seal` enforces it. Throws a BlockError (ERR_RINGBELL_BLOCK) for a block that was received: it is its sender's to share.
   *
   * The bytes are not copied if the block is longer than 256 KiB and its memory was not used before; else once.
   * Throws a NoSpaceError (ERR_RINGBELL_NO_SPACE) if there is no memory for that.
   */
  share(count: number): Block[] {
    if (!Number.isInteger(count) || count < 1 || count > MOST_SHARES) {
      throw new InvalidArgumentError("count", `an integer from 1 to ${MOST_SHARES}`, count);
    }
    const leases = leaseOf(this).share(count);
    this.#lease = "shared";
    return leases.map((lease) => new Block(lease));
  }

  /**
   * Makes it immutable for everybody, also for this side: its memory becomes a file that the kernel lets nobody write to (a memfd, Linux
   * only), each side mapping it privately. Can be shared afterwards. Returns itself; `bytes` is a new view. Copies as
   * `share` does. Throws a BlockError (ERR_RINGBELL_BLOCK) for a block that was received, or where there are no sealed files.
   */
  seal(): this {
    this.#lease = leaseOf(this).seal();
    return this;
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** For the codec `json()`, within a message of a channel. Anywhere else it throws a BlockError (ERR_RINGBELL_BLOCK). */
  toJSON(): unknown {
    if (attach === undefined) {
      throw new BlockError(
        "a block has no JSON form; send it in a message, or turn its bytes into something that has",
      );
    }
    return attach(this);
  }

  /** What console.log shows. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    const { byteLength, sealed, shared } = this;
    return this.gone ? "Block { gone }" : `Block ${inspect({ byteLength, sealed, shared }, options)}`;
  }
}

function uncloneable(): never {
  throw new BlockError("structuredClone and postMessage carry no blocks; send it in a message of a channel");
}

// What a toJSON returns is not asked for its own; a block would be an empty object, and lost.
uncloneable.toJSON = (): never => {
  throw new BlockError("a toJSON returned a block; let it return an object or an array with the block in it");
};

const WENT: Readonly<Record<Gone, string>> = {
  sent: "the block was sent, and is the receiver's now; share() it before to keep a handle",
  released: "the block was released, and its memory given back",
  shared: "the block was shared: use the blocks that share() returned",
};

// Not a private method: each block would carry a mark for it.
function gone(how: Gone): never {
  throw new BlockError(WENT[how]);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** A codec of the user's may put anything on the list of blocks. */
function refuse(value: unknown): never {
  throw new BlockError(
    isForeignBlock(value) ? FOREIGN : "a codec put something else than a block on the list of blocks",
  );
}

/** Whether it is a block that another copy of the package made. */
export function isForeignBlock(value: unknown): boolean {
  return isInstance(Block, value) && !(value instanceof Block);
}

/** What a BlockError says of a block that another copy of the package made. */
export const FOREIGN =
  "the block was made by another copy of ringbell; allocate it, and send it, by one and the same copy (see `npm ls ringbell`)";
