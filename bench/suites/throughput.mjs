import { duration, rate, ratio } from "../lib/format.mjs";
import { boostStream, ringStream } from "../peers/floor.mjs";
import { netStream } from "../peers/net-stream.mjs";
import { many, manySync } from "../peers/ringbell-many.mjs";
import { push } from "../peers/ringbell-push.mjs";

/** @type {import("../lib/contender.mjs").Suite} */
export const throughput = {
  name: "throughput",
  title: "Streaming one way, 32 B a message",
  contenders: [boostStream, ringStream, many, manySync, push, netStream],
  columns: [
    { title: "messages", figure: "perSecond", format: rate, spread: true },
    { title: "a message", figure: "ns", format: duration },
  ],
  targets: [
    {
      name: "sendMany → receiveMany",
      needs: ["many"],
      value: (figure) => figure("many", "perSecond"),
      limit: 40e6,
      better: "higher",
      format: rate,
    },
    {
      name: "sendMany → receiveMany / node:net",
      needs: ["many", "net-stream"],
      value: (figure) => figure("many", "perSecond") / figure("net-stream", "perSecond"),
      limit: 50,
      better: "higher",
      format: ratio,
    },
    {
      name: 'trySend → on("message")',
      needs: ["push"],
      value: (figure) => figure("push", "perSecond"),
      limit: 10e6,
      better: "higher",
      format: rate,
    },
  ],
};
