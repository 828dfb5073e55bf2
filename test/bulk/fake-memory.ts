import type { Memory } from "../../lib/bulk/segment-store.js";
import type { Segment } from "../../lib/native/binding.js";

/** A segment made of an ArrayBuffer. */
export interface FakeSegment extends Segment {
  readonly name: string;
  closed: boolean;
  immutable: boolean;
  hasDescriptor: boolean;
  discards: number;
}

/** Memory that is not shared with anybody, and can be told to run out. */
export class FakeMemory implements Memory {
  readonly segments: FakeSegment[] = [];
  /** What `segmentCreate` throws next, each once. */
  readonly failures: string[] = [];
  /** Whether `segmentCreateSoon` waits for `release`. */
  readonly waiting: (() => void)[] = [];
  slow = false;

  /** Those that are there. */
  get open(): FakeSegment[] {
    return this.segments.filter((segment) => !segment.closed);
  }

  get openBytes(): number {
    return this.open.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  segmentCreate(bytes: number, name: string): Segment {
    const code = this.failures.shift();
    if (code !== undefined) throw systemError(code);
    const segment = fakeSegment(bytes, name);
    this.segments.push(segment);
    return segment;
  }

  async segmentCreateSoon(bytes: number, name: string): Promise<Segment> {
    await Promise.resolve();
    if (this.slow) await new Promise<void>((resolve) => this.waiting.push(resolve));
    return this.segmentCreate(bytes, name);
  }
}

export function fakeSegment(bytes: number, name = ""): FakeSegment {
  const memory = new Uint8Array(bytes);
  return {
    bytes,
    name,
    closed: false,
    immutable: false,
    hasDescriptor: true,
    discards: 0,
    // A copy: memory that two ArrayBuffers look at can't be had in JavaScript. A Mapping asks for the whole only once.
    view: (offset, length) => memory.slice(offset, offset + length).buffer,
    detach: (view) => {
      if (view.byteLength > 0) structuredClone(view, { transfer: [view] });
    },
    makeImmutable() {
      this.immutable = true;
    },
    discard() {
      this.discards++;
    },
    closeDescriptor() {
      this.hasDescriptor = false;
    },
    close() {
      this.closed = true;
    },
  };
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`posix_fallocate failed: ${code}`), { code, syscall: "posix_fallocate" });
}
