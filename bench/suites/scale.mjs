import { CHANNELS, crowded, lone } from "../contenders/ringbell-crowd.mjs";
import { idle } from "../contenders/ringbell-idle.mjs";
import { channelsOf } from "../lib/channels.mjs";
import { duration, each, milliseconds, rate, ratio } from "../lib/format.mjs";
import { sendersOf } from "../lib/senders.mjs";

const count = CHANNELS.toLocaleString("en-US");

/** How many links into one process, of which peers. */
const LINKS = [1, 10, 100, CHANNELS];
const LINKED = new Set(["ringbell", "ringbell-parked", "net-unix", "ws"]);
/** How many processes send to one, and by which peers. */
const SENDERS = [1, 2, 4, 8];
const SENT = new Set(["ringbell", "net-unix"]);

/** @type {import("../lib/contender.mjs").Suite} */
export const scale = {
  name: "scale",
  group: "scale",
  title: `${count} idle channels in one process`,
  notes: [
    "CPU is that of the process that holds them. There are five windows of 10 s after 15 s of rest. /proc counts it in ticks of 10 ms.",
  ],
  contenders: [lone, crowded, idle],
  columns: [
    { title: "mean", figure: "ns", format: duration, spread: true },
    { title: "p50", figure: "p50", format: duration },
    { title: "p99", figure: "p99", format: duration },
    { title: "CPU/10 s", figure: "cpuMs", format: milliseconds },
    { title: "by /proc", figure: "procMs", format: milliseconds },
  ],
  targets: [
    {
      name: `CPU time of ${count} idle channels in 10 s`,
      needs: ["idle"],
      value: (figure) => figure("idle", "cpuMs"),
      limit: 10,
      better: "lower",
      format: milliseconds,
    },
    {
      name: `round trip by one channel among ${count} idle, as a multiple of a lone one's`,
      needs: ["crowded", "lone"],
      value: (figure) => figure("crowded", "ns") / figure("lone", "ns"),
      limit: 1.3,
      better: "lower",
      format: ratio,
    },
  ],
};

/**
 * Many links into one process, and many senders.
 * @param {unknown} _choice
 * @param {readonly (import("../lib/peer.mjs").Peer & { file: string })[]} peers
 * @returns {import("../lib/contender.mjs").Suite[]}
 */
export function scales(_choice, peers) {
  return [
    {
      name: "scale-channels",
      group: "scale",
      title: `1 to ${count} links into one process, 32 B`,
      notes: [
        "Two processes hold all links, one end each. There are three rounds, each 0.1 of the usual. They have round trips through one link while the",
        "others are idle, and round trips through each in its turn. They also have one message under way in all links at once. A thousand ringbell",
        "channels have about 0.5 GiB of shared memory.",
      ],
      contenders: peers
        .filter(({ name }) => LINKED.has(name))
        .flatMap((peer) => LINKS.map((links) => ({ ...channelsOf(peer, links), thorough: true }))),
      columns: [
        { title: "one", figure: "ns", format: duration, spread: true },
        { title: "one: p99", figure: "p99", format: duration },
        { title: "in turn", figure: "turnsNs", format: duration, spread: true },
        { title: "in turn: p99", figure: "turnsP99", format: duration },
        { title: "all at once", figure: "perSecond", format: rate, spread: true },
      ],
      targets: [],
    },
    {
      name: "scale-senders",
      group: "scale",
      title: "1 to 8 processes that send without a pause to one, 32 B",
      notes: [
        "The receiver has one core, and the senders share the other. Least/most: messages of the slowest sender, divided by those of the fastest.",
        "Loop delay: that of the receiver, p99, less the resolution of monitorEventLoopDelay. Each round is 0.3 of the usual.",
      ],
      contenders: peers
        .filter(({ name }) => SENT.has(name))
        .flatMap((peer) => SENDERS.map((senders) => ({ ...sendersOf(peer, senders), thorough: true }))),
      columns: [
        { title: "messages", figure: "perSecond", format: rate, spread: true },
        { title: "least/most", figure: "fairness", format: each },
        { title: "loop delay", figure: "delayP99", format: duration },
      ],
      targets: [],
    },
  ];
}
