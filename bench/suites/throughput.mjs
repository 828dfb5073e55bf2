import { boostStream, ringStream } from "../contenders/floor.mjs";
import { netStream } from "../contenders/net-stream.mjs";
import { many, manySync } from "../contenders/ringbell-many.mjs";
import { polling } from "../contenders/ringbell-polling.mjs";
import { push } from "../contenders/ringbell-push.mjs";
import { throughput as bytesPerSecond, duration, rate, ratio, size } from "../lib/format.mjs";
import { MIB } from "../lib/memory.mjs";
import { MESSAGE_BYTES } from "../lib/messages.mjs";
import { thorough } from "../lib/thorough.mjs";
import { peersFor } from "./peers.mjs";

/** How long a round of a peer is, as a part of the usual: there are many of them, in many sizes. */
const PART = 0.15;
const OBJECTS_PART = 0.5;
const QUICK_PART = 0.25;
/** Of an object, about, as JSON. */
const OBJECT_BYTES = 200;
const KIB = 1024;
const SIZES = [32, 256, 2 * KIB, 16 * KIB, 128 * KIB, MIB, 8 * MIB, 64 * MIB];
const QUICK_SIZES = [MIB];

/** @type {import("../lib/contender.mjs").Suite} */
const small = {
  name: "throughput",
  group: "throughput",
  title: "Streaming one way, 32 B a message",
  contenders: [boostStream, thorough(ringStream), many, thorough(manySync), push, netStream].map(
    (contender) => ({
      ...contender,
      facts: contender.facts ?? { kind: "flood", payload: "bytes", bytes: MESSAGE_BYTES },
    }),
  ),
  columns: [
    { title: "messages", figure: "perSecond", format: rate, spread: true },
    { title: "a message", figure: "ns", format: duration },
  ],
  targets: [
    {
      name: "streaming, sendMany → receiveMany",
      needs: ["many"],
      value: (figure) => figure("many", "perSecond"),
      limit: 40e6,
      better: "higher",
      format: rate,
    },
    {
      name: "streaming, sendMany → receiveMany, as a multiple of node:net's",
      needs: ["many", "net-stream"],
      value: (figure) => figure("many", "perSecond") / figure("net-stream", "perSecond"),
      limit: 50,
      better: "higher",
      format: ratio,
    },
    {
      name: 'streaming, trySend → on("message")',
      needs: ["push"],
      value: (figure) => figure("push", "perSecond"),
      limit: 10e6,
      better: "higher",
      format: rate,
    },
  ],
};

/** @param {import("../lib/contender.mjs").Choice} choice @returns {import("../lib/contender.mjs").Suite} */
function bySize({ sizes, quick }) {
  return {
    name: "throughput-bytes",
    group: "throughput",
    title: "Streaming one way, by the length of the messages",
    notes: [
      'The sender waits when it is told to. The receiver reads through all bytes of each message, checks their order, and answers the last. The row "ringbell" is bytes() with default options.',
    ],
    contenders: (sizes ?? (quick ? QUICK_SIZES : SIZES)).flatMap((bytes) => {
      /** @type {import("../lib/linked.mjs").Work} */
      const work = { kind: "flood", bytes, part: quick ? QUICK_PART : PART };
      return [...[polling(work), polling({ ...work, codec: "view" })].map(thorough), ...peersFor(work)];
    }),
    columns: [
      { title: "bytes", figure: "bytesPerSecond", format: bytesPerSecond, spread: true },
      { title: "messages", figure: "perSecond", format: rate },
    ],
    matrix: {
      rows: "title",
      columns: "bytes",
      figure: "bytesPerSecond",
      format: bytesPerSecond,
      columnTitle: size,
    },
    targets: [],
  };
}

/** @param {import("../lib/contender.mjs").Choice} choice @returns {import("../lib/contender.mjs").Suite} */
function objects({ quick }) {
  /** @type {import("../lib/linked.mjs").Work} */
  const work = {
    kind: "flood",
    payload: "object",
    bytes: OBJECT_BYTES,
    part: quick ? QUICK_PART : OBJECTS_PART,
  };
  return {
    name: "throughput-objects",
    group: "throughput",
    title: `Streaming objects one way, ${OBJECT_BYTES} B each as JSON`,
    notes: [
      'Sent as is usual for each: JSON, the structured clone, or a type that both ends know. The row "ringbell" is json() with default options.',
    ],
    contenders: [
      polling({ ...work, codec: "struct" }),
      polling({ ...work, codec: "packed" }),
      polling(work),
      ...peersFor(work),
    ].map(thorough),
    columns: [
      { title: "messages", figure: "perSecond", format: rate, spread: true },
      { title: "a message", figure: "ns", format: duration },
    ],
    targets: [
      {
        name: "streaming objects, packed(), sendMany, as a multiple of node:net's with many a write",
        needs: ["ringbell-packed-batched:flood:object", "net-unix-joined:flood:object"],
        value: (figure) =>
          figure("ringbell-packed-batched:flood:object", "perSecond") /
          figure("net-unix-joined:flood:object", "perSecond"),
        limit: 3.5,
        better: "higher",
        format: ratio,
      },
    ],
  };
}

/** @param {import("../lib/contender.mjs").Choice} choice @returns {import("../lib/contender.mjs").Suite[]} */
export function throughput(choice) {
  return [small, bySize(choice), objects(choice)];
}
