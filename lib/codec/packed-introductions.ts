import type { Outgoing } from "./lane-codec.js";
import type { Shape } from "./packed-dictionary.js";

/**
 * The shapes whose introductions are under way. A shape is known when a message that introduces it has gone out. Nobody tells the codec: what
 * became of a message is seen from the counters of the lane, before the next one is encoded. Where they do not tell, the shape is
 * introduced again.
 *
 * Messages go out in the order in which their encoding ended. So a message may use what one before it in the same batch introduces: of a
 * batch, the messages up to a certain one go out, and it goes out only if those before it did.
 */
export class Introductions {
  private readonly shapes: Shape[] = [];
  /** For each shape: the number of messages that have gone out when the one with the introduction has. Ascending. */
  private readonly due: number[] = [];
  /** The number of messages that had gone out when the shapes were noted. */
  private before = 0;

  /** Without a lane no shape ever becomes known. */
  constructor(private readonly lane: Outgoing | undefined) {}

  /** Whether there are any. Hot. */
  get some(): boolean {
    return this.shapes.length > 0;
  }

  /** Looks what became of the messages. Called before a message is encoded, and when it was: only what was encoded may go out in between. */
  settle(): void {
    const { lane, shapes, due } = this;
    if (lane === undefined || shapes.length === 0) return;
    const sent = lane.sent();
    const undecided = sent === this.before;
    // Messages that are packed have their chance. Others were dropped, or wait for room, where they may be aborted.
    const last = undecided ? sent + lane.packed() : sent;
    let left = shapes.length;
    while (left > 0 && due[left - 1]! > last) shapes[--left]!.known = false;
    for (let i = 0; i < left; i++) shapes[i]!.known = true;
    if (!undecided) left = 0;
    shapes.length = left;
    due.length = left;
  }

  /** Notes what a message of `bytes` bytes introduces, which was encoded just now. */
  add(shapes: readonly Shape[], bytes: number): void {
    const { lane } = this;
    if (lane === undefined) return;
    this.settle();
    if (!lane.isNext(bytes)) return;
    this.before = lane.sent();
    const due = this.before + lane.packed() + 1;
    for (const shape of shapes) {
      this.shapes.push(shape);
      this.due.push(due);
    }
  }
}
