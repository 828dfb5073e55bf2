import type { Binding, Segment } from "../native/binding.js";

/** Whether every block is to have a buffer of its own, which is taken away when the block is sent or released. */
export function isChecked(): boolean {
  return process.env.RINGBELL_CHECK_BLOCKS === "1";
}

/** A segment as JavaScript sees it: one ArrayBuffer over all of it, or, checked, one for each block. */
export class Mapping {
  readonly segment: Segment;
  readonly bytes: number;
  readonly #detach: Binding["detach"];
  readonly #checked: boolean;
  #whole: ArrayBuffer | undefined;

  constructor(segment: Segment, detach: Binding["detach"], checked: boolean) {
    this.segment = segment;
    this.bytes = segment.bytes;
    this.#detach = detach;
    this.#checked = checked;
  }

  view(offset: number, length: number): Uint8Array {
    if (this.#checked) return new Uint8Array(this.segment.view(offset, length));
    // A program can have transferred it by ArrayBuffer.prototype.transfer; lists of what is to be transferred do not take it.
    if (this.#whole === undefined || this.#whole.byteLength === 0)
      this.#whole = this.segment.view(0, this.bytes);
    return new Uint8Array(this.#whole, offset, length);
  }

  /** A view that was given out is not to be used any more. Returns whether it can't be. */
  revoke(view: Uint8Array): boolean {
    if (this.#checked) this.#detach(view.buffer as ArrayBuffer);
    return this.#checked;
  }

  /** Unmaps: from now on the length of every view is 0 (of those that were revoked it is already). */
  close(): void {
    if (this.#whole !== undefined) this.#detach(this.#whole);
    this.#whole = undefined;
    this.segment.close();
  }
}
