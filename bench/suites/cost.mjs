import { carries } from "../lib/carries.mjs";
import { floodCost, idleCosts, memoryCost, pacedCost, timerCost } from "../lib/cost.mjs";
import { count, duration, each, milliseconds, rate, size } from "../lib/format.mjs";
import { thorough } from "../lib/thorough.mjs";
import { peer as netUnix } from "../peers/net-unix.mjs";

/** What --quick has time for. */
const FEW = new Set(["timer", "net-unix", "ringbell"]);

/** What is counted, wherever CPU time is. */
const COUNTED = [
  "CPU is user and system time of all threads of both processes, by /proc/PID/task/*/schedstat. (If a thread answers, there is one process.)",
  "It is that of the mechanism, of the program around it, and of V8's own threads. Wake-ups are voluntary context switches, preempted",
  "involuntary ones.",
];
const CALLS = [
  "System calls are those that strace sees in a round of its own. They take longer there, so that round is not timed, and a side that polls may",
  "find something more or less often.",
];

/** @type {import("../lib/contender.mjs").Column[]} */
const COLUMNS = [
  { title: "CPU, both", figure: "cpuNs", format: duration, spread: true },
  { title: "asking", figure: "askingNs", format: duration },
  { title: "answering", figure: "answeringNs", format: duration },
  { title: "wake-ups", figure: "wakeUps", format: each },
  { title: "preempted", figure: "preemptions", format: each },
  { title: "system calls", figure: "calls", format: each },
];

/**
 * What a message costs, and a link without messages.
 * @param {unknown} _choice
 * @param {readonly (import("../lib/peer.mjs").Peer & { file: string })[]} peers
 * @returns {import("../lib/contender.mjs").Suite[]}
 */
export function costs(_choice, peers) {
  const echoing = peers.filter((peer) => carries(peer, { kind: "echo" }));
  const flooding = peers.filter((peer) => carries(peer, { kind: "flood" }));
  return [
    {
      name: "cost",
      group: "cost",
      title: "Cost of a message of 32 B, there and back, at almost 1,000 a second",
      notes: [
        "The asking end sends one each time that a timer of 1 ms fires, about 900 times a second. All other rows contain the row of that timer. Each round is 0.3 of the usual.",
        ...COUNTED,
        ...CALLS,
      ],
      contenders: [timerCost(netUnix), ...echoing.map(pacedCost)].map(fewQuick),
      columns: COLUMNS,
      targets: [],
    },
    {
      name: "cost-flood",
      group: "cost",
      title: "Cost of a message of 32 B, one way, as fast as it goes",
      notes: [
        "CPU as above. Its sum is more than the time from message to message, because two cores work. Each round is 0.2 of the usual.",
      ],
      contenders: flooding.map(floodCost).map(thorough),
      columns: [
        ...COLUMNS.filter(({ figure }) => figure !== "preemptions"),
        { title: "messages", figure: "perSecond", format: rate },
      ],
      targets: [],
    },
    {
      name: "cost-idle",
      group: "cost",
      title: "Cost of a link on which nothing happens, both processes",
      notes: [
        "After some messages and two seconds of rest there are five windows of three seconds, the same for all mechanisms. For those that never sleep a window has one second. Figures are for 10 s.",
      ],
      contenders: idleCosts(echoing).map(thorough),
      columns: [
        { title: "CPU/10 s", figure: "cpuMs", format: milliseconds },
        { title: "wake-ups/10 s", figure: "wakeUps", format: count },
      ],
      targets: [],
    },
    {
      name: "cost-memory",
      group: "cost",
      title: "Memory of one more link, both processes",
      notes: [
        "Growth by 100 idle links, five times. It is resident memory, with shared pages counted once (Pss). Shared memory counts as far as it was",
        "allocated, touched or not. The kernel's own buffers, of sockets and pipes, are not in it. A process or thread that is started for a link",
        "is in it: four of them are started, or one. V8's heap grows meanwhile and is in it, too: some KiB more or less say nothing.",
      ],
      contenders: echoing
        .filter(({ one }) => !one)
        .map(memoryCost)
        .map(thorough),
      columns: [{ title: "memory", figure: "memoryBytes", format: size, spread: true }],
      targets: [],
    },
  ];
}

/** @param {import("../lib/contender.mjs").Contender} contender */
function fewQuick(contender) {
  return FEW.has(contender.peer ?? "") ? contender : thorough(contender);
}
