import { DecodeError, InvalidArgumentError } from "../errors.js";
import { type Message, PRIORITIES, type StoredMessage } from "./message.js";
import type { WireMessage } from "./wire.js";

const STATES = ["queued", "claimed", "delayed", "dead"] as const;

/** A text goes as it is; any other value as JSON. */
export function encodeBody(body: unknown): { readonly body: string; readonly json?: true } {
  if (typeof body === "string") return { body };
  let text: string | undefined;
  try {
    text = JSON.stringify(body);
  } catch (error) {
    throw new InvalidArgumentError("body", `a text, or a value that JSON has (${String(error)})`, body);
  }
  if (text === undefined) throw new InvalidArgumentError("body", "a text, or a value that JSON has", body);
  return { body: text, json: true };
}

/** Returns the message without what belongs to its delivery. */
export function messageOf(wire: WireMessage): Message {
  const { box, id, position, from, rank, key, posted, topic, attempt } = wire;
  const { name, pid, uid } = from;
  return {
    ...{ box, id, position, body: decodeBody(wire), from: { name, pid, uid } },
    ...{ priority: PRIORITIES[rank]!, key, posted, topic, attempt },
  };
}

export function storedOf(wire: WireMessage): StoredMessage {
  return { ...messageOf(wire), state: STATES[wire.state!]!, reason: wire.reason };
}

function decodeBody({ json, body, position }: WireMessage): unknown {
  if (!json) return body;
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new DecodeError(`message ${position} is no JSON`, "", { cause: error });
  }
}
