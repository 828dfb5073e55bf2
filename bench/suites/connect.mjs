import { duration } from "../lib/format.mjs";
import { connectDefault, connectNamed, connectSealed } from "../peers/ringbell-connect.mjs";

/** @type {import("../lib/contender.mjs").Suite} */
export const connects = {
  name: "connect",
  title: "connect(), until the channel is ready",
  contenders: [connectDefault, connectNamed, connectSealed],
  columns: [
    { title: "p50", figure: "p50", format: duration, spread: true },
    { title: "p99", figure: "p99", format: duration },
  ],
  targets: [
    {
      name: "connect, p50",
      needs: ["connect"],
      value: (figure) => figure("connect", "p50"),
      limit: 3e6,
      better: "lower",
      format: duration,
    },
  ],
};
