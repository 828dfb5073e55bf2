import type { Binding, Segment } from "../native/binding.js";

/** Returns whether the checked mode is on: every block has a buffer of its own, which is detached when the block is sent or released. */
export function isChecked(): boolean {
  return process.env.RINGBELL_CHECK_BLOCKS === "1";
}

/** A segment as JavaScript sees it: one ArrayBuffer over all of it, or in checked mode one for each block. */
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
    // The length is 0 if a program has called ArrayBuffer.prototype.transfer. (The buffer is refused in
    // transfer lists.)
    if (this.#whole === undefined || this.#whole.byteLength === 0)
      this.#whole = this.segment.view(0, this.bytes);
    return new Uint8Array(this.#whole, offset, length);
  }

  /** Ends the use of a view that was given out. Returns whether the view was really taken away. */
  revoke(view: Uint8Array): boolean {
    if (this.#checked) this.#detach(view.buffer as ArrayBuffer);
    return this.#checked;
  }

  /** Unmaps the segment. From now on the length of every view is 0; a revoked view has it already. */
  close(): void {
    if (this.#whole !== undefined) this.#detach(this.#whole);
    this.#whole = undefined;
    this.segment.close();
  }
}
