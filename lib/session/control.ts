import { contract } from "../rpc/contract.js";
import type { InputMessage } from "./inputs.js";
import type { From, Welcome } from "./session.js";

/*
 * The control lane between an interface and its session: calls in both directions. Both check what comes by hand, field by field: an
 * attachment has no schemas of a program's.
 */

/** The version of what the two lanes carry. */
export const SESSION_PROTOCOL = 1;

/** The lane of inputs, states and retained values. */
export const CONTROL_LANE = "control";

export interface AttachMessage {
  readonly protocol: number;
  readonly client: string;
  /** The run of the client. It counts the inputs, so the session must not take them for those of a former run. */
  readonly instance: string;
  readonly from: From;
  /** Whether the interface reads several events in one message. */
  readonly batches: boolean;
}

/** What a session serves to an interface. */
export const SESSION_CALLS = contract<{
  attach(message: AttachMessage): Welcome;
  input(message: InputMessage): unknown;
  /** `available`: whether the session has snapshots. */
  snapshot(): { readonly available: boolean };
}>("session");

/** What an interface serves to its session. Answers say that it was taken, so that at most one of each waits. */
export const INTERFACE_CALLS = contract<{
  newState(message: { readonly state: string }): null;
  /** `value` is absent if there is none any more. */
  newValue(message: { readonly name: string; readonly value?: unknown }): null;
  replaced(): null;
  /** The session ends for good, with what the data lane still has. */
  over(): null;
}>("interface");
