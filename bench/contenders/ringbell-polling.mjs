import { timeRoundTrips, totalRoundTrips } from "../lib/clock.mjs";
import { size } from "../lib/format.mjs";
import { countsOf } from "../lib/linked.mjs";
import { pair } from "../lib/pair.mjs";
import { payload } from "../lib/payload.mjs";
import { accepted, expectNumber } from "../lib/ringbell.mjs";
import { opened, optionsOf, usual } from "../lib/ringbell-peer.mjs";

/** What each codec is called in names and titles; the usual ones go without saying. */
const VARIANTS = {
  bytes: ["ringbell-polling", "ringbell, both polling"],
  json: ["ringbell-polling", "ringbell, both polling"],
  packed: ["ringbell-polling-packed", "ringbell, both polling, packed()"],
  struct: ["ringbell-polling-struct", "ringbell, both polling, struct()"],
  view: ["ringbell-polling-view", "ringbell, both polling, bytes({ copy: false })"],
};

/**
 * `sendSync` and `receiveSync` at both ends: two threads that do nothing else, so that this can't be a peer with callbacks. The messages are those of the
 * peers, and so are names and facts.
 * @param {object} work
 * @param {"echo" | "flood"} work.kind
 * @param {"bytes" | "object"} [work.payload]
 * @param {number} [work.bytes]
 * @param {"bytes" | "view" | "json" | "packed" | "struct"} [work.codec]  Absent: the usual one of the payload.
 * @param {number} [work.part]  How long a round is, and the warm-up, as a part of the usual.
 * @returns {import("../lib/contender.mjs").Contender}
 */
export function polling({ kind, payload = "bytes", bytes = 32, codec, part = 1 }) {
  const place = { payload, bytes, codec: codec ?? usual({ payload }) };
  const [peer, title] = VARIANTS[place.codec];
  const name = [peer, kind, payload === "object" ? "object" : size(bytes).replace(" ", "")].join(":");
  return {
    ...pair({
      name,
      title,
      file: import.meta.url,
      options: { ...place, kind },
      part,
      counts: countsOf(kind, bytes),
    }),
    peer,
    facts: { kind, payload, bytes },
  };
}

/** @typedef {import("../lib/peer.mjs").Place & { kind: "echo" | "flood", codec: "bytes" | "view" | "json" | "packed" | "struct" }} Options */

/** @param {Options} options */
export async function serve(options) {
  const { listen } = await import("../../dist/index.js");
  const messages = payload(options.payload, options.bytes);
  const server = await listen(endpoint(options), await optionsOf(options, options.codec, {}));
  const peer = accepted(server);
  return {
    async round(/** @type {number} */ count) {
      const channel = await peer;
      return options.kind === "echo" ? echo(channel, count) : take(channel, count);
    },
    close: () => server.close(),
  };

  /** @param {any} channel @param {number} count */
  function echo(channel, count) {
    const total = totalRoundTrips(count);
    for (let i = 0; i < total; i++) channel.sendSync(channel.receiveSync());
  }

  /** @param {any} channel @param {number} count */
  function take(channel, count) {
    let begin = 0;
    for (let i = 0; i < count; i++) {
      const message = channel.receiveSync();
      if (i === 0) begin = performance.now();
      expectNumber(messages.number(message), i);
      messages.read(message);
    }
    // From the first message's arrival until the last's.
    const elapsed = performance.now() - begin;
    return {
      ns: (elapsed * 1e6) / (count - 1),
      perSecond: ((count - 1) * 1e3) / elapsed,
      bytesPerSecond: ((count - 1) * options.bytes * 1e3) / elapsed,
      seconds: elapsed / 1e3,
    };
  }
}

/** @param {Options} options */
export async function drive(options) {
  const messages = payload(options.payload, options.bytes);
  const channel = await opened({ ...options, endpoint: endpoint(options) }, options.codec);
  return {
    round: (/** @type {number} */ count) => (options.kind === "echo" ? echo(count) : flood(count)),
    close: () => channel.close(),
  };

  /** @param {number} count */
  function echo(count) {
    return timeRoundTrips(count, (i) => {
      channel.sendSync(messages.make(i));
      const reply = channel.receiveSync();
      expectNumber(messages.number(reply), i);
      messages.check(reply);
    });
  }

  /** @param {number} count */
  function flood(count) {
    for (let i = 0; i < count; i++) channel.sendSync(messages.make(i));
  }
}

/** A contender's name has characters that an endpoint's must not have. @param {Options} options */
function endpoint(options) {
  return options.endpoint.replaceAll(":", "-");
}
