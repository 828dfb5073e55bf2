// What is fuzzed. `npm run fuzz` (scripts/fuzz.mjs) runs it.

/**
 * - `native`: the files of native/ that a program in test/fuzz/native/ is linked with; `libuv`: whether it needs libuv's header.
 * - without `native` it is a module in test/fuzz/targets/, with `run`, `seeds` and perhaps `words` for libFuzzer's dictionary.
 * - `longest`: the most bytes of an input.
 */
export const TARGETS = [
  {
    name: "socket",
    native: [
      ...["connection.cc", "lane.cc", "lane_receiving.cc", "lane_sending.cc", "lane_sleeping.cc"],
      ...["memory_file.cc", "reactor.cc", "region.cc", "segment.cc", "socket.cc"],
    ],
    libuv: true,
    longest: 512,
  },
  { name: "ring", native: [], longest: 1024 },
  { name: "codecs", longest: 1024 },
  { name: "wire", longest: 1024 },
  { name: "rpc", longest: 512 },
  { name: "mailbox", longest: 512 },
  { name: "bridge", longest: 512 },
];
