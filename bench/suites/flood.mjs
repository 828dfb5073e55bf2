import { answered, eight, flood, quiet, streaming } from "../contenders/ringbell-flood.mjs";
import { duration, rate } from "../lib/format.mjs";
import { thorough } from "../lib/thorough.mjs";

/** @param {string} what @param {string} figure @returns {import("../lib/contender.mjs").Target} */
function bounded(what, figure) {
  return {
    name: `${what} p99 under a flood`,
    needs: ["flood"],
    value: (get) => get("flood", figure),
    limit: 5e6,
    better: "lower",
    format: duration,
  };
}

/** @type {import("../lib/contender.mjs").Suite} */
export const floods = {
  name: "flood",
  group: "scale",
  title: "The receiver's event loop while its peer floods it, p99",
  notes: [
    "Loop delay is that of monitorEventLoopDelay, less its resolution. Timer: how late a timer of 1 ms is. Socket: a byte there and back over a",
    "Unix socket whose two ends are both served by this loop.",
  ],
  contenders: [thorough(quiet), flood, thorough(answered), thorough(eight), thorough(streaming)],
  columns: [
    { title: "loop delay", figure: "delayP99", format: duration, spread: true },
    { title: "timer", figure: "timerP99", format: duration },
    { title: "socket", figure: "socketP99", format: duration },
    { title: "messages", figure: "perSecond", format: rate },
  ],
  targets: [
    bounded("event-loop delay", "delayP99"),
    bounded("timer lateness", "timerP99"),
    bounded("socket echo", "socketP99"),
  ],
};
