/** How long (ms) writes may go on in one turn of the event loop, before timers and others have theirs. */
const TURN = 1;

/**
 * A stream whose writes find room at once goes on from promise to promise, and the event loop stands still for as long as there is
 * something to write. So it asks now and then whether its turn is over.
 */
export class Turn {
  #end = 0;

  isOver(): boolean {
    const now = performance.now();
    if (this.#end !== 0) return now >= this.#end;
    this.#end = now + TURN;
    // The next turn begins when others have had theirs.
    setImmediate(() => {
      this.#end = 0;
    });
    return false;
  }
}
