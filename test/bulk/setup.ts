import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { Block, Channel } from "ringbell";
import { SharedBulk } from "../../lib/transport/shm/shared-bulk.js";

export { pair, peer, privateDirectory, reported, script } from "../channel/setup.js";

// `stats()` says what this side has heard. The tests here ask what is so: they have each side look first, as one does that allocates.
const { stats } = SharedBulk.prototype;
SharedBulk.prototype.stats = function () {
  this.attend();
  return stats.call(this);
};

export const KIB = 1024;
export const MIB = 1024 * 1024;

/** A message with blocks, for the codecs json() and clone(). */
export interface Message {
  readonly id: number;
  readonly blocks: Block[];
}

/** Waits, turn of the event loop by turn, until it is so. For what tells nobody that it has happened. */
export async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`it did not come about: ${holds}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Lets everything that is ready in this process happen. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** What a promise has come to, without waiting for it. */
export function watchPromise<T>(promise: Promise<T>): { state: "pending" | "fulfilled" | "rejected" } {
  const watched: { state: "pending" | "fulfilled" | "rejected" } = { state: "pending" };
  promise.then(
    () => {
      watched.state = "fulfilled";
    },
    () => {
      watched.state = "rejected";
    },
  );
  return watched;
}

/** Bytes that are the same for the same seed, and hardly for another: 32-bit words that count up from it. */
export function stamp(bytes: Uint8Array, seed: number): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(seed + 1, 2654435761) + i;
  for (let i = words.length * 4; i < bytes.length; i++) bytes[i] = seed + i;
}

/** Where the stamp of `seed` is broken first; -1 where it is whole. */
export function brokenAt(bytes: Uint8Array, seed: number): number {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
  for (let i = 0; i < words.length; i++) {
    if (words[i] !== (Math.imul(seed + 1, 2654435761) + i) >>> 0) return i * 4;
  }
  for (let i = words.length * 4; i < bytes.length; i++) if (bytes[i] !== ((seed + i) & 0xff)) return i;
  return -1;
}

/** What the channel says of its blocks, in short. */
export function counts(channel: Channel<never, unknown>): { own: number; lent: number; held: number } {
  const { ownBlocks, lentBlocks, heldBlocks } = channel.stats().bulk;
  return { own: ownBlocks, lent: lentBlocks, held: heldBlocks };
}

/** Mappings of memory of ours in a process, those of the rings included. */
export function mappings(pid: number | "self" = "self"): number {
  return readFileSync(`/proc/${pid}/maps`, "utf8").match(/memfd:ringbell|\/dev\/shm\/ringbell/g)?.length ?? 0;
}

/** Open descriptors of memory of ours in this process. */
export function memoryDescriptors(): number {
  return openDescriptors().filter((target) => /memfd:ringbell|\/dev\/shm\/ringbell/.test(target)).length;
}

/** What the descriptors of this process lead to. */
export function openDescriptors(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      // The one by which the directory was read.
      return [];
    }
  });
}
