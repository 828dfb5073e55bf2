export type Listener<Arguments extends readonly unknown[]> = (...args: Arguments) => unknown;

/** Listeners by event. What one of them throws is reported as an uncaught error, and the others are called. */
export class Listeners<Events extends { readonly [Name in keyof Events]: readonly unknown[] }> {
  readonly #all = new Map<keyof Events, Set<Listener<never>>>();

  /** Returns a function that takes the listener away. */
  add<Name extends keyof Events>(event: Name, listener: Listener<Events[Name]>): () => void {
    const listeners = this.#all.get(event) ?? new Set();
    this.#all.set(event, listeners);
    listeners.add(listener as Listener<never>);
    return () => void listeners.delete(listener as Listener<never>);
  }

  call<Name extends keyof Events>(event: Name, ...args: Events[Name]): void {
    for (const listener of this.#all.get(event) ?? []) {
      try {
        (listener as unknown as Listener<Events[Name]>)(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
