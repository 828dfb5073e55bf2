// What a plain socket does better, in plain words.

/** @typedef {import("./socket.mjs").Comparison} Comparison */

/**
 * In this order, of what a record has. `times`: by how much, or from how much to how much; `works`: at what.
 * @type {{ suite: string, figure: string, together?: boolean, say: (times: string, works: string) => string }[]}
 */
const POINTS = [
  {
    suite: "startup",
    figure: "p50",
    say: (times) => `has its first reply ${times} times sooner after \`connect\``,
  },
  { suite: "cost-memory", figure: "memoryBytes", say: (times) => `takes 1/${times} of the memory` },
  { suite: "latency", figure: "ns", say: (times) => `answers ${times} times faster` },
  {
    suite: "latency-paced",
    figure: "p50",
    say: (times, works) => `answers ${times} times faster at ${works}`,
  },
  {
    suite: "throughput-bytes",
    figure: "bytesPerSecond",
    say: (times, works) => `carries ${times} times as much in messages of ${works}`,
  },
  {
    suite: "throughput-bytes",
    figure: "bytesPerSecond",
    together: true,
    say: (times, works) =>
      `carries ${times} times as much as \`sendMany\` in messages of ${works}, if many are written to it at once`,
  },
  {
    suite: "throughput-objects",
    figure: "perSecond",
    together: true,
    say: (times) =>
      `carries ${times} times as many objects as \`sendMany\`, if many are written to it at once`,
  },
  { suite: "cost", figure: "cpuNs", say: (times) => `takes 1/${times} of the CPU time for a message` },
  {
    suite: "scale-senders",
    figure: "delayP99",
    say: (times) => `delays the event loop of a receiver that is flooded ${times} times less`,
  },
];

/**
 * A sentence for each point, or nothing.
 * @param {readonly Comparison[]} better  Where the socket is.
 */
export function summary(better) {
  const points = POINTS.flatMap(({ suite, figure, together = false, say }) => {
    const own = better.filter(
      (each) =>
        each.name === suite &&
        each.figure === figure &&
        each.together === together &&
        Number.isFinite(1 / each.ratio),
    );
    if (own.length === 0) return [];
    return [say(range(own.map(({ ratio }) => 1 / ratio)), own.map(({ work }) => work).join(" and "))];
  });
  if (points.length === 0) return undefined;
  return `In short: a socket ${points.join(". It ")}.`;
}

/** @param {readonly number[]} ratios */
function range(ratios) {
  const least = digits(Math.min(...ratios));
  const most = digits(Math.max(...ratios));
  return least === most ? least : `${least} to ${most}`;
}

/** Two of them. @param {number} ratio */
export function digits(ratio) {
  return String(Number(ratio.toPrecision(2)));
}
