import { clearTimeout, setTimeout, type Timer } from "../../clock.js";
import { offAbort, onAbort } from "../../signal.js";
import type { Engine } from "../engine.js";
import type { Claim, TakeRequest, WireMessage } from "../wire.js";

export interface TakingLimits {
  /** In ms; Infinity: without end. */
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Takes messages, or waits for one. Resolves with none when the time is over, and rejects when the signal is aborted. In both cases the wait
 * is taken back at the broker; otherwise it would eat the next message. One that was under way goes back.
 */
export function take(
  engine: Engine,
  request: Omit<TakeRequest, "op">,
  { timeout, signal }: TakingLimits,
): Promise<WireMessage[]> {
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const waits = request.wait === true;
    const { tag, answer } = engine.ask({ ...request, op: "take" }, waits);
    let timer: Timer | undefined;
    let over = false;
    const finish = () => {
      over = true;
      clearTimeout(timer);
      if (signal !== undefined) offAbort(signal, abort);
    };
    const cancel = () => engine.ask({ op: "cancel", wait: tag }).answer;
    const abort = () => {
      finish();
      reject(signal!.reason);
      // The answer may be on its way; then it is put back below.
      cancel().catch(() => {});
    };
    answer.then(
      (value) => {
        const messages = value as WireMessage[];
        for (const { position, token } of messages) engine.hold(position, token!);
        if (over) putBack(engine, messages);
        else {
          finish();
          resolve(messages);
        }
      },
      (error) => {
        finish();
        reject(error);
      },
    );
    if (signal !== undefined) onAbort(signal, abort);
    if (waits && timeout < Number.POSITIVE_INFINITY) {
      timer = setTimeout(() => {
        // The broker answers the wait, with nothing or with what came just now. Where it does not answer, there is nothing.
        cancel().catch(() => {
          if (over) return;
          finish();
          resolve([]);
        });
      }, timeout);
    }
  });
}

export function claimsOf(messages: readonly WireMessage[]): Claim[] {
  return messages.map(({ position, token }) => [position, token!]);
}

/** Acknowledges what has arrived, without waiting for the answer. Until it comes, the claims are this process's. */
export function acknowledge(engine: Engine, messages: readonly WireMessage[]): void {
  settle(engine, "ack", messages);
}

function putBack(engine: Engine, messages: readonly WireMessage[]): void {
  settle(engine, "return", messages);
}

function settle(engine: Engine, how: "ack" | "return", messages: readonly WireMessage[]): void {
  if (messages.length === 0) return;
  const forget = () => {
    for (const { position, token } of messages) engine.release(position, token!);
  };
  engine.ask({ op: "settle", how, claims: claimsOf(messages) }).answer.then(forget, forget);
}
