import { randomInt } from "node:crypto";
import { connect } from "../channel/connect.js";
import type { ConnectOptions } from "../channel/options.js";
import { clearTimeout, now, setTimeout } from "../clock.js";
import { hasGoneBlocks } from "../codec/release-blocks.js";
import { ClosedError } from "../errors.js";
import type { CloseInfo, CloseOptions } from "../port.js";
import { offAbort, onAbort } from "../signal.js";
import type { CallOptions } from "./call.js";
import { callCodec } from "./call-codec.js";
import type { Calls, Client, ClientControls, Health } from "./client.js";
import { makeClient } from "./client.js";
import { RpcConnection } from "./connection.js";
import type { Contract, Method } from "./contract.js";
import { ClientStates, health } from "./controls.js";
import { CallLostError } from "./errors.js";
import type { Gate } from "./gate.js";
import type { Served } from "./incoming.js";
import { CallLimits } from "./limits.js";
import { quieted } from "./pending.js";
import { RetryBudget } from "./retry-budget.js";

type Retry = Exclude<ConnectOptions<unknown, unknown>["retry"], false | undefined>;

/** How a client that has lost its connection comes back, if nothing else is said: within a minute, the clients of a service not in step. */
const DEFAULTS = { attempts: 1000, minDelay: 20, maxDelay: 1000, maxTotal: 60_000 };

export interface ReconnectParts {
  readonly name: string;
  readonly contract: Contract;
  readonly served: Served | undefined;
  readonly connecting: Omit<ConnectOptions<unknown, unknown>, "codec" | "lanes">;
  /** How to come back. */
  readonly retry: Retry;
  readonly onPeerError: (error: Error) => void;
  /** Limits the calls. */
  readonly gate: Gate | undefined;
}

/** A client that connects again when its connection is lost. Calls that are made meanwhile wait for the next connection. */
export class ReconnectingClient implements Calls {
  readonly #parts: ReconnectParts;
  readonly #retry: Retry;
  readonly #states = new ClientStates("connecting");
  readonly #budget = new RetryBudget();
  readonly #stop = new AbortController();
  #connection: RpcConnection | undefined;
  #next: Promise<RpcConnection>;
  #resolveClosed!: (info: CloseInfo) => void;
  readonly #closed = new Promise<CloseInfo>((resolve) => {
    this.#resolveClosed = resolve;
  });
  /** Calls that wait for their answers. */
  #pending = 0;

  private constructor(parts: ReconnectParts) {
    this.#parts = parts;
    this.#retry = { ...DEFAULTS, ...parts.retry };
    this.#next = this.#connect(parts.connecting);
    this.#next.catch(() => {});
  }

  /** Resolves with the client when it is connected for the first time. */
  static async open<C extends Contract>(
    parts: ReconnectParts & { readonly contract: C },
  ): Promise<Client<C>> {
    const client = new ReconnectingClient(parts);
    await client.#next;
    return makeClient(parts.contract, client.#controls(), client);
  }

  request(
    name: string,
    method: Method,
    params: unknown,
    options?: CallOptions<never, never>,
  ): Promise<unknown> {
    return quieted(this.#request(name, method, params, options));
  }

  async #request(
    name: string,
    method: Method,
    params: unknown,
    options: CallOptions<never, never> | undefined,
  ): Promise<unknown> {
    if (this.#pending++ === 0 && this.#connection !== undefined) this.#states.set("processing");
    this.#budget.earn();
    try {
      for (let tries = 1; ; tries++) {
        try {
          const connection = await this.#ready(name, options);
          return await connection.outgoing.request(name, method, params, options);
        } catch (error) {
          if (!(error instanceof CallLostError) || !this.#mayRepeat(error, method, tries)) throw error;
          // The blocks went with the first try.
          if (hasGoneBlocks(params)) throw error;
        }
      }
    } finally {
      if (--this.#pending === 0 && this.#connection !== undefined) this.#states.set("connected");
    }
  }

  async *stream(name: string, method: Method, params: unknown, options?: CallOptions<never, never>) {
    const { outgoing } = await this.#ready(name, options);
    yield* outgoing.stream(name, method, params, options);
  }

  notify(name: string, params: unknown): Promise<void> {
    return quieted(this.#notify(name, params));
  }

  async #notify(name: string, params: unknown): Promise<void> {
    const { outgoing } = await this.#ready(name, undefined);
    await outgoing.notify(name, params);
  }

  /** A call that was not sent is made again in any case, on the next connection. */
  #mayRepeat(error: CallLostError, method: Method, tries: number): boolean {
    if (this.#stop.signal.aborted || this.#states.state === "failed") return false;
    if (!error.mayHaveRun) return true;
    return method.idempotent === true && this.#budget.spend(tries);
  }

  /** Returns the connection, or waits for it within the limits of the call. */
  #ready(name: string, options: CallOptions<never, never> | undefined): Promise<RpcConnection> {
    if (this.#connection !== undefined || options === undefined) return this.#next;
    const limits = new CallLimits(name, options);
    return new Promise((resolve, reject) => {
      const over = limits.over();
      if (over !== undefined) {
        reject(over.reason);
        return;
      }
      limits.start(reject);
      this.#next.then(resolve, reject).finally(() => limits.stop());
    });
  }

  async #connect(connecting: ReconnectParts["connecting"]): Promise<RpcConnection> {
    const { name, served, contract, onPeerError, gate } = this.#parts;
    let channel: Awaited<ReturnType<typeof connect>>;
    try {
      channel = await connect(name, { ...connecting, signal: this.#stop.signal, codec: callCodec() });
    } catch (error) {
      this.#over(error as Error);
      throw this.#lost(error);
    }
    const events = {
      bad: onPeerError,
      ended: (error: Error | undefined) => this.#ended(connection, error),
    };
    const connection: RpcConnection = new RpcConnection(channel, served, contract, events, gate);
    this.#connection = connection;
    this.#states.set(this.#pending > 0 ? "processing" : "connected");
    return connection;
  }

  #ended(connection: RpcConnection, error: Error | undefined): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (this.#stop.signal.aborted) {
      this.#over(undefined);
      this.#next = Promise.reject(this.#lost(undefined));
    } else {
      this.#states.set("retry", error);
      this.#next = this.#comeBack();
    }
    this.#next.catch(() => {});
  }

  async #comeBack(): Promise<RpcConnection> {
    const { clock, random = () => randomInt(2 ** 32) / 2 ** 32, minDelay } = this.#retry;
    const sleep = (ms: number, signal: AbortSignal | undefined) =>
      clock?.sleep(ms, signal) ?? sleepUnless(signal, ms);
    // The first attempt, too, comes after a random delay: all clients of a service lose it at the same moment.
    await sleep(random() * minDelay!, this.#stop.signal).catch(() => {});
    this.#states.set("reconnecting");
    const telling = {
      now: () => clock?.now() ?? now(),
      sleep: async (ms: number, signal: AbortSignal | undefined) => {
        this.#states.set("retry");
        await sleep(ms, signal);
        this.#states.set("reconnecting");
      },
    };
    return this.#connect({ ...this.#parts.connecting, retry: { ...this.#retry, random, clock: telling } });
  }

  #over(error: Error | undefined): void {
    const asked = this.#stop.signal.aborted;
    this.#states.set(asked ? "closed" : "failed", error);
    this.#resolveClosed(asked ? { reason: "ended", error: undefined } : { reason: "peer-died", error });
  }

  #lost(cause: unknown): CallLostError {
    return new CallLostError("there is no connection; nothing was sent", false, { cause });
  }

  async #close(options?: CloseOptions): Promise<void> {
    const connection = this.#connection;
    this.#stop.abort(new ClosedError("the client was closed"));
    if (connection !== undefined) await connection.link.port.close(options);
    else await this.#next.catch(() => {});
    this.#over(undefined);
  }

  async #health(timeout: number | undefined): Promise<Health> {
    const connection = this.#connection;
    return connection === undefined ? "dead" : health(connection.outgoing, timeout);
  }

  #controls(): ClientControls {
    const client = this;
    let { port } = this.#connection!.link;
    return {
      get port() {
        port = client.#connection?.link.port ?? port;
        return port;
      },
      get state() {
        return client.#states.state;
      },
      closed: this.#closed,
      health: (options) => this.#health(options?.timeout),
      close: (options) => this.#close(options),
      on: (event, listener) => this.#states.on(event, listener),
      off: (event, listener) => this.#states.off(event, listener),
      [Symbol.asyncDispose]: () => this.#close(),
    };
  }
}

/** Resolves after `ms` ms, or rejects when the signal is aborted. */
function sleepUnless(signal: AbortSignal | undefined, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      if (signal !== undefined) offAbort(signal, stop);
      resolve();
    }, ms);
    if (signal !== undefined) onAbort(signal, stop);
  });
}
