import { duration, ratio } from "../lib/format.mjs";
import { boost, flag, ring } from "../peers/floor.mjs";
import { net } from "../peers/net.mjs";
import { loopBytes, loopJson, loopNoSpin, loopStream, loopStruct } from "../peers/ringbell-loop.mjs";
import { syncBytes, syncJson, syncStruct } from "../peers/ringbell-sync.mjs";

/** @type {import("../lib/contender.mjs").Suite} */
export const latency = {
  name: "latency",
  title: "Round trips between two processes, 32 B",
  contenders: [
    flag,
    boost,
    ring,
    syncStruct,
    syncBytes,
    syncJson,
    loopStruct,
    loopBytes,
    loopJson,
    loopNoSpin,
    loopStream,
    net,
  ],
  columns: [
    { title: "round trip", figure: "ns", format: duration, spread: true },
    { title: "p50", figure: "p50", format: duration },
    { title: "p99", figure: "p99", format: duration },
  ],
  targets: [
    {
      name: "both polling / boost::lockfree::spsc_queue",
      needs: ["sync-struct", "boost"],
      value: (figure) => figure("sync-struct", "ns") / figure("boost", "ns"),
      limit: 1.0,
      better: "lower",
      format: ratio,
    },
    {
      name: "both polling / a flag in one cache line",
      needs: ["sync-struct", "flag"],
      value: (figure) => figure("sync-struct", "ns") / figure("flag", "ns"),
      limit: 1.7,
      better: "lower",
      format: ratio,
    },
    {
      name: "event loop / node:net",
      needs: ["loop-struct", "net"],
      value: (figure) => figure("loop-struct", "ns") / figure("net", "ns"),
      limit: 1 / 40,
      better: "lower",
      format: ratio,
    },
    {
      name: "event loop, spin: 0 / node:net",
      needs: ["loop-spin-0", "net"],
      value: (figure) => figure("loop-spin-0", "ns") / figure("net", "ns"),
      limit: 0.85,
      better: "lower",
      format: ratio,
    },
  ],
};
