import { carries } from "../lib/carries.mjs";
import { floodCost, idleCosts, memoryCost, pacedCost, timerCost } from "../lib/cost.mjs";
import { count, duration, each, milliseconds, rate, size } from "../lib/format.mjs";
import { thorough } from "../lib/thorough.mjs";
import { peer as netUnix } from "../peers/net-unix.mjs";

/** What --quick has time for. */
const FEW = new Set(["timer", "net-unix", "ringbell"]);

/** What is counted, wherever CPU time is. */
const COUNTED = [
  "CPU time, user and system, of all threads of both processes (of the one, where a thread answers), by /proc/PID/task/*/schedstat: of the",
  "mechanism, of the program around it, and of V8's own threads. Wake-ups are voluntary context switches, preempted: involuntary ones.",
];
const CALLS = [
  "System calls are those that strace sees in a round of its own, which isn't timed: they take longer there, which may change how often who polls",
  "finds something.",
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
      title: "What a message of 32 B costs, there and back, at almost 1,000 a second",
      notes: [
        "The asking end sends one each time that a timer of 1 ms fires, about 900 times a second; the row of that timer is contained in all the others. Each round is 0.3 of the usual.",
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
      title: "What a message of 32 B costs, one way, as fast as it goes",
      notes: [
        "CPU as above; its sum is more than the time from message to message, since two cores work. Each round is 0.2 of the usual.",
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
      title: "What a link costs on which nothing happens, both processes",
      notes: [
        "After some messages and two seconds of rest, five windows of three seconds, all mechanisms in the same ones; of one second for those that never sleep. Given for 10 s.",
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
      title: "What one more link takes of memory, both processes",
      notes: [
        "Growth by 100 idle links, five times. Resident memory, pages that several have counted once (Pss), and of shared memory all that was allocated,",
        "touched or not. The kernel's own buffers, of sockets and pipes, are not in it. Where a process or thread is started for a link, it is: by four of",
        "them, or one. What V8's heap grows by meanwhile is in it, too: some KiB more or less say nothing.",
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
