import { now, setImmediate } from "../clock.js";

/**
 * The turn of the event loop. All channels of a thread together take only a part of it, however much arrives.
 * Timers, sockets and the rest of the program wait no longer than that. The rest of the work is done in the
 * turns that follow, in order.
 *
 * The shared-memory transport bounds by as much what it delivers natively (reactor.cc). This file bounds the
 * work that runs in JavaScript: the stream transport, listeners that a batch keeps for more than a turn, and
 * work that goes from promise to promise.
 */

/** How long (ms) channels may work in one turn. */
export const TURN = 0.5;

/** `spent`: the time (ms) that was used of this turn. `since`: when the present work began; 0 while none runs. */
let spent = 0;
let since = 0;
/** When the turn of the work that goes from promise to promise ends; 0 before the first call of `turnIsOver`. */
let end = 0;
/** Callbacks whose turn was over before their work was, in the order of asking. */
const waiting: (() => void)[] = [];
let arranged = false;
/** Whether one of `waiting` is running. */
let resuming = false;

/** Begins work whose time counts until `leave`. Returns false inside other such work: the outer work counts for both, and leaves. */
export function enter(): boolean {
  if (since !== 0) return false;
  since = now();
  return true;
}

/** Returns whether this turn has time left. */
export function hasTime(): boolean {
  return spent + (since === 0 ? 0 : now() - since) < TURN;
}

/** Returns whether this turn has time left and no earlier callback waits for it. */
export function mayGoOn(): boolean {
  return (resuming || waiting.length === 0) && hasTime();
}

export function leave(): void {
  spent += now() - since;
  since = 0;
  // After little work no turn is asked for; the time counts for the next turn instead.
  if (spent > TURN / 4) arrange();
}

/**
 * Returns whether work that goes from promise to promise, and so without the event loop, has used up its
 * turn. The first call begins the turn.
 */
export function turnIsOver(time = now()): boolean {
  if (end !== 0) return time >= end;
  end = time + TURN;
  arrange();
  return false;
}

/** Calls `resume` in a coming turn, after the callbacks that came before. Each turn runs as many as it has time for, at least one. */
export function resumeInTurn(resume: () => void): void {
  waiting.push(resume);
  arrange();
}

/**
 * Returns a promise that is rejected, in a coming turn if this one is over. A program that tries again in a loop
 * what is refused at once would otherwise never let the event loop turn.
 */
export function refusal(error: unknown): Promise<never> {
  return turnIsOver() ? new Promise((_, reject) => resumeInTurn(() => reject(error))) : Promise.reject(error);
}

function arrange(): void {
  if (arranged) return;
  arranged = true;
  setImmediate(begin);
}

/** Begins the next turn, after the rest of the program has had its time. The waiting callbacks come first. */
function begin(): void {
  arranged = false;
  spent = 0;
  end = 0;
  if (waiting.length === 0) return;
  enter();
  resuming = true;
  try {
    // At least one, were this process held up since it entered.
    let left = waiting.length;
    do waiting.shift()!();
    while (--left > 0 && hasTime());
  } finally {
    // `finally` also covers a callback that has thrown: the others still get their turns.
    resuming = false;
    leave();
    if (waiting.length > 0) arrange();
  }
}
