import { EventEmitter } from "node:events";
import type { CloseOptions, Peer } from "../port.js";
import type { Client } from "./client.js";
import { RpcConnection } from "./connection.js";
import type { Contract } from "./contract.js";
import type { Served } from "./incoming.js";
import type { RpcPort } from "./rpc-port.js";

/** A caller of a service, as the service sees it. */
export interface ServiceClient<Calls> {
  /** The caller's process, if the port knows it. */
  readonly peer: Peer | undefined;
  /** What the caller serves. */
  readonly client: Client<Calls>;
}

export interface ServiceEvents<Calls> {
  /** A caller has connected. */
  client: [client: ServiceClient<Calls>];
  /** A caller has gone, in order or not. Its calls are cancelled. */
  leave: [client: ServiceClient<Calls>, error: Error | undefined];
  /** A caller sent something that is no message, or against the rules; its connection goes on. Or one could not connect. */
  peerError: [error: Error, client: ServiceClient<Calls> | undefined];
}

/** Where a service gets its callers from. */
export interface Source {
  readonly path: string | undefined;
  close(options?: CloseOptions): Promise<void>;
}

/** A contract that is being served, made by `serve`. */
export class Service<Calls extends Contract = Contract>
  extends EventEmitter<ServiceEvents<Calls>>
  implements AsyncDisposable
{
  /** The path of the socket, for `open` and other languages; undefined for a service on a port of the program's. */
  readonly path: string | undefined;
  /** The callers that are connected. */
  readonly clients: ReadonlySet<ServiceClient<Calls>>;
  readonly #clients = new Set<ServiceClient<Calls>>();
  readonly #served: Served;
  readonly #calls: Contract;
  readonly #source: Source;

  constructor(served: Served, calls: Contract, source: Source) {
    super();
    this.#served = served;
    this.#calls = calls;
    this.#source = source;
    this.path = source.path;
    this.clients = this.#clients;
  }

  /** Serves a caller that has connected. */
  add(port: RpcPort): void {
    const connection = new RpcConnection(port, this.#served, this.#calls, {
      bad: (error) => this.emit("peerError", error, caller),
      ended: (error) => {
        this.#clients.delete(caller);
        this.emit("leave", caller, error);
      },
    });
    const caller: ServiceClient<Calls> = { peer: port.peer, client: connection.client as Client<Calls> };
    this.#clients.add(caller);
    this.emit("client", caller);
  }

  /** Gives up the name, and ends all connections in order. Handlers that run are cancelled. */
  async close(options?: CloseOptions): Promise<void> {
    await this.#source.close(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
