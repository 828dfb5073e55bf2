import { type Block, forget, leaseOf, makeBlock } from "../../lib/bulk/block.js";
import type { Lease } from "../../lib/bulk/lease.js";
import type { Codec } from "../../lib/codec/codec.js";
import { Scratch } from "../../lib/codec/codec.js";

/** Where messages are put: not at the beginning, so that a forgotten offset shows. */
export const OFFSET = 8;

export function scratchOf(bytes = 4096): Scratch {
  return new Scratch(new ArrayBuffer(bytes));
}

/** The bytes of a message. */
export function encode<T>(
  codec: Codec<T, unknown>,
  message: T,
  scratch = scratchOf(),
  blocks: Block[] = [],
): Uint8Array {
  scratch.buffer.fill(0xaa);
  const bytes = codec.encode(message, scratch, OFFSET, blocks);
  if (bytes < 0) throw new Error("no room");
  return Uint8Array.from(scratch.buffer.subarray(OFFSET, OFFSET + bytes));
}

/** Decodes bytes that stand at the very end of the scratch, so that reading past them throws a RangeError. */
export function decode<T>(codec: Codec<never, T>, bytes: Uint8Array): T {
  const offset = OFFSET * 4;
  const scratch = scratchOf(offset + bytes.length);
  scratch.buffer.set(bytes, offset);
  return codec.decode(scratch, offset, bytes.length, []);
}

export function roundTrip<S, R>(codec: Codec<S, R>, message: S): R {
  const scratch = scratchOf(1 << 20);
  return decode(codec, encode(codec, message, scratch));
}

/** The error that a function throws. */
export function thrown(act: () => unknown): Error & { code?: string; path?: string } {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

/** Memory of this process in the place of a channel's. */
class PrivateLease implements Lease {
  readonly ledger = PrivateLease;
  readonly memory = undefined;
  readonly sealed = false;
  readonly shared = false;
  released = 0;

  constructor(readonly bytes: Uint8Array) {}

  get length(): number {
    return this.bytes.length;
  }

  release(): void {
    this.released++;
  }

  share(count: number): Lease[] {
    return Array.from({ length: count }, () => new PrivateLease(this.bytes));
  }

  seal(): Lease {
    return this;
  }
}

export function blockOf(content: string): Block {
  return makeBlock(new PrivateLease(new TextEncoder().encode(content)));
}

export function contentOf(block: Block): string {
  return Buffer.from(block.bytes).toString();
}

/** A message between encoding and decoding, with the blocks that go along. */
export interface Parcel {
  readonly bytes: Uint8Array;
  readonly blocks: readonly Block[];
}

/** Encodes, and takes the blocks away as a transport does that has sent them. */
export function pack<T>(codec: Codec<T, unknown>, message: T, scratch = scratchOf(1 << 16)): Parcel {
  const met: Block[] = [];
  const bytes = encode(codec, message, scratch, met);
  const blocks = met.map((block) => makeBlock(leaseOf(block)));
  for (const block of met) forget(block);
  return { bytes, blocks };
}

export interface Unpacked<T> {
  readonly message: T | undefined;
  readonly error: (Error & { code?: string; path?: string }) | undefined;
  /** What was not claimed: for the channel to release. */
  readonly left: readonly Block[];
  /** How often the memory behind each block was released. */
  readonly released: readonly number[];
}

/** Decodes with the blocks of the parcel. */
export function unpack<T>(codec: Codec<never, T>, { bytes, blocks }: Parcel): Unpacked<T> {
  const scratch = scratchOf(OFFSET + bytes.length);
  scratch.buffer.set(bytes, OFFSET);
  const open: (Block | undefined)[] = [...blocks];
  const leases = blocks.map((block) => leaseOf(block) as PrivateLease);
  let message: T | undefined;
  let error: Error | undefined;
  try {
    message = codec.decode(scratch, OFFSET, bytes.length, open);
  } catch (thrown) {
    error = thrown as Error;
  }
  const left = open.filter((block) => block !== undefined);
  return { message, error, left, released: leases.map((lease) => lease.released) };
}

/** Encodes, moves the blocks over, and decodes; all of them must have been claimed. */
export function carry<S, R>(codec: Codec<S, R>, message: S): R {
  const { message: received, error, left } = unpack(codec, pack(codec, message));
  if (error !== undefined) throw error;
  if (left.length > 0) throw new Error(`${left.length} blocks were not claimed`);
  return received as R;
}
