import { connectDefault, connectNamed, connectSealed } from "../contenders/ringbell-connect.mjs";
import { duration } from "../lib/format.mjs";
import { thorough } from "../lib/thorough.mjs";

/** @type {import("../lib/contender.mjs").Suite} */
export const connects = {
  name: "connect",
  group: "startup",
  title: "connect(), until the channel is ready",
  contenders: [connectDefault, thorough(connectNamed), thorough(connectSealed)],
  columns: [
    { title: "p50", figure: "p50", format: duration, spread: true },
    { title: "p99", figure: "p99", format: duration },
  ],
  targets: [
    {
      name: "connect until the channel is ready, p50",
      needs: ["connect"],
      value: (figure) => figure("connect", "p50"),
      limit: 3e6,
      better: "lower",
      format: duration,
    },
  ],
};
