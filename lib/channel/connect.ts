import { turn } from "../clock.js";
import { InvalidArgumentError } from "../errors.js";
import { connectionChannel, trace } from "../trace.js";
import { introduce } from "../transport/handshake/connector.js";
import { namingFlag } from "../transport/places/denied.js";
import { dial, isTransient, lastError } from "../transport/places/dial.js";
import { resolveAddress } from "../transport/places/names.js";
import { retrying } from "../transport/places/retry.js";
import { Channel } from "./channel.js";
import { attempts, firstThatFits, offered } from "./codec-attempts.js";
import { addonFor, fallbackOf } from "./fallback.js";
import type { LanesOf, MainReceive, MainSend } from "./lane-types.js";
import type { ConnectOptions, LanesOption } from "./options.js";
import { connectSettings } from "./settings.js";

/**
 * Connects to the process that listens under `name`: a name in the namespace and directory of the options, or
 * the absolute path of a socket. Without `name`, RINGBELL_ENDPOINT gives the name or path; without that, it
 * is `default`.
 *
 * By default connect goes on trying for up to 3 seconds while nobody listens; see `retry`.
 *
 * Rejects with a NotFoundError (ERR_RINGBELL_NOT_FOUND) if nobody listens; an AccessError
 * (ERR_RINGBELL_ACCESS) if we may not use the socket; a RefusedError, UnknownRoleError, SchemaMismatchError,
 * LaneMismatchError, VersionError, TransportError, NotSameMemoryError or NoSpaceError if the two sides do not
 * agree; a HandshakeError or HandshakeTimeoutError if the listening process answers wrongly or too late; or
 * the signal's reason.
 */
export async function connect<Send = unknown, Receive = Send, Lanes extends LanesOption = LanesOption>(
  name?: string,
  options: ConnectOptions<Send, Receive, Lanes> = {},
): Promise<Channel<MainSend<Lanes, Send>, MainReceive<Lanes, Receive>, LanesOf<Lanes, Send, Receive>>> {
  if (name !== undefined && typeof name !== "string") {
    throw new InvalidArgumentError("name", "a string", name);
  }
  const settings = connectSettings(options);
  const { signal, retry, limits, capacity } = settings;
  const address = resolveAddress(name, options);
  const binding = addonFor(settings, "connector", address.socketPath);

  await turn();
  const handshake = { ...settings.handshake, binding, capacity, signal };
  const joined = await retrying(
    retry,
    signal,
    () =>
      firstThatFits(attempts(settings), async (codecs) => {
        const joined = await introduce(await dial(address, binding), { ...handshake, ...offered(codecs) });
        return { ...joined, codecs };
      }),
    (error) => {
      trace("%s: %s", address.socketPath, error);
      return isTransient(error);
    },
  ).catch((error: unknown) => {
    throw namingFlag(lastError(error, address));
  });
  const { connection, lanes, peer, codecs } = joined;
  const ofLanes = new Map(codecs.lanes?.map((lane) => [lane.name, lane.codec]));
  trace("connected to %s, %o, over %s", address.socketPath, peer, connection.transport);
  connectionChannel.publish({
    side: "connector",
    path: address.socketPath,
    transport: connection.transport,
    peer,
  });
  return new Channel({
    connection,
    lanes: lanes.map(({ name }) => ({ name, codec: ofLanes.get(name) ?? codecs.main })),
    peer,
    limits,
    fallback: fallbackOf(binding, settings, connection.transport),
  });
}
