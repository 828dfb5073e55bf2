import { turn } from "../clock.js";
import { InvalidArgumentError } from "../errors.js";
import { offAbort, onAbort } from "../signal.js";
import { trace } from "../trace.js";
import { forRole } from "../transport/handshake/negotiate.js";
import { openEndpoint } from "../transport/places/endpoint.js";
import { resolveAddress } from "../transport/places/names.js";
import { sweepPlace } from "../transport/places/sweep.js";
import { Channel } from "./channel.js";
import { addonFor, fallbackOf } from "./fallback.js";
import type { LanesOf, MainReceive, MainSend, NoLanes } from "./lane-types.js";
import { offersOf, presented } from "./offers.js";
import type { LanesOption, ListenOptions, RolesListenOptions, RolesOption } from "./options.js";
import type { RoleChannels } from "./role-types.js";
import { Server } from "./server.js";
import { listenSettings } from "./settings.js";

/**
 * Listens under a name. `name` is a letter or digit and up to 63 of `A-Za-z0-9._-`, in the namespace and
 * directory of the options. It may also be the absolute path of a socket. Peers can connect once the promise
 * resolves.
 *
 * `listen` first sweeps what killed processes have left in the namespace and in shared memory. It takes over
 * a name whose owner is dead. Only processes of our own user reach the socket, unless `mode`, `directory` and
 * `authorize` say otherwise. `close` and the exit of the process remove the name. A process that is killed by
 * a signal leaves its name behind, for the next sweep.
 *
 * Rejects with an AlreadyRunningError (ERR_RINGBELL_ALREADY_RUNNING, with the owner's pid) if a live process
 * has the name; an InvalidArgumentError or UnknownOptionError; an AccessError (ERR_RINGBELL_ACCESS) if the
 * directory belongs to another user or is not safe; a TransportError if the options ask for a transport or
 * backing that is not available here; or a SystemError.
 */
export function listen<
  Send = unknown,
  Receive = Send,
  Lanes extends LanesOption = NoLanes,
  Roles extends RolesOption = RolesOption,
>(
  name: string,
  options: RolesListenOptions<Send, Receive, Lanes, Roles>,
): Promise<Server<RoleChannels<Roles, Send, Receive, Lanes>>>;
export function listen<Send = unknown, Receive = Send>(
  name: string,
  options?: ListenOptions<Send, Receive, NoLanes> & { readonly lanes?: undefined },
): Promise<Server<Channel<Send, Receive, NoLanes>>>;
export function listen<Send = unknown, Receive = Send, Lanes extends LanesOption = LanesOption>(
  name: string,
  options: ListenOptions<Send, Receive, Lanes>,
): Promise<
  Server<Channel<MainSend<Lanes, Send>, MainReceive<Lanes, Receive>, LanesOf<Lanes, Send, Receive>>>
>;
export async function listen(
  name: string,
  options: ListenOptions<never, unknown> | RolesListenOptions<never, unknown> = {},
): Promise<unknown> {
  if (typeof name !== "string") throw new InvalidArgumentError("name", "a string", name);
  const settings = listenSettings(options);
  const { signal, limits } = settings;
  const address = resolveAddress(name, options);
  const binding = addonFor(settings, "listener", address.socketPath);
  signal?.throwIfAborted();
  await turn();

  const endpoint = await openEndpoint(address, binding, settings.mode, settings.handshake.role);
  // A failed sweep leaves only other processes' leftovers behind, so listening goes on.
  await sweepPlace(address.place).catch((error: unknown) => trace("sweep failed: %s", error));
  if (signal?.aborted) {
    endpoint.close();
    signal.throwIfAborted();
  }
  const offers = offersOf(settings);
  const server = new Server({
    endpoint,
    handshake: { ...settings.handshake, binding, offers: presented(offers), tap: settings.tap },
    lines: settings.lines,
    roles: [...offers.roles.keys()],
    makeChannel: ({ connection, lanes: agreed, peer }, whenOver) => {
      const { role, lanes } = forRole(peer.role, offers);
      const codecs = new Map(lanes.map((lane) => [lane.name, lane.codecs]));
      return new Channel({
        connection,
        lanes: agreed.map(({ name, choice }) => ({ name, codec: codecs.get(name)![choice]! })),
        peer,
        role,
        limits,
        fallback: fallbackOf(binding, settings, connection.transport),
        whenOver,
      });
    },
  });
  if (signal !== undefined) {
    const close = () => void server.close();
    onAbort(signal, close);
    server.once("close", () => offAbort(signal, close));
  }
  return server;
}
