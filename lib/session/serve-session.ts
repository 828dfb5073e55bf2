import { listen } from "../channel/listen.js";
import { PASSED_TO_LISTEN } from "../channel/option-names.js";
import type { ListenOptions } from "../channel/options.js";
import { checkOptions } from "../check.js";
import { json } from "../codec/json.js";
import type { Contract } from "../rpc/contract.js";
import { CallError, INVALID_REQUEST } from "../rpc/errors.js";
import { serve } from "../rpc/serve.js";
import { BATCH_CHARACTERS, type Batch } from "./batch.js";
import { ChannelCarrier } from "./channel-carrier.js";
import { checkAttach } from "./check-attach.js";
import { CONTROL_LANE, INTERFACE_CALLS, SESSION_CALLS } from "./control.js";
import { jsonText } from "./frames.js";
import type { InputMessage } from "./inputs.js";
import { Session, type Welcome } from "./session.js";
import { SESSION_OPTIONS, type SessionOptions, sessionSettings } from "./settings.js";
import { closeOnSignals, type SignalOptions } from "./signals.js";
import { openJournal } from "./store/open-journal.js";

/** The bytes of each ring of the lane of inputs and states. */
const CONTROL_CAPACITY = 64 * 1024;
/** Inputs of one interface that run at the same time, and that wait for it. */
const CONCURRENCY = 64;
const QUEUE = 256;

type Listening = Omit<ListenOptions<unknown, unknown>, "codec" | "lanes" | "role">;

export interface ServeSessionOptions<Event = unknown, Snapshot = unknown, Inputs extends Contract = Contract>
  extends SessionOptions<Event, Snapshot, Inputs>,
    Listening {
  /** Closes the session in order at SIGTERM and SIGINT. Default: no signal is touched. */
  readonly signals?: boolean | SignalOptions | undefined;
}

/**
 * Serves a session under a name: interfaces `attach` to it, from other processes, as many as like. Resolves when they can.
 *
 * Rejects with what `listen` rejects with, with an AuditError if the audit chain can't be opened, and with a StoreError if the store can't.
 */
export async function serveSession<
  Event = unknown,
  Snapshot = unknown,
  const Inputs extends Contract = Contract,
>(
  name: string,
  options: ServeSessionOptions<Event, Snapshot, Inputs> = {},
): Promise<Session<Event, Snapshot, Inputs>> {
  checkOptions(options, [...SESSION_OPTIONS, "signals", ...PASSED_TO_LISTEN], "options");
  const { signals = false, ...rest } = options;
  const own = Object.fromEntries(Object.entries(rest).filter(([key]) => SESSION_OPTIONS.includes(key)));
  const listening = Object.fromEntries(
    Object.entries(rest).filter(([key]) => !SESSION_OPTIONS.includes(key)),
  );
  const settings = sessionSettings(own as never);
  const opening = await openJournal(settings);
  const { roles: rights } = settings;
  const server = (await listen(name, {
    ...(listening as Listening),
    codec: { send: jsonText, receive: json() },
    lanes: { [CONTROL_LANE]: { capacity: CONTROL_CAPACITY, codec: json() } },
    ...(rights === undefined ? {} : { roles: roleEntries(Object.keys(rights)) }),
  } as never)) as Awaited<ReturnType<typeof listen<string | Batch, unknown>>>;
  let session: Session<Event, Snapshot, Inputs>;
  try {
    // The name is ours, so no other process that serves it has the store or the audit chain.
    session = Session.of(own as SessionOptions<Event, Snapshot, Inputs>, opening(settings));
  } catch (error) {
    await server.close();
    throw error;
  }
  session.listening(server);
  // A batch is never longer than what the program lets go out.
  const batchBytes = Math.min(LONGEST_BATCH, (listening as Listening).maxMessageBytes ?? LONGEST_BATCH);
  server.on("peerError", (error) => session.emit("peerError", error));
  server.on("connection", (channel) => {
    void welcome(session as unknown as Session, channel as never, batchBytes).catch((error: Error) =>
      channel.destroy(error),
    );
  });
  if (signals !== false) closeOnSignals(session, signals === true ? {} : signals);
  return session;
}

const roleEntries = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));

/** A channel as it is used here. */
type Accepted =
  Awaited<
    ReturnType<typeof listen<string | Batch, unknown, { control: { codec: ReturnType<typeof json> } }>>
  >["channels"] extends ReadonlySet<infer Channel>
    ? Channel
    : never;

/** The bytes of a batch of BATCH_CHARACTERS and one event more, in which most characters take one byte. A longer one goes as single events. */
const LONGEST_BATCH = 2 * BATCH_CHARACTERS;

/** Serves the control lane of an interface. Nothing goes by the data lane before it has attached. */
async function welcome(session: Session, channel: Accepted, batchBytes: number): Promise<void> {
  let carrier: ChannelCarrier | undefined;
  const needed = () => {
    if (carrier?.attached === undefined)
      throw new CallError(INVALID_REQUEST, "the interface has not attached");
    return carrier.attached;
  };
  // An interface sends nothing by the data lane. Without a consumer its ring would fill, and that is all.
  channel.on("error", (error) => session.emit("peerError", error));
  const service = await serve(
    SESSION_CALLS,
    {
      attach(message): Welcome {
        if (carrier !== undefined) throw new CallError(INVALID_REQUEST, "the interface has attached already");
        const { client, instance, from, batches } = checkAttach(message);
        const [caller] = service.clients;
        carrier = new ChannelCarrier({
          session,
          client,
          instance,
          role: channel.peer.role ?? "default",
          peer: channel.peer,
          data: channel,
          batchBytes: batches ? batchBytes : 0,
          calls: caller!.client,
          close: (closing) => channel.close(closing),
          destroy: (error) => channel.destroy(error),
        });
        const { welcome, attached } = session.attach(carrier, from);
        carrier.attached = attached;
        attached.feed.resume();
        return welcome;
      },
      input: (message) => session.input(needed(), (message ?? {}) as InputMessage),
      snapshot: () => ({ available: session.refresh(needed()) }),
    },
    { port: channel.lane(CONTROL_LANE), calls: INTERFACE_CALLS, concurrency: CONCURRENCY, queue: QUEUE },
  );
  service.on("peerError", (error) => session.emit("peerError", error));
  await channel.closed;
  carrier?.end();
}
