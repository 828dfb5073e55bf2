import { anyOf } from "../codec/any-of.js";
import type { Codec } from "../codec/codec.js";
import { json } from "../codec/json.js";
import { packed } from "../codec/packed.js";
import type { AnyOf } from "../codec/resolve.js";

/**
 * How the messages of calls become bytes between two processes of ours: packed, which takes less time than JSON (docs/rpc.md#what-a-call-costs).
 * JSON for a peer that has nothing else, such as a relay. `tap`: whether others may watch, who must read each message by itself.
 */
export function callCodec(tap = process.env.RINGBELL_TAP === "1"): Codec<unknown> | AnyOf<unknown> {
  return tap ? json() : anyOf(packed(), json());
}
