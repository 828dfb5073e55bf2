import { duration, milliseconds, ratio } from "../lib/format.mjs";
import { CHANNELS, crowded, lone } from "../peers/ringbell-crowd.mjs";
import { idle } from "../peers/ringbell-idle.mjs";

const count = CHANNELS.toLocaleString("en-US");

/** @type {import("../lib/contender.mjs").Suite} */
export const scale = {
  name: "scale",
  title: `${count} idle channels in one process`,
  notes: ["CPU is that of the process that holds them, over 10 s; /proc counts it in ticks of 10 ms."],
  contenders: [lone, crowded, idle],
  columns: [
    { title: "round trip", figure: "ns", format: duration, spread: true },
    { title: "p50", figure: "p50", format: duration },
    { title: "p99", figure: "p99", format: duration },
    { title: "CPU/10 s", figure: "cpuMs", format: milliseconds },
    { title: "by /proc", figure: "procMs", format: milliseconds },
  ],
  targets: [
    {
      name: `CPU of ${count} idle channels over 10 s`,
      needs: ["idle"],
      value: (figure) => figure("idle", "cpuMs"),
      limit: 10,
      better: "lower",
      format: milliseconds,
    },
    {
      name: `active channel among ${count} idle / lone`,
      needs: ["crowded", "lone"],
      value: (figure) => figure("crowded", "ns") / figure("lone", "ns"),
      limit: 1.3,
      better: "lower",
      format: ratio,
    },
  ],
};
