import type { Segment } from "../native/binding.js";

/** Returns whether the checked mode is on: every block has a buffer of its own, which is detached when the block is sent or released. */
export function isChecked(): boolean {
  return process.env.RINGBELL_CHECK_BLOCKS === "1";
}

/** A segment as JavaScript sees it: one ArrayBuffer over all of it, or in checked mode one for each block. */
export class Mapping {
  readonly segment: Segment;
  readonly bytes: number;
  readonly #checked: boolean;
  #whole: ArrayBuffer | undefined;

  constructor(segment: Segment, checked: boolean) {
    this.segment = segment;
    this.bytes = segment.bytes;
    this.#checked = checked;
  }

  view(offset: number, length: number): Uint8Array {
    if (this.#checked) return new Uint8Array(this.segment.view(offset, length));
    // The length is 0 if a program has taken the buffer: a byte stream that gets a view does that, and so
    // does ArrayBuffer.prototype.transfer. No engine's stable interface refuses it.
    if (this.#whole === undefined || this.#whole.byteLength === 0)
      this.#whole = this.segment.view(0, this.bytes);
    return new Uint8Array(this.#whole, offset, length);
  }

  /** Ends the use of a view that was given out. Returns whether the view was really taken away. */
  revoke(view: Uint8Array): boolean {
    if (this.#checked) this.segment.detach(view.buffer as ArrayBuffer);
    return this.#checked;
  }

  /**
   * Unmaps the segment. From now on the length of every view is 0; a revoked view has it already. If a program
   * has taken a buffer, the memory stays mapped as long as that one lives.
   */
  close(): void {
    if (this.#whole !== undefined) this.segment.detach(this.#whole);
    this.#whole = undefined;
    this.segment.close();
  }
}
