import { connect } from "../channel/connect.js";
import type { ConnectOptions } from "../channel/options.js";
import { json } from "../codec/json.js";
import type { CloseOptions } from "../port.js";
import type { Client } from "../rpc/client.js";
import { CallLostError } from "../rpc/errors.js";
import { open } from "../rpc/open.js";
import { CONTROL_LANE, INTERFACE_CALLS, SESSION_CALLS, SESSION_PROTOCOL } from "./control.js";
import { isCount } from "./item.js";
import type { From, Welcome } from "./session.js";

export type Connecting = Omit<ConnectOptions<unknown, unknown>, "codec" | "lanes">;

/** What an interface hears from its session beside events. */
export interface Notices {
  state(state: string): void;
  retained(name: string, value: unknown): void;
  replaced(): void;
  over(): void;
  bad(error: Error): void;
}

/** One connection of an interface to its session. */
export interface Link {
  readonly welcome: Welcome;
  readonly calls: Client<typeof SESSION_CALLS>;
  readonly data: {
    receive(): Promise<unknown>;
  };
  /** Resolves when the connection has ended. */
  readonly closed: Promise<{ readonly error: Error | undefined }>;
  close(options?: CloseOptions): Promise<void>;
  destroy(error?: Error): void;
}

/** Connects and attaches. Rejects with what `connect` rejects with, and with a CallError where the session refuses. */
export async function link(
  name: string,
  connecting: Connecting,
  client: { readonly client: string; readonly instance: string },
  from: From,
  notices: Notices,
): Promise<Link> {
  const channel = await connect(name, { ...connecting, codec: json() });
  try {
    // A listener that is no session has no such lane.
    const calls = await open(SESSION_CALLS, {
      port: channel.lane(CONTROL_LANE),
      onPeerError: notices.bad,
      serve: {
        contract: INTERFACE_CALLS,
        handlers: {
          newState: (message) => tell(() => notices.state(String(message?.state))),
          newValue: (message) => tell(() => notices.retained(String(message?.name), message?.value)),
          replaced: () => tell(() => notices.replaced()),
          over: () => tell(() => notices.over()),
        },
      },
    });
    const message = { protocol: SESSION_PROTOCOL, ...client, from, batches: true };
    const signal = connecting.signal;
    const welcome = checkWelcome(await calls.attach(message, { timeout: ATTACH_TIMEOUT, signal }));
    return {
      welcome,
      calls,
      data: channel,
      closed: channel.closed,
      close: (options) => channel.close(options),
      destroy: (error) => channel.destroy(error),
    };
  } catch (error) {
    channel.destroy();
    throw error;
  }
}

/** How long (ms) a session may take to answer. One whose event loop is blocked for longer is tried again. */
const ATTACH_TIMEOUT = 10_000;

function tell(call: () => void): null {
  call();
  return null;
}

function checkWelcome(welcome: Welcome): Welcome {
  const { session, log, epoch, sequence, state, retained } = welcome ?? {};
  const isWell =
    typeof session === "string" &&
    typeof log === "string" &&
    typeof state === "string" &&
    isCount(epoch) &&
    (sequence === undefined || isCount(sequence)) &&
    typeof retained === "object" &&
    retained !== null;
  if (!isWell) throw new CallLostError("the session gave no welcome as it should", false);
  return welcome;
}
