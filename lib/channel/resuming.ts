/** Those whose turn was over before their messages were, in the order in which they asked. Its first is called by the next immediate. */
const waiting: (() => void)[] = [];

/**
 * Calls `resume` in a coming turn of the event loop, after those who asked before. One a turn, for each may take all the time that
 * there is in one: timers and sockets wait for one lane that has more than it can take, and not for a hundred.
 */
export function resumeInTurn(resume: () => void): void {
  if (waiting.push(resume) === 1) setImmediate(resumeNext);
}

function resumeNext(): void {
  const resume = waiting.shift()!;
  // Before the call, which may throw: the others still have their turns.
  if (waiting.length > 0) setImmediate(resumeNext);
  resume();
}
