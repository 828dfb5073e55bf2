import { setImmediate } from "../clock.js";
import type { Port } from "../port.js";
import { type CancelCells, cancelCellsOf } from "../rpc/cells.js";
import { type Disposable, Emitter, type Event } from "./emitter.js";

/*
 * Cancels by cells of shared memory, besides the message `$/cancelRequest`. A handler that computes, and does not return to its event
 * loop, sees the cancel when it looks at its token.
 */

type Id = string | number;

interface SendsNotifications {
  sendNotification(method: string, params: object): Promise<void>;
}

/** A `CancellationStrategy` of vscode-jsonrpc. */
export interface CancellationStrategy {
  readonly receiver: {
    readonly kind: "id";
    createCancellationTokenSource(id: Id): TokenSource;
  };
  readonly sender: {
    sendCancellation(connection: SendsNotifications, id: Id): Promise<void>;
    cleanup(id: Id): void;
  };
}

export interface Token {
  /** Whether the caller has cancelled. One read of shared memory, where there is some. */
  readonly isCancellationRequested: boolean;
  /** Fires when the message has come that cancels. */
  readonly onCancellationRequested: Event<unknown>;
}

export interface TokenSource extends Disposable {
  token: Token;
  cancel(): void;
}

/** Returns the strategy of a port. Without memory in common, it is that of vscode-jsonrpc: by message only. */
export function cancellationStrategy(port: Port<unknown, unknown>): CancellationStrategy {
  const cells = cancelCellsOf(port);
  return {
    receiver: { kind: "id", createCancellationTokenSource: (id) => new CellTokenSource(cells, id) },
    sender: {
      sendCancellation(connection, id) {
        if (typeof id === "number") cells?.cancel(id);
        return connection.sendNotification("$/cancelRequest", { id });
      },
      cleanup() {},
    },
  };
}

class CellTokenSource implements TokenSource {
  readonly token: Token;
  readonly #cancels = new Emitter<unknown>();
  #isCancelled = false;

  constructor(cells: CancelCells | undefined, id: Id) {
    const isCancelled = () => this.#isCancelled || cells?.isCancelled(id) === true;
    this.token = {
      get isCancellationRequested() {
        return isCancelled();
      },
      onCancellationRequested: (listener, thisArgs, disposables) => {
        if (!this.#isCancelled) return this.#cancels.event(listener, thisArgs, disposables);
        // The message came before: the listener is called all the same, but not before this call returns.
        let isWanted = true;
        setImmediate(() => {
          if (isWanted) listener.call(thisArgs, undefined);
        });
        return {
          dispose: () => {
            isWanted = false;
          },
        };
      },
    };
  }

  cancel(): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    this.#cancels.fire(undefined);
  }

  dispose(): void {
    this.#cancels.dispose();
  }
}
