import { guarded } from "../raise.js";
import type { Calls, ClientControls, ClientState, Health, StateListener } from "./client.js";
import { UNCHECKED_REQUEST } from "./contract.js";
import { CallError } from "./errors.js";
import { PING } from "./message.js";
import type { RpcPort } from "./rpc-port.js";

/** A client's state, and those who want to know of it. */
export class ClientStates {
  #state: ClientState;
  readonly #listeners = new Set<StateListener>();

  constructor(state: ClientState) {
    this.#state = state;
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Nothing follows the last states. */
  set(state: ClientState, error?: Error): void {
    if (state === this.#state || this.#state === "failed" || this.#state === "closed") return;
    this.#state = state;
    for (const listener of this.#listeners) guarded(() => listener(state, error));
  }

  on(_event: "state", listener: StateListener): void {
    this.#listeners.add(listener);
  }

  off(_event: "state", listener: StateListener): void {
    this.#listeners.delete(listener);
  }
}

/** The controls of a client of one connection, which does not come back. */
export function controlsOf(port: RpcPort, calls: Calls): ClientControls {
  const states = new ClientStates("connected");
  let closing = false;
  const close: ClientControls["close"] = (options) => {
    closing = true;
    return port.close(options);
  };
  void port.closed.then(({ error }) => states.set(closing ? "closed" : "failed", error));
  return {
    port,
    get state() {
      return states.state;
    },
    closed: port.closed,
    health: (options) => health(port, calls, options?.timeout),
    close,
    on: (event, listener) => states.on(event, listener),
    off: (event, listener) => states.off(event, listener),
    [Symbol.asyncDispose]: () => close(),
  };
}

/** Asks the event loop at the other end of a port. */
export async function health(port: RpcPort, calls: Calls, timeout = 1000): Promise<Health> {
  const ended = port.closed.then((): Health => "dead");
  const asked = calls.request(PING, UNCHECKED_REQUEST, undefined, { timeout }).then(
    (): Health => "healthy",
    // Others have no such method, and say so.
    (error): Health => (error instanceof CallError ? "healthy" : "blocked"),
  );
  const answer = await Promise.race([ended, asked]);
  // A call fails at the end of its port, too, and the port may tell of it later.
  return answer === "blocked" ? Promise.race([ended, Promise.resolve(answer)]) : answer;
}
