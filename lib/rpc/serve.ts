import { listen } from "../channel/listen.js";
import { PASSED_TO_LISTEN } from "../channel/option-names.js";
import type { ListenOptions } from "../channel/options.js";
import { checkOptions } from "../check.js";
import { InvalidArgumentError } from "../errors.js";
import { callCodec } from "./call-codec.js";
import type { Client } from "./client.js";
import { type Contract, contract as contractOf } from "./contract.js";
import { closeWith, takeHanded } from "./handed.js";
import { type Handlers, SERVING_OPTIONS, type ServingOptions, servedBy } from "./handlers.js";
import { LineCallers } from "./line-callers.js";
import type { RpcPort } from "./rpc-port.js";
import { Service } from "./service.js";

/** The bytes of each ring of the lane that cancels, credits and pings go by. */
export const CONTROL_CAPACITY = 16 * 1024;

type Listening = Omit<ListenOptions<unknown, unknown>, "codec" | "lanes" | "lines">;

export interface ServeOptions<Calls extends Contract = Contract> extends ServingOptions<Calls>, Listening {
  /** The name to listen under, or the path of a socket. Default: the name of the contract. */
  readonly name?: string | undefined;
  /** A port of the program's to serve on, instead of listening. */
  readonly port?: RpcPort | undefined;
  /**
   * Whether programs in any language may call by lines of JSON on the service's socket, with the same permissions and limits. A line has
   * `maxMessageBytes` at most, or 16 MiB. Default true.
   */
  readonly lines?: boolean | undefined;
}

/** A contract that names nothing: any method may be called, and nothing is checked. */
export const ANY_CONTRACT: Contract = contractOf<Record<never, never>>("any") as Contract;

/**
 * Serves a contract: under its name, so that any number of processes can `open` it, or on one port. Resolves when callers can connect.
 * A handler gets the parameters and the call, and returns the result, or an iterable for a stream.
 *
 * Rejects with what `listen` rejects with, and with an InvalidArgumentError if a method has no handler.
 */
export async function serve<const C extends Contract, const Calls extends Contract = Contract>(
  contract: C,
  handlers: Handlers<C, Client<Calls>>,
  options: ServeOptions<Calls> = {},
): Promise<Service<Calls>> {
  checkOptions(options, ["name", "port", ...SERVING_OPTIONS, ...PASSED_TO_LISTEN], "options");
  const handed =
    options.name === undefined && options.port === undefined ? takeHanded(contract.name) : undefined;
  const { name = contract.name, port, calls, ...rest } = { ...options, ...handed?.address };
  const { concurrency, concurrencyPerClient, queue, queuePerClient, whenFull, onError, ...listening } = rest;
  const limits = { concurrency, concurrencyPerClient, queue, queuePerClient, whenFull };
  const served = servedBy(contract, handlers as object, { ...limits, onError });
  const theirs = calls ?? ANY_CONTRACT;
  if (port !== undefined) {
    const given = Object.keys(listening);
    if (given.length > 0) {
      throw new InvalidArgumentError("options", `without ${given.join(", ")} where a port is given`, options);
    }
    const service = new Service<Calls>(served, theirs, { path: undefined, close: (how) => port.close(how) });
    service.add(port);
    return service;
  }
  const { lines = true, maxMessageBytes } = listening;
  const server = await listen<unknown, unknown, { control: { capacity: number } }>(name, {
    ...listening,
    lines,
    codec: callCodec(listening.tap),
    lanes: { control: { capacity: CONTROL_CAPACITY } },
  });
  const byLines = new LineCallers(maxMessageBytes);
  const service = new Service<Calls>(served, theirs, {
    path: server.path,
    close: async (how) => {
      await Promise.all([server.close(), byLines.close(how)]);
    },
  });
  server.on("connection", (channel) => service.add(channel));
  server.on("lines", (socket, peer) => {
    const port = byLines.add(socket, peer);
    if (port !== undefined) service.add(port);
  });
  server.on("peerError", (error) => service.emit("peerError", error, undefined));
  if (handed !== undefined) closeWith(handed.pid, service);
  return service;
}
