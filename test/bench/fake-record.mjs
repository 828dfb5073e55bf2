// A record whose figures are made up, for tests of the report: node test/bench/fake-record.mjs > FILE

const PEERS = [
  ["ringbell", "ringbell, event loop", 620],
  ["ringbell-polling", "ringbell, both polling", 540],
  ["ringbell-parked", "ringbell, parked (spin: 0)", 56_000],
  ["ringbell-batched", "ringbell, batched", 700],
  ["ringbell-blocks", "ringbell, blocks", 1_800],
  ["ringbell-stream", "ringbell, stream transport", 60_000],
  ["net-unix", "node:net, Unix socket", 57_000],
  ["net-tcp", "node:net, TCP", 66_000],
  ["stdio", "stdin and stdout pipes", 61_000],
  ["fifo", "named pipes", 120_000],
  ["child-json", "child_process, JSON", 75_000],
  ["child-advanced", "child_process, advanced serialization", 82_000],
  ["worker", "worker_threads, MessagePort", 31_000],
  ["http", "HTTP keep-alive, Unix socket", 170_000],
  ["directory", "a watched directory of files", 900_000],
  ["ws", "ws, Unix socket", 71_000],
  ["zeromq", "zeromq, ipc", 110_000],
  ["grpc", "@grpc/grpc-js, Unix socket", 260_000],
  ["jsonrpc", "vscode-jsonrpc, Unix socket", 95_000],
  ["disruptor", "shared-memory-disruptor", 9_000],
];
const FLOORS = [
  ["flag", "C++: a flag in one cache line each way", 106],
  ["ring", "C++: this library's ring without Node", 173],
  ["boost", "C++: boost::lockfree::spsc_queue, 8 B", 203],
];
const WAKES = [
  ["futex", "C++: futex, different cores", 21_000],
  ["eventfd", "C++: eventfd and epoll, different cores", 24_000],
  ["socket", "C++: Unix socket and epoll, different cores", 25_000],
  ["futex", "C++: futex, same core", 2_900],
  ["socket", "C++: Unix socket and epoll, same core", 5_100],
];
const SIZES = [32, 1 << 10, 32 << 10, 1 << 20, 64 << 20];
const PERCENTILES = { p1: 0.8, p10: 0.9, p25: 0.95, p50: 1, p75: 1.1, p90: 1.25, p95: 1.4, p99: 1.9 };

/** Numbers that look random, the same each time. @param {number} seed */
function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** @param {any} options */
export function fakeRecord({ seed = 1, rounds = 5 } = {}) {
  const next = random(seed);
  let names = 0;

  const result = (name, peer, title, facts, figures) => {
    const each = Array.from({ length: rounds }, () => {
      const drift = 0.97 + 0.06 * next();
      return Object.fromEntries(
        Object.entries(figures).map(([figure, value]) => [figure, figure === "kept" ? value : value * drift]),
      );
    });
    const figuresOf = (figure) => each.map((round) => round[figure]).sort((a, b) => a - b);
    const medians = Object.fromEntries(
      Object.keys(figures).map((figure) => [figure, figuresOf(figure)[rounds >> 1]]),
    );
    const spreads = Object.fromEntries(
      Object.entries(medians).map(([figure, median]) => {
        const off = figuresOf(figure).map((value) => Math.abs(value - median));
        return [figure, median === 0 ? 0 : Math.max(...off) / median];
      }),
    );
    return { name, peer, title, facts, status: "measured", rounds: each, medians, spreads };
  };
  const distribution = (ns, tail = 3) => ({
    ns: ns * 1.02,
    ...Object.fromEntries(Object.entries(PERCENTILES).map(([name, part]) => [name, ns * part])),
    "p99.9": ns * (tail + next()),
    "p99.99": ns * (tail * 4 + next()) + 15_000 * next(),
    max: ns * tail * 10 + 400_000 * next(),
  });
  const peers = (make, of = PEERS) =>
    of.map(([peer, title, ns]) => {
      const { facts, figures } = make(peer, ns);
      return result(`${peer}:fake-${++names}`, peer, title, facts, figures);
    });
  const stream = (bytes, ns) => {
    const perSecond = 1e9 / (ns / 40 + bytes / 3);
    return { ns: 1e9 / perSecond, perSecond, bytesPerSecond: perSecond * bytes };
  };
  const latencyColumns = ["p50", "p99", "p99.9", "max"].map((figure) => ({ title: figure, figure }));
  const suite = (name, group, title, columns, results, notes) => ({
    name,
    group,
    title,
    notes,
    foreignLoad: 0.01,
    columns,
    results,
  });
  const unavailable = {
    name: "absent:fake",
    peer: "absent",
    title: "a mechanism that is not there",
    facts: { kind: "echo", payload: "bytes", bytes: 32 },
    status: "unavailable",
    reason: "needs what this fake machine does not have",
    rounds: [],
    medians: {},
    spreads: {},
  };
  const verdict = (name, group, value, limit, better, shown, shownLimit) => ({
    name,
    group,
    value,
    spread: 0.02,
    limit,
    better,
    ok: better === "lower" ? value <= limit : value >= limit,
    shown,
    shownLimit,
  });
  const hand = (name, peer, title, ns) =>
    result(name, peer, title, { kind: "echo", payload: "bytes", bytes: 32 }, distribution(ns));
  const named = (name, peer, title, figures, facts = {}) => result(name, peer, title, facts, figures);

  const echo32 = [
    ...FLOORS.map(([name, title, ns]) => hand(name, name, title, ns)),
    hand("loop-struct", "ringbell", "ringbell, event loop, struct()", 311),
    hand("loop-bytes", "ringbell", "ringbell, event loop, bytes()", 584),
    hand("loop-json", "ringbell", "ringbell, event loop, json()", 4_060),
    hand("loop-spin-0", "ringbell-parked", "ringbell, event loop, struct(), spin: 0", 55_400),
    hand("loop-stream", "ringbell-stream", 'ringbell, event loop, struct(), transport: "stream"', 60_400),
    hand("sync-struct", "ringbell-polling", "ringbell, both polling, struct()", 319),
    hand("sync-bytes", "ringbell-polling", "ringbell, both polling, bytes()", 531),
    hand("sync-json", "ringbell-polling", "ringbell, both polling, json()", 3_660),
    hand("net", "net-unix", "node:net, Unix socket", 61_400),
    ...peers(
      (_, ns) => ({ facts: { kind: "echo", payload: "bytes", bytes: 32 }, figures: distribution(ns) }),
      PEERS.filter(([peer]) => !/^ringbell|net-unix/.test(peer)),
    ),
    unavailable,
  ];

  return {
    format: 2,
    when: "2001-01-01T00:00:00.000Z",
    version: "0.0.0-fake",
    commit: "0000000000000000000000000000000000000000",
    changed: false,
    machine: {
      processor: "No Processor (made-up figures)",
      cores: 2,
      allowedCores: [0, 1],
      memoryBytes: 2 ** 33,
      system: "Linux",
      kernel: "0.0.0-fake",
      architecture: "x64",
      node: "0.0.0-fake",
      v8: "0.0",
      governor: null,
    },
    pinnedTo: [0, 1],
    quick: false,
    rounds,
    secondsPerRound: 1,
    seconds: 1234,
    packages: { ws: "0.0.1", zeromq: "0.0.2", "@grpc/grpc-js": "0.0.3" },
    suites: [
      suite("latency", "latency", "Round trips between two processes, 32 B", latencyColumns, echo32, [
        "Made up, like everything here.",
      ]),
      suite(
        "wake-ups",
        "latency",
        "Waking a process that sleeps, in C++",
        latencyColumns,
        WAKES.map(([peer, title, ns], i) =>
          result(`wake-${i}`, peer, title, { kind: "echo" }, distribution(ns)),
        ),
      ),
      suite(
        "latency-objects",
        "latency",
        "Round trips of JSON objects",
        latencyColumns,
        [256].flatMap((bytes) =>
          peers((_, ns) => ({
            facts: { kind: "echo", payload: "object", bytes },
            figures: distribution(ns + 3_000 + bytes * 4),
          })),
        ),
      ),
      suite(
        "latency-paced",
        "latency",
        "Round trips of 32 B at fixed rates",
        latencyColumns,
        [100, 1_000, 10_000].flatMap((rate) =>
          peers((peer, ns) => ({
            facts: { kind: "paced", payload: "bytes", bytes: 32, rate },
            figures: {
              ...distribution(peer === "ringbell" && rate < 1_000 ? 58_000 : ns, 2),
              perSecond: rate,
              kept: ns * rate < 1e9 * 2 ? 1 : 0,
            },
          })),
        ),
      ),
      suite(
        "throughput",
        "throughput",
        "Streaming one way, 32 B a message",
        [
          { title: "messages", figure: "perSecond" },
          { title: "a message", figure: "ns" },
        ],
        [
          named("boost-stream", "boost", "C++: boost::lockfree::spsc_queue, 8 B", stream(32, 1)),
          named("ring-stream", "ring", "C++: this library's ring, one record at a time", stream(32, 2_000)),
          named("many", "ringbell-batched", "ringbell, sendMany → receiveMany, struct()", stream(32, 500)),
          named(
            "many-sync",
            "ringbell-polling",
            "ringbell, sendManySync → receiveManySync, struct()",
            stream(32, 450),
          ),
          named("push", "ringbell", 'ringbell, trySend → on("message"), struct()', stream(32, 1_900)),
          named("net-stream", "net-unix", "node:net, Unix socket, one write a message", stream(32, 57_000)),
        ],
      ),
      suite(
        "throughput-bytes",
        "throughput",
        "Streaming one way, by size",
        [{ title: "throughput", figure: "bytesPerSecond" }],
        SIZES.flatMap((bytes) =>
          peers(
            (peer, ns) => ({
              facts: { kind: "flood", payload: "bytes", bytes },
              figures: stream(bytes, peer === "ringbell-blocks" ? ns / (1 + bytes) : ns),
            }),
            bytes > 1 << 20 ? PEERS.filter(([peer]) => !/directory|disruptor/.test(peer)) : PEERS,
          ),
        ),
      ),
      suite(
        "throughput-objects",
        "throughput",
        "Streaming one way, JSON objects",
        [{ title: "objects", figure: "perSecond" }],
        [256].flatMap((bytes) =>
          peers((_, ns) => ({
            facts: { kind: "flood", payload: "object", bytes },
            figures: stream(bytes, ns + 20_000),
          })),
        ),
      ),
      suite(
        "memcpy",
        "bulk",
        "memcpy, in and out of cache",
        [{ title: "throughput", figure: "bytesPerSecond" }],
        SIZES.slice(1).map((bytes) =>
          result(
            `memcpy-${bytes}`,
            "memcpy",
            "C++: memcpy",
            { kind: "copy", bytes },
            { bytesPerSecond: bytes > 1e6 ? 9e9 : 4e10 },
          ),
        ),
      ),
      suite(
        "bulk-handover",
        "bulk",
        "Handing over a block that was filled before, one way",
        [
          { title: "one way", figure: "ns" },
          { title: "p50", figure: "p50" },
          { title: "p99", figure: "p99" },
        ],
        [
          ...["1k", "1m", "64m", "1g"].map((size) =>
            named(
              `handover-${size}`,
              "ringbell-blocks",
              `ringbell, both polling, a block of ${size}`,
              distribution(420),
            ),
          ),
          named("net-64m", "net-unix", "node:net, Unix socket, 64 MiB", distribution(14e6)),
        ],
      ),
      suite(
        "bulk-shared",
        "bulk",
        "One block of 256 MiB shared to 8 processes",
        [
          { title: "share and send", figure: "ns" },
          { title: "sum of Pss", figure: "pssBytes" },
        ],
        [
          named("shared", "ringbell-blocks", "ringbell, one block to 8 processes", {
            ns: 6_220,
            pssBytes: 256 << 20,
          }),
        ],
      ),
      suite(
        "bulk-allocate",
        "bulk",
        "Allocate a block, write its first byte, release it",
        [{ title: "tryAllocate", figure: "ns" }],
        ["64k", "64m"].map((size) =>
          named(`allocate-${size}`, "ringbell-blocks", `ringbell, ${size}`, { ns: 28 }),
        ),
      ),
      suite(
        "scale-channels",
        "scale",
        "Channels into one process, one of them busy",
        latencyColumns,
        [1, 10, 100, 1_000].flatMap((channels) =>
          peers(
            (_, ns) => ({
              facts: { kind: "echo", payload: "bytes", bytes: 32, channels },
              figures: distribution(ns * (1 + Math.log10(channels) / 9)),
            }),
            PEERS.filter(([peer]) => /^(ringbell|net-unix|net-tcp|ws|zeromq|http)$/.test(peer)),
          ),
        ),
      ),
      suite(
        "scale-senders",
        "scale",
        "Busy senders into one process",
        [{ title: "messages", figure: "perSecond" }],
        [1, 2, 4, 8].flatMap((senders) =>
          peers(
            (_, ns) => ({
              facts: { kind: "flood", payload: "bytes", bytes: 32, senders },
              figures: { perSecond: 1e9 / (ns / 40 + 20) / (1 + senders / 20) },
            }),
            PEERS.filter(([peer]) => /^(ringbell|net-unix|net-tcp|ws|zeromq)$/.test(peer)),
          ),
        ),
      ),
      ...[
        { name: "cost", title: "What a message costs, there and back, at 1,000 a second" },
        { name: "cost-flood", title: "What a message costs, one way, as fast as it goes" },
      ].map(({ name, title }) =>
        suite(
          name,
          "cost",
          title,
          [
            { title: "CPU, both", figure: "cpuNs", format: "duration" },
            { title: "asking", figure: "askingNs", format: "duration" },
            { title: "system calls", figure: "calls", format: "each" },
            { title: "preempted", figure: "preemptions", format: "each" },
            { title: "wake-ups", figure: "wakeUps", format: "each" },
            { title: "messages", figure: "perSecond", format: "rate" },
          ],
          peers((peer, ns) => {
            const idle = ns < 20_000 && name !== "cost";
            const cpuNs = name === "cost" && peer === "ringbell" ? 70_000 : ns * 1.4;
            return {
              facts: { kind: name, payload: "bytes", bytes: 32 },
              figures: {
                cpuNs,
                askingNs: cpuNs / 2,
                calls: idle ? 0.0004 : 4 + (ns % 7),
                preemptions: idle ? 0.0002 : 0.3,
                wakeUps: idle ? 0 : 2,
                perSecond: 990,
              },
            };
          }),
        ),
      ),
      suite(
        "cost-idle",
        "cost",
        "At rest",
        [
          { title: "CPU, 10 s idle", figure: "idleMs" },
          { title: "memory a channel", figure: "rssBytes" },
        ],
        peers((peer) => ({
          facts: { kind: "idle" },
          figures: {
            idleMs: peer === "ringbell-polling" ? 10_000 : 1,
            rssBytes: peer.startsWith("ringbell") ? 640_000 : 40_000,
          },
        })),
      ),
      suite(
        "connect",
        "startup",
        "connect(), until the channel is ready",
        [
          { title: "p50", figure: "p50" },
          { title: "p99", figure: "p99" },
        ],
        [named("connect", "ringbell", "ringbell, default", distribution(729_000))],
      ),
      suite(
        "startup",
        "startup",
        "From connect to the first reply",
        latencyColumns,
        peers((peer, ns) => ({
          facts: { kind: "startup", payload: "bytes", bytes: 32 },
          figures: distribution(peer.startsWith("ringbell") ? 800_000 : 200_000 + ns * 3),
        })),
      ),
      suite(
        "inside-numbers",
        "inside",
        "Encoding and decoding 5 numbers",
        [
          { title: "encode", figure: "encodeNs" },
          { title: "decode", figure: "decodeNs" },
          { title: "bytes", figure: "bytes" },
        ],
        ["ringbell, struct()", "ringbell, json()", "JSON", "v8.serialize", "msgpackr"].map((title, i) =>
          named(`numbers-${i}`, `codec-${i}`, title, {
            encodeNs: 60 * (i + 1),
            decodeNs: 80 * (i + 1),
            bytes: 32 + i,
          }),
        ),
      ),
    ],
    verdicts: [
      verdict(
        "both polling / boost::lockfree::spsc_queue",
        "latency",
        1.57,
        1,
        "lower",
        "1.57 ×",
        "≤ 1.00 ×",
      ),
      verdict("event loop / node:net", "latency", 0.005, 0.025, "lower", "0.005 ×", "≤ 0.025 ×"),
      verdict("handing over 1 GiB", "bulk", 414, 4_000, "lower", "414 ns", "≤ 4.00 µs"),
      {
        ...verdict("a verdict without a value", "bulk", 0, 1, "lower", "–", "≤ 1"),
        value: null,
        ok: false,
        reason: "C++: needs g++",
      },
    ],
  };
}

if (process.argv[1] === import.meta.filename) process.stdout.write(`${JSON.stringify(fakeRecord())}\n`);
