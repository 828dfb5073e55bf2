import { setTimeout as delay } from "node:timers/promises";

/**
 * Not a mechanism but something to measure whose faults are known: it answers in its own process, in the next turn of the event loop.
 * `place.more` says what is wrong with it:
 *
 * - `stallAt`, `stallMs`: with that message it has no room, for so long
 * - `shorter`: of each message so many bytes, or characters, are lost
 * - `twice`: each is answered twice
 * - `dieAt`: with that message its process is gone
 */

export function serve() {
  return { close() {} };
}

/**
 * @param {import("../../../bench/lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {import("../../../bench/lib/peer.mjs").Link}
 */
export function drive({ more = {} }, heard) {
  const { stallAt, stallMs, shorter = 0, twice, dieAt } = /** @type {Record<string, number>} */ (more);
  let sent = 0;
  let waiting = Promise.resolve();
  return {
    send(message) {
      const i = sent++;
      if (i === dieAt) process.kill(process.pid, "SIGKILL");
      const reply = shortened(message, shorter);
      for (let times = twice ? 2 : 1; times > 0; times--) setImmediate(() => heard(reply));
      if (i !== stallAt) return true;
      waiting = delay(stallMs);
      return false;
    },
    ready: () => waiting,
    close() {},
  };
}

/** A copy: the message is reused. @param {any} message @param {number} less */
function shortened(message, less) {
  if (message instanceof Uint8Array) return Uint8Array.from(message.subarray(0, message.length - less));
  const { text } = message.params;
  return { ...message, params: { ...message.params, text: text.slice(0, text.length - less) } };
}
