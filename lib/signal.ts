/*
 * Listeners for AbortSignals. A program may give one signal to any number of calls; each would add a listener to it, and Node
 * warns of more than ten. So a signal gets one listener of ours, for all that wait.
 */

const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `listener` when the signal is aborted. Each listener is a function of its own. */
export function onAbort(signal: AbortSignal, listener: () => void): void {
  const listeners = waiting.get(signal);
  if (listeners === undefined) {
    waiting.set(signal, new Set([listener]));
    signal.addEventListener("abort", tell);
  } else {
    listeners.add(listener);
  }
}

/** Forgets the listener. The signal keeps none of ours once nobody waits. */
export function offAbort(signal: AbortSignal, listener: () => void): void {
  const listeners = waiting.get(signal);
  if (listeners === undefined) return;
  listeners.delete(listener);
  if (listeners.size > 0) return;
  waiting.delete(signal);
  signal.removeEventListener("abort", tell);
}

function tell(this: AbortSignal): void {
  const listeners = waiting.get(this);
  waiting.delete(this);
  this.removeEventListener("abort", tell);
  for (const listener of listeners ?? []) listener();
}
