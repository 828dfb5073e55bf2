/**
 * The turn of the event loop, of which all channels of a thread together take no more than a part: the rest of the program, its timers and
 * sockets, waits no longer than that, however much arrives. What is not done then is done in the turns that follow, in order.
 *
 * The shared-memory transport bounds what it delivers natively (reactor.cc), by as much; what is here is for that which runs in JavaScript:
 * the stream transport, listeners that a batch keeps for more than a turn, and what goes on from promise to promise.
 */

// This one, and not the global one: a program's tests may replace that, and a turn that never began would hold up all others, for good.
import { setImmediate } from "node:timers";

/** How long (ms) channels may go on in one turn before others have theirs. */
export const TURN = 0.5;

/** Time (ms) that was taken of this turn; when the work that runs now began, 0 where none does. */
let spent = 0;
let since = 0;
/** When the turn of those that go on from promise to promise ends, 0 before the first has asked. */
let end = 0;
/** Those whose turn was over before their work was, in the order in which they asked. */
const waiting: (() => void)[] = [];
let arranged = false;
/** One of those is at work. */
let resuming = false;

/** Work begins, whose time counts until `leave`. False within such work: the outer one counts for both, and leaves. */
export function enter(): boolean {
  if (since !== 0) return false;
  since = performance.now();
  return true;
}

/** Whether there is time left in this turn. */
export function hasTime(): boolean {
  return spent + (since === 0 ? 0 : performance.now() - since) < TURN;
}

/** Whether there is time left, and nobody has waited for it longer. */
export function mayGoOn(): boolean {
  return (resuming || waiting.length === 0) && hasTime();
}

export function leave(): void {
  spent += performance.now() - since;
  since = 0;
  // Where little was done the loop need not turn at once on our account: it counts for the next turn, too.
  if (spent > TURN / 4) arrange();
}

/** Whether those that go on from promise to promise, and so without the event loop, have used up its turn. Begins it if nobody has. */
export function turnIsOver(now = performance.now()): boolean {
  if (end !== 0) return now >= end;
  end = now + TURN;
  arrange();
  return false;
}

/** Calls `resume` in a coming turn, after those who asked before: as many in each as there is time for, at least one. */
export function resumeInTurn(resume: () => void): void {
  waiting.push(resume);
  arrange();
}

function arrange(): void {
  if (arranged) return;
  arranged = true;
  setImmediate(begin);
}

/** Others have had their time: the next turn begins, with those who wait. */
function begin(): void {
  arranged = false;
  spent = 0;
  end = 0;
  if (waiting.length === 0) return;
  enter();
  resuming = true;
  try {
    for (let left = waiting.length; left > 0 && hasTime(); left--) waiting.shift()!();
  } finally {
    // Also where one of them has thrown: the others still have their turns.
    resuming = false;
    leave();
    if (waiting.length > 0) arrange();
  }
}
