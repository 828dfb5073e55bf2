import { guarded } from "../raise.js";

export interface Disposable {
  dispose(): void;
}

/** An event as vscode-jsonrpc has it: a function that adds a listener. */
export type Event<T> = (
  listener: (event: T) => unknown,
  thisArgs?: unknown,
  disposables?: Disposable[],
) => Disposable;

/** An event of our own. That of vscode-jsonrpc is not used, so that the package need not be there. */
export class Emitter<T> {
  readonly #listeners = new Set<(event: T) => unknown>();
  readonly event: Event<T> = (listener, thisArgs, disposables) => {
    const bound = (event: T) => listener.call(thisArgs, event);
    this.#listeners.add(bound);
    const disposable = { dispose: () => void this.#listeners.delete(bound) };
    disposables?.push(disposable);
    return disposable;
  };

  fire(event: T): void {
    for (const listener of [...this.#listeners]) guarded(() => listener(event));
  }

  dispose(): void {
    this.#listeners.clear();
  }
}
