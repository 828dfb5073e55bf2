// The two ends of a contender that is a peer (lib/peer.mjs) under a workload, each in a process of its own.
import { createHistogram } from "node:perf_hooks";
import { setImmediate as turn } from "node:timers/promises";
import { answering } from "./answerer.mjs";
import { payload } from "./payload.mjs";
import { distribution } from "./percentiles.mjs";
import { roundTrips } from "./round-trips.mjs";
import { mark } from "./strace.mjs";
import { ticked } from "./ticked.mjs";

/** How long the answers to messages at a fixed rate may take after the last was due, ms. */
const GRACE = 50;
/** Messages that are sent in one turn of the event loop at most, so that a backlog does not keep answers from being heard. */
const BURST = 256;
/** How long a backlog may take to be answered after its round, ms. */
const PATIENCE = 20_000;

/** @param {import("./peer.mjs").Place} place */
export async function serve(place) {
  const module = await import(place.peer);
  const server = await module.serve(place, answering(place));
  return { pid: () => process.pid, close: () => server.close() };
}

/** @param {import("./peer.mjs").Place} place */
export async function drive(place) {
  const { drive: open } = await import(place.peer);
  const messages = payload(place.payload, place.bytes);
  /** @type {(reply: any) => void} */
  let heard = () => {};
  const hear = (/** @type {(reply: any) => void} */ each) => {
    heard = each;
  };
  const connect = () => open(place, (/** @type {any} */ reply) => heard(reply));
  /** @type {import("./peer.mjs").Link} */
  const link = await connect();
  /** @type {import("./peer.mjs").Link[]} */
  const more = [];

  return {
    /** Processes that take part besides those that were started for it. */
    pids: () => ({ own: process.pid, answerer: link.pid ?? null }),

    /** Round trips, one after the other. @param {number} count */
    echo: (count) => roundTrips({ messages, send: (i) => link.send(messages.make(i)), hear }, count),

    paced: (/** @type {number} */ rate, /** @type {number} */ seconds) => paced(rate, seconds),

    /** Round trips at a rate, by a driver that sleeps in between; without times. @param {number} rate @param {number} seconds */
    ticked: (rate, seconds) =>
      ticked({
        send: (i) => link.send(messages.make(i)),
        hear: (each) =>
          hear((reply) => {
            messages.check(reply);
            each();
          }),
        rate,
        seconds,
      }),

    /** What its timer takes by itself. @param {number} rate @param {number} seconds */
    ticking: (rate, seconds) => ticked({ rate, seconds }),

    /**
     * Another of these, between two marks for lib/strace.mjs.
     * @param {string} name  of the marks
     * @param {"ticked" | "flood" | "echo"} method
     * @param {...number} args
     */
    async marked(name, method, ...args) {
      mark(`begin-${name}`);
      const figures = await /** @type {any} */ (this)[method](...args);
      mark(`end-${name}`);
      return figures;
    },

    /** One way, as fast as it goes. @param {number} count at least 2 */
    async flood(count) {
      // Read at once: the reply may be overwritten afterwards.
      const answer = new Promise((resolve) => {
        heard = (reply) => resolve(messages.elapsed(reply));
      });
      const make = (/** @type {number} */ i) => messages.make(i, count);
      if (link.flood !== undefined) await link.flood(count, make);
      else {
        for (let i = 0; i < count; i++) {
          if (link.send(make(i)) === false) await link.ready?.();
        }
      }
      // From the first message's arrival until the last's.
      const elapsed = await answer;
      return {
        ns: (elapsed * 1e6) / (count - 1),
        perSecond: ((count - 1) * 1e3) / elapsed,
        bytesPerSecond: ((count - 1) * place.bytes * 1e3) / elapsed,
        seconds: elapsed / 1e3,
      };
    },

    /** Opens that many more links, which stay idle. @param {number} count */
    async open(count) {
      for (let i = 0; i < count; i++) more.push(await connect());
    },

    /** From nothing to the first reply, one link after the other. @param {number} count */
    async startUp(count) {
      const each = createHistogram();
      const begin = performance.now();
      for (let i = 0; i < count; i++) {
        const start = performance.now();
        const reply = new Promise((resolve) => {
          heard = (answer) => {
            messages.check(answer);
            resolve(undefined);
          };
        });
        const fresh = await connect();
        fresh.send(messages.make(i));
        await reply;
        each.record(Math.max(1, Math.round((performance.now() - start) * 1e6)));
        await fresh.close();
      }
      return { ...distribution(each), seconds: (performance.now() - begin) / 1e3 };
    },

    async close() {
      await Promise.all([link, ...more].map((each) => each.close()));
    },
  };

  /**
   * Sends at a fixed rate, whatever comes back, and times each answer from the moment its message was *due*: a stall counts for every message that
   * it delays, not only for the one that met it (no coordinated omission). This end's loop looks at the clock in
   * every turn and never sleeps; the answering end does what it always does.
   *
   * A message that has no answer `GRACE` after the last was due counts as answered then, which is the least that it took, and `kept` is the part
   * that was answered. So a peer that can't keep up has the times of its growing backlog, which only its backpressure bounds.
   * @param {number} rate messages a second
   * @param {number} seconds
   */
  async function paced(rate, seconds) {
    const planned = Math.max(1, Math.floor(rate * seconds));
    const interval = 1e3 / rate;
    const each = createHistogram();
    const pending = new Uint8Array(planned).fill(1);
    let sent = 0;
    let answered = 0;
    let late = 0;
    let isOver = false;
    const begin = performance.now() + interval;
    const record = (/** @type {number} */ number, /** @type {number} */ now) =>
      each.record(Math.max(1, Math.round((now - begin - number * interval) * 1e6)));
    heard = (reply) => {
      const number = messages.number(reply);
      if (pending[number] !== 1)
        throw new Error(`the answer to ${number} arrived twice, or was never asked for`);
      messages.check(reply);
      pending[number] = 0;
      if (isOver) {
        late++;
        return;
      }
      record(number, performance.now());
      answered++;
    };
    let room = true;
    const deadline = begin + planned * interval + GRACE;
    let now = performance.now();
    while (answered < planned && now < deadline) {
      const due = Math.min(planned, Math.floor((now - begin) / interval) + 1, sent + BURST);
      for (; room && sent < due; sent++) {
        if (link.send(messages.make(sent)) === false && link.ready !== undefined) {
          room = false;
          void link.ready().then(() => {
            room = true;
          });
        }
      }
      await turn();
      now = performance.now();
    }
    isOver = true;
    pending.forEach((unanswered, number) => {
      if (unanswered === 1) record(number, now);
    });

    // What is still under way must not be taken for an answer of the next round.
    const patience = performance.now() + PATIENCE;
    while (answered + late < sent || !room) {
      if (performance.now() > patience)
        throw new Error(`${sent - answered - late} messages were never answered`);
      await turn();
    }
    return {
      ...distribution(each),
      perSecond: (answered * 1e3) / (now - begin),
      kept: answered / planned,
      seconds: (now - begin) / 1e3,
    };
  }
}
