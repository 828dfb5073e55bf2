import { PASSED_TO_CONNECT } from "../channel/option-names.js";
import type { ConnectOptions } from "../channel/options.js";
import { checkFunction, checkOptions } from "../check.js";
import { InvalidArgumentError } from "../errors.js";
import type { Contract } from "../rpc/contract.js";
import type { RetryOptions } from "../rpc/open.js";
import { Attachment } from "./attachment.js";
import { newId, partsOf } from "./frames.js";
import { isCount } from "./item.js";
import type { From } from "./session.js";

export interface AttachOptions<Inputs extends Contract = Contract>
  extends Omit<ConnectOptions<unknown, unknown>, "codec" | "lanes"> {
  /**
   * Where to begin. `"snapshot"` (the default): with a snapshot of now, and what follows. `"live"`: with the next event. `{ last: 100 }`:
   * with the latest events. `{ cursor }`: after what an earlier attachment got; if the session no longer has that, with a snapshot.
   */
  readonly from?: From | undefined;
  /**
   * The id of this client: 1 to 64 of `A-Za-z0-9._-`. A client that attaches again with its id replaces its former attachment, and is not
   * taken for another one. Default: a random one.
   */
  readonly client?: string | undefined;
  /** The contract of the session's inputs, for the types of `input`. The session checks them. */
  readonly inputs?: Inputs | undefined;
  /** Whether, and how, to come back when the connection is lost. Default `true`: within a minute, with random delays of up to a second. */
  readonly reconnect?: boolean | RetryOptions | undefined;
  /** Told of what the session sends against the rules. Default: a process warning, for the first ten. */
  readonly onPeerError?: ((error: Error) => void) | undefined;
}

const ATTACH_OPTIONS = ["from", "client", "inputs", "reconnect", "onPeerError", ...PASSED_TO_CONNECT];

/**
 * Attaches to a session. Resolves when the interface has the session's state and retained values. Nothing is sent to it before it iterates
 * but what fits into the ring of its channel.
 *
 * Rejects with what `connect` rejects with (a NotFoundError after 3 seconds by default, an UnknownRoleError), and with a CallError where
 * the session refuses.
 */
export async function attach<Event = unknown, Snapshot = unknown, const Inputs extends Contract = Contract>(
  name: string,
  options: AttachOptions<Inputs> = {},
): Promise<Attachment<Event, Snapshot, Inputs>> {
  checkOptions(options, ATTACH_OPTIONS, "options");
  const {
    from = "snapshot",
    client = newId(),
    inputs: _inputs,
    reconnect = true,
    onPeerError = warner(),
    ...connecting
  } = options;
  if (!/^[\w.-]{1,64}$/.test(client)) {
    throw new InvalidArgumentError("options.client", "1 to 64 of A-Za-z0-9._-", client);
  }
  checkFunction(onPeerError, "options.onPeerError");
  const retry = reconnect === true ? {} : reconnect === false ? undefined : reconnect;
  return Attachment.open({ name, client, from: checkFrom(from), connecting, retry, onPeerError });
}

function checkFrom(from: unknown): From {
  if (from === "snapshot" || from === "live") return from;
  const { last, cursor } = (from ?? {}) as Readonly<Record<string, unknown>>;
  if (isCount(last)) return { last };
  if (partsOf(cursor) !== undefined) return { cursor: cursor as string };
  throw new InvalidArgumentError(
    "options.from",
    '"snapshot", "live", { last: a number } or { cursor: a cursor of a session }',
    from,
  );
}

/** So many warnings one attachment gives. */
const MOST_WARNINGS = 10;

function warner(): (error: Error) => void {
  let count = 0;
  return (error) => {
    if (count++ < MOST_WARNINGS) process.emitWarning(error);
  };
}
