import type { CloseInfo, CloseOptions } from "../port.js";
import type { CallOptions } from "./call.js";
import type { Contract, Flow, Method } from "./contract.js";
import { UNCHECKED_REQUEST } from "./contract.js";
import { CallError, CallLostError } from "./errors.js";
import { PING } from "./message.js";
import type { Outgoing } from "./outgoing.js";
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

/** What a client has beside the methods of its contract. */
export interface ClientControls extends AsyncDisposable {
  /** The port below. */
  readonly port: RpcPort;
  /** Resolves when the connection has ended. Never rejects. */
  readonly closed: Promise<CloseInfo>;
  /**
   * Asks the other side's event loop: `healthy` if it answers within `timeout` ms (default 1000), `blocked` if it does not though the
   * process is there, `dead` if the connection has ended.
   */
  health(options?: { readonly timeout?: number | undefined }): Promise<Health>;
  /** Ends the connection in order. Calls that wait reject with a CallLostError. */
  close(options?: CloseOptions): Promise<void>;
}

/** The methods of a contract, as functions. */
export type Client<C> =
  C extends Contract<infer M>
    ? ClientControls & { readonly [Name in keyof M]: ClientMethod<M[Name]> }
    : ClientControls;

type Call = (params?: unknown, options?: CallOptions<never, never>) => unknown;

/** Makes the methods of a contract call the other side. */
export function makeClient<C extends Contract>(contract: C, port: RpcPort, outgoing: Outgoing): Client<C> {
  const controls: ClientControls & Record<string, unknown> = {
    port,
    closed: port.closed,
    health: (options) => health(outgoing, options?.timeout ?? 1000),
    close: (options) => port.close(options),
    [Symbol.asyncDispose]: () => port.close(),
  };
  const calls = new Map<string, Call>();
  const { methods } = contract;
  for (const [name, method] of Object.entries(methods)) calls.set(name, callOf(name, method, outgoing));
  return new Proxy(controls, {
    get(target, name) {
      if (typeof name === "symbol" || Object.hasOwn(target, name)) return Reflect.get(target, name);
      const known = calls.get(name);
      if (known !== undefined) return known;
      // A client that is awaited is no promise, and `toJSON` and what every object has are asked of what is printed.
      if (contract.checked || name === "then" || name === "toJSON" || name in target) {
        return Reflect.get(target, name);
      }
      // A contract of types names no requests.
      const call = callOf(name, UNCHECKED_REQUEST, outgoing);
      calls.set(name, call);
      return call;
    },
  }) as unknown as Client<C>;
}

function callOf(name: string, method: Method, outgoing: Outgoing): Call {
  switch (method.kind) {
    case "stream":
      return (params, options) => outgoing.stream(name, method, params, options);
    case "notification":
      return (params) => outgoing.notify(name, params);
    default:
      return (params, options) => outgoing.request(name, method, params, options);
  }
}

async function health(outgoing: Outgoing, timeout: number): Promise<Health> {
  try {
    await outgoing.request(PING, UNCHECKED_REQUEST, undefined, { timeout });
  } catch (error) {
    if (error instanceof CallLostError) return "dead";
    // Others have no such method, and say so.
    return error instanceof CallError ? "healthy" : "blocked";
  }
  return "healthy";
}

export type { Flow };
