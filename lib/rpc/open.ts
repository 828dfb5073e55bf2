import { connect } from "../channel/connect.js";
import { PASSED_TO_CONNECT } from "../channel/option-names.js";
import type { ConnectOptions } from "../channel/options.js";
import { checkInteger, checkNumber, checkOptions } from "../check.js";
import { InvalidArgumentError } from "../errors.js";
import { callCodec } from "./call-codec.js";
import type { Client } from "./client.js";
import { RpcConnection } from "./connection.js";
import type { Contract } from "./contract.js";
import { Gate } from "./gate.js";
import { type Handlers, SERVING_OPTIONS, type ServingOptions, servedBy } from "./handlers.js";
import { ReconnectingClient } from "./reconnect.js";
import type { RpcPort } from "./rpc-port.js";
import { whereIs } from "./where.js";

/** What a caller serves to its service, which calls it by `call.client`. */
export interface ServedByCaller<C extends Contract> extends Omit<ServingOptions, "calls"> {
  readonly contract: C;
  readonly handlers: Handlers<C>;
}

/** The delays and limits of attempts to connect. */
export type RetryOptions = Exclude<ConnectOptions<unknown, unknown>["retry"], false | undefined>;

export interface OpenOptions<Serves extends Contract = Contract>
  extends Omit<ConnectOptions<unknown, unknown>, "codec" | "lanes"> {
  /** The name or path that the service listens under. Default: what RINGBELL_SERVICES says, else the name of the contract. */
  readonly name?: string | undefined;
  /** A port of the program's to call over, instead of connecting. */
  readonly port?: RpcPort | undefined;
  /**
   * Connects again when the connection is lost. Calls that wait for an answer reject, unless their method is idempotent; calls that are
   * made meanwhile wait. `true`: within a minute, with random delays of up to a second. Default false.
   */
  readonly reconnect?: boolean | RetryOptions | undefined;
  /** The most calls that are under way at the same time: 1 to 1 000 000. Others wait here for their turn. Default: no limit. */
  readonly concurrency?: number | undefined;
  /**
   * The most calls that wait for that: 0 to Infinity. A call beyond it rejects at once with a CallError whose `retryable` is true. Time that
   * a call waits counts towards its `timeout`. Default Infinity.
   */
  readonly queue?: number | undefined;
  /** What this side serves. */
  readonly serve?: ServedByCaller<Serves> | undefined;
  /** Told of what the service sends against the rules. Default: a process warning, for the first ten. The connection goes on. */
  readonly onPeerError?: ((error: Error) => void) | undefined;
}

/** The options of `open`. */
export const OPEN_OPTIONS: readonly string[] = [
  ...["name", "port", "reconnect", "concurrency", "queue", "serve", "onPeerError"],
  ...PASSED_TO_CONNECT,
];

/**
 * Connects to a service. Resolves with its methods as functions: `const tools = await open(contract); await tools.search({ q: "bell" })`.
 *
 * Rejects with what `connect` rejects with. By default that is a NotFoundError when nobody has listened for 3 seconds.
 */
export async function open<const C extends Contract, const Serves extends Contract = Contract>(
  contract: C,
  options: OpenOptions<Serves> = {},
): Promise<Client<C>> {
  checkOptions(options, OPEN_OPTIONS, "options");
  const {
    name = whereIs(contract.name),
    port,
    serve,
    reconnect = false,
    onPeerError = warner(),
    concurrency,
    queue,
    ...connecting
  } = options;
  const served = serve === undefined ? undefined : callerServes(serve);
  const gate = gateOf(concurrency, queue);
  const given = Object.keys(connecting);
  if (port !== undefined && reconnect !== false) given.push("reconnect");
  if (port !== undefined && given.length > 0) {
    throw new InvalidArgumentError("options", `without ${given.join(", ")} where a port is given`, options);
  }
  if (reconnect !== false) {
    const retry = reconnect === true ? {} : reconnect;
    return ReconnectingClient.open({ name, contract, served, connecting, retry, onPeerError, gate });
  }
  const below = port ?? (await connect(name, { ...connecting, codec: callCodec() }));
  const connection = new RpcConnection(below, served, contract, { bad: onPeerError, ended: () => {} }, gate);
  return connection.client as Client<C>;
}

/** Returns what limits the calls of a client; undefined if nothing does. */
function gateOf(concurrency: number | undefined, queue: number | undefined): Gate | undefined {
  if (concurrency === undefined && queue === undefined) return undefined;
  const most = checkInteger(concurrency, "options.concurrency", 1, 1_000_000);
  const waiting = checkNumber(
    queue ?? Number.POSITIVE_INFINITY,
    "options.queue",
    0,
    Number.POSITIVE_INFINITY,
  );
  return new Gate({
    concurrency: most,
    concurrencyPerClient: most,
    queue: waiting,
    queuePerClient: waiting,
  });
}

function callerServes(serve: ServedByCaller<Contract>) {
  checkOptions(serve, ["contract", "handlers", ...SERVING_OPTIONS], "options.serve");
  const { contract, handlers, ...limits } = serve;
  return servedBy(contract, handlers as object, limits);
}

/** So many warnings one connection gives: a service that goes on breaking the rules must not fill the log. */
const MOST_WARNINGS = 10;

function warner(): (error: Error) => void {
  let count = 0;
  return (error) => {
    if (count++ < MOST_WARNINGS) process.emitWarning(error);
  };
}
