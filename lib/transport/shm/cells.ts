import { checkInteger } from "../../check.js";
import type { Cells } from "../contract.js";

/** The cells of a connection in shared memory. Each is read and written by one instruction, so that no half of a value is seen. */
export class SharedCells implements Cells {
  readonly length: number;
  #ours: Uint32Array;
  #theirs: Uint32Array;

  /** `buffer`: the cells of both sides, the listener's first. */
  constructor(buffer: ArrayBuffer, listener: boolean) {
    this.length = buffer.byteLength / 2 / Uint32Array.BYTES_PER_ELEMENT;
    const listeners = new Uint32Array(buffer, 0, this.length);
    const connectors = new Uint32Array(buffer, buffer.byteLength / 2, this.length);
    this.#ours = listener ? listeners : connectors;
    this.#theirs = listener ? connectors : listeners;
  }

  set(index: number, value: number): void {
    checkInteger(index, "index", 0, this.length - 1);
    checkInteger(value, "value", 0, 2 ** 32 - 1);
    Atomics.store(this.#ours, index, value);
  }

  get(index: number): number {
    checkInteger(index, "index", 0, this.length - 1);
    // A plain read in a loop might be made once, before the loop.
    return Atomics.load(this.#theirs, index);
  }

  /** Keeps the last values in private memory: the shared memory is about to go. */
  leave(): void {
    this.#ours = this.#ours.slice();
    this.#theirs = this.#theirs.slice();
  }
}
