import { killed, killedBusy, killedSocket, killedSocketBusy } from "../contenders/kills.mjs";
import { duration } from "../lib/format.mjs";

/** @type {import("../lib/contender.mjs").Suite} */
export const kills = {
  name: "kills",
  group: "scale",
  title: "Until a process hears that its peer was killed",
  notes: [
    "By SIGKILL, one peer after the other, 500 of each; from right before the system call. Nothing is pinned. The kernel needs a part of the",
    "time: the killed process itself must run once more to close its descriptors. The socket shows how much.",
  ],
  contenders: [killed, killedSocket, killedBusy, killedSocketBusy],
  columns: [
    { title: "p50", figure: "p50", format: duration },
    { title: "p99", figure: "p99", format: duration },
    { title: "longest", figure: "max", format: duration },
  ],
  targets: [
    {
      name: "survivors hear of a killed peer, p99",
      needs: [killed.name],
      value: (figure) => figure(killed.name, "p99"),
      limit: 10e6,
      better: "lower",
      format: duration,
    },
    {
      name: "the same beside six busy processes, p99",
      needs: [killedBusy.name],
      value: (figure) => figure(killedBusy.name, "p99"),
      limit: 100e6,
      better: "lower",
      format: duration,
    },
  ],
};
