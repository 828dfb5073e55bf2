import { type InspectOptions, inspect } from "node:util";
import { brand, isInstance } from "../brand.js";
import { BlockError, InvalidArgumentError } from "../errors.js";
import type { Lease } from "./lease.js";

/** The most handles that `share` makes of one block. */
const MOST_SHARES = 65_536;

/** The function by which a codec handles a block while it encodes. Returns the value that stands for the block in the message. */
export type Attach = (block: Block) => unknown;

let attach: Attach | undefined;

/** Sets the function that `toJSON` of a block calls while JSON.stringify runs. Returns the previous one, which must be put back. */
export function setAttach(next: Attach | undefined): Attach | undefined {
  const before = attach;
  attach = next;
  return before;
}

/** How a block lost its lease. */
type Gone = "sent" | "released" | "shared";

/** Makes a block of a lease. */
export let makeBlock: (lease: Lease) => Block;
/** Returns the lease of a block, which keeps it. Throws a BlockError if the block is gone, or comes from another copy of the package. */
export let leaseOf: (block: Block) => Lease;
/** Takes the lease away from a block that was sent. */
export let forget: (block: Block) => void;
/** Moves the lease to a new block, so that the program can't use the block while it waits to be sent. */
export let moveOut: (block: Block) => Block;
/** Moves the lease back to a block that was not sent after all. */
export let moveBack: (block: Block, from: Block) => void;

/**
 * A piece of memory that is handed over whole, made by `channel.allocate` or received in a message. Put it
 * anywhere in a message: the receiver finds a block there with the same bytes, not copied. (Over a stream
 * they are copied; see `stats().bulk`.)
 *
 * A block has one owner at a time. Sending it gives it away: from then on `bytes` and a second send throw a
 * BlockError (ERR_RINGBELL_BLOCK) that says so. The receiver may change and release what was sent. Views of
 * `bytes` that the program has kept stay usable, and show what the new owner does. With
 * RINGBELL_CHECK_BLOCKS=1 such views get the length 0: slower, for tests.
 *
 * Release a block as soon as it is not needed any more, best by `using block = …`. A block that is
 * garbage-collected comes back too, but late, and with a warning.
 *
 * A program can load two copies of the package. A block of one copy is no `instanceof Block` to the other,
 * which can't read its memory: the codecs of the other copy refuse it with an EncodeError.
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
  /** Makes structuredClone and postMessage refuse a block. It would arrive as an empty object. */
  readonly uncloneable: () => never = uncloneable;

  // The constructor is public, because schemas such as z.instanceof(Block) take only classes that can be
  // constructed.
  /** Makes a block of a lease; programs call `channel.allocate`. @internal */
  constructor(lease: Lease) {
    this.#lease = lease;
  }

  /**
   * The memory, at an address that is a multiple of 64, so that any typed array fits: `new
   * Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8)`. A new block contains whatever an
   * earlier block of this channel left there. Its `buffer` is larger than the block and can't be transferred.
   * Throws a BlockError (ERR_RINGBELL_BLOCK) once the block is gone; the error says how it went.
   */
  get bytes(): Uint8Array {
    const lease = this.#lease;
    return typeof lease === "string" ? gone(lease) : lease.bytes;
  }

  /** The block's length in bytes; 0 once the block is gone. */
  get byteLength(): number {
    const lease = this.#lease;
    return typeof lease === "string" ? 0 : lease.length;
  }

  /** Whether the block was sent, released or shared out, and can't be used any more. */
  get gone(): boolean {
    return typeof this.#lease === "string";
  }

  /** Whether the block's content is fixed for everybody; what this side writes to `bytes`, no other side sees. See `seal`. */
  get sealed(): boolean {
    const lease = this.#lease;
    return typeof lease !== "string" && lease.sealed;
  }

  /** Whether other handles of the same memory exist, here or elsewhere, or may exist. Such memory should only be read. See `share`. */
  get shared(): boolean {
    const lease = this.#lease;
    return typeof lease !== "string" && lease.shared;
  }

  /** Gives the memory back to its owner. Has no effect if the block is gone. */
  release(): void {
    const lease = this.#lease;
    if (typeof lease === "string") return;
    this.#lease = "released";
    lease.release();
  }

  /**
   * Makes `count` (1 to 65 536) handles of the same memory in place of this block. This block is gone then,
   * and a second call throws. Each handle can be sent over any channel of this thread, read, and released.
   * The memory is freed when the last handle was released, wherever it is. By agreement the memory is only
   * read from now on; `seal` enforces that. Throws a BlockError (ERR_RINGBELL_BLOCK) for a block that was
   * received: only its sender may share it.
   *
   * A block longer than 256 KiB is not copied if its memory was not used before; any other is copied once.
   * Throws a NoSpaceError (ERR_RINGBELL_NO_SPACE) if there is no memory for the copy.
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
   * Makes the block immutable for everybody, including this side. Its memory becomes a file that the kernel
   * lets no process write to (a memfd, Linux only), and each side maps it privately. Over a stream the block is
   * only marked: each side has a copy of its own. The block can be shared afterwards. Returns the block itself;
   * `bytes` is a new view. Copies when `share` would. Throws a BlockError (ERR_RINGBELL_BLOCK) for a block that
   * was received, or on a platform without sealed files.
   */
  seal(): this {
    this.#lease = leaseOf(this).seal();
    return this;
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /**
   * Returns what stands for the block in JSON, for the codec `json()` within a message of a channel. Anywhere
   * else it throws a BlockError (ERR_RINGBELL_BLOCK).
   */
  toJSON(): unknown {
    if (attach === undefined) {
      throw new BlockError(
        "a block has no JSON form; send it in a message, or turn its bytes into something that has",
      );
    }
    return attach(this);
  }

  /** Returns the text that console.log shows. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    const { byteLength, sealed, shared } = this;
    return this.gone ? "Block { gone }" : `Block ${inspect({ byteLength, sealed, shared }, options)}`;
  }
}

function uncloneable(): never {
  throw new BlockError("structuredClone and postMessage carry no blocks; send it in a message of a channel");
}

// JSON.stringify does not call toJSON on a value that a toJSON returned. A block there would become an empty
// object, and be lost.
uncloneable.toJSON = (): never => {
  throw new BlockError("a toJSON returned a block; let it return an object or an array with the block in it");
};

const WENT: Readonly<Record<Gone, string>> = {
  sent: "the block was sent, and is the receiver's now; share() it before to keep a handle",
  released: "the block was released, and its memory given back",
  shared: "the block was shared: use the blocks that share() returned",
};

// `gone` is a function, because a private method would cost a mark on each block.
function gone(how: Gone): never {
  throw new BlockError(WENT[how]);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** Throws for a value on the list of blocks that is no block: a user's codec may put anything there. */
function refuse(value: unknown): never {
  throw new BlockError(
    isForeignBlock(value) ? FOREIGN : "a codec put something else than a block on the list of blocks",
  );
}

/** Returns whether the value is a block that another copy of the package made. */
export function isForeignBlock(value: unknown): boolean {
  return isInstance(Block, value) && !(value instanceof Block);
}

/** The text of the BlockError for a block that another copy of the package made. */
export const FOREIGN =
  "the block was made by another copy of ringbell; allocate it, and send it, by one and the same copy (see `npm ls ringbell`)";
