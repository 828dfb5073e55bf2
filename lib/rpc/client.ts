import type { CloseInfo, CloseOptions } from "../port.js";
import type { CallOptions } from "./call.js";
import type { Contract, Method } from "./contract.js";
import { UNCHECKED_REQUEST } from "./contract.js";
import type { RpcPort } from "./rpc-port.js";

/** The arguments of a call. Parameters may be left out if the method has none. */
type Args<Params, Options> = undefined extends Params
  ? [params?: Params, options?: Options]
  : [params: Params, options?: Options];

/** A method as the caller has it. */
export type ClientMethod<M> =
  M extends Method<infer Kind, infer Params, infer Result, infer Progress, infer Input>
    ? Kind extends "stream"
      ? (
          ...args: Args<Params["given"], CallOptions<Progress["got"], Input["given"]>>
        ) => AsyncIterableIterator<Result["got"]>
      : Kind extends "notification"
        ? (...args: Args<Params["given"], never>) => Promise<void>
        : (
            ...args: Args<Params["given"], CallOptions<Progress["got"], Input["given"]>>
          ) => Promise<Result["got"]>
    : never;

/** How the other side is. */
export type Health = "healthy" | "blocked" | "dead";

/**
 * How a client is connected. `connecting` before the first connection; `processing` while calls wait for their answers; `retry` before,
 * and `reconnecting` during an attempt to connect again; `failed` when no more is made; `closed` after `close`.
 */
export type ClientState =
  | "connecting"
  | "connected"
  | "processing"
  | "retry"
  | "reconnecting"
  | "failed"
  | "closed";

export type StateListener = (state: ClientState, error: Error | undefined) => void;

/** What a client has beside the methods of its contract. */
export interface ClientControls extends AsyncDisposable {
  /** The port below; that of the last connection, if the client reconnects. */
  readonly port: RpcPort;
  readonly state: ClientState;
  /** Resolves when the connection has ended, and none follows. Never rejects. */
  readonly closed: Promise<CloseInfo>;
  /**
   * Asks the other side's event loop: `healthy` if it answers within `timeout` ms (default 1000), `blocked` if it does not though the
   * connection is there, `dead` if there is none.
   */
  health(options?: { readonly timeout?: number | undefined }): Promise<Health>;
  /** Ends the connection in order. Calls that wait reject with a CallLostError. */
  close(options?: CloseOptions): Promise<void>;
  /** Calls the listener with each new state, and what has led to it if that was an error. */
  on(event: "state", listener: StateListener): void;
  off(event: "state", listener: StateListener): void;
}

/** The calls below a client. */
export interface Calls {
  request(
    name: string,
    method: Method,
    params: unknown,
    options?: CallOptions<never, never>,
  ): Promise<unknown>;
  stream(
    name: string,
    method: Method,
    params: unknown,
    options?: CallOptions<never, never>,
  ): AsyncIterableIterator<unknown>;
  notify(name: string, params: unknown): Promise<void>;
}

/** The methods of a contract, as functions. */
export type Client<C> =
  C extends Contract<infer M>
    ? ClientControls & { readonly [Name in keyof M]: ClientMethod<M[Name]> }
    : ClientControls;

type Call = (params?: unknown, options?: CallOptions<never, never>) => unknown;

/** Makes the methods of a contract call the other side, beside the controls. */
export function makeClient<C extends Contract>(
  contract: C,
  controls: ClientControls,
  below: Calls,
): Client<C> {
  const calls = new Map<string, Call>();
  const { methods } = contract;
  for (const [name, method] of Object.entries(methods)) calls.set(name, callOf(name, method, below));
  return new Proxy(controls as ClientControls & Record<string, unknown>, {
    get(target, name) {
      if (typeof name === "symbol" || Object.hasOwn(target, name)) return Reflect.get(target, name);
      const known = calls.get(name);
      if (known !== undefined) return known;
      // A client that is awaited is no promise, and `toJSON` and what every object has are asked of what is printed.
      if (contract.checked || name === "then" || name === "toJSON" || name in target) {
        return Reflect.get(target, name);
      }
      // A contract of types names no requests.
      const call = callOf(name, UNCHECKED_REQUEST, below);
      calls.set(name, call);
      return call;
    },
  }) as unknown as Client<C>;
}

function callOf(name: string, method: Method, below: Calls): Call {
  switch (method.kind) {
    case "stream":
      return (params, options) => below.stream(name, method, params, options);
    case "notification":
      return (params) => below.notify(name, params);
    default:
      return (params, options) => below.request(name, method, params, options);
  }
}
