import { CallError, INVALID_PARAMS } from "../rpc/errors.js";
import { shown } from "../rpc/form.js";
import { SESSION_PROTOCOL } from "./control.js";
import { partsOf } from "./frames.js";
import { isCount } from "./item.js";
import type { From } from "./session.js";

/** Checks what an interface says when it attaches. */
export function checkAttach(message: unknown): {
  readonly client: string;
  readonly instance: string;
  readonly from: From;
  /** Whether the interface reads several events in one message. */
  readonly batches: boolean;
} {
  const {
    protocol,
    client,
    instance = "",
    from,
    batches: batched,
  } = (message ?? {}) as Readonly<Record<string, unknown>>;
  if (protocol !== SESSION_PROTOCOL) {
    throw new CallError(
      INVALID_PARAMS,
      `the session speaks protocol ${SESSION_PROTOCOL}, the interface ${shown(protocol)}; use the same version of ringbell on both`,
    );
  }
  if (typeof client !== "string" || !/^[\w.-]{1,64}$/.test(client)) {
    throw new CallError(INVALID_PARAMS, "client must be 1 to 64 of A-Za-z0-9._-");
  }
  if (typeof instance !== "string" || instance.length > 64) {
    throw new CallError(INVALID_PARAMS, "instance must be a string of up to 64 characters");
  }
  const batches = batched === true;
  if (from === "snapshot" || from === "live") return { client, instance, from, batches };
  const { last, cursor } = (from ?? {}) as Readonly<Record<string, unknown>>;
  if (isCount(last)) return { client, instance, from: { last }, batches };
  if (partsOf(cursor) !== undefined) return { client, instance, from: { cursor: cursor as string }, batches };
  throw new CallError(INVALID_PARAMS, 'from must be "snapshot", "live", { last } or { cursor }');
}
