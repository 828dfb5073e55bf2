import { carries } from "../lib/carries.mjs";
import { linked } from "../lib/linked.mjs";
import { peer as childAdvanced } from "../peers/child-advanced.mjs";
import { peer as childJson } from "../peers/child-json.mjs";
import { peer as directory } from "../peers/directory.mjs";
import { peer as disruptor } from "../peers/disruptor.mjs";
import { peer as fifo } from "../peers/fifo.mjs";
import { peer as grpc } from "../peers/grpc.mjs";
import { peer as grpcStream } from "../peers/grpc-stream.mjs";
import { peer as http } from "../peers/http.mjs";
import { peer as jsonrpc } from "../peers/jsonrpc.mjs";
import { peer as netTcp } from "../peers/net-tcp.mjs";
import { peer as netUnix } from "../peers/net-unix.mjs";
import { peer as netUnixJoined } from "../peers/net-unix-joined.mjs";
import { peer as ringbell } from "../peers/ringbell.mjs";
import { peer as ringbellBatched } from "../peers/ringbell-batched.mjs";
import { peer as ringbellBlocks } from "../peers/ringbell-blocks.mjs";
import { peer as ringbellBlocksFew } from "../peers/ringbell-blocks-few.mjs";
import { peer as ringbellHandover } from "../peers/ringbell-handover.mjs";
import { peer as ringbellPacked } from "../peers/ringbell-packed.mjs";
import { peer as ringbellPackedBatched } from "../peers/ringbell-packed-batched.mjs";
import { peer as ringbellParked } from "../peers/ringbell-parked.mjs";
import { peer as ringbellStream } from "../peers/ringbell-stream.mjs";
import { peer as ringbellStruct } from "../peers/ringbell-struct.mjs";
import { peer as ringbellView } from "../peers/ringbell-view.mjs";
import { peer as stdio } from "../peers/stdio.mjs";
import { peer as worker } from "../peers/worker.mjs";
import { peer as ws } from "../peers/ws.mjs";
import { peer as zeromq } from "../peers/zeromq.mjs";

/** Everything that is compared, in the order of the tables: ours, what Node has by itself, packages. @type {readonly import("../lib/peer.mjs").Peer[]} */
export const peers = [
  ringbell,
  ringbellPacked,
  ringbellStruct,
  ringbellView,
  ringbellParked,
  ringbellBatched,
  ringbellPackedBatched,
  ringbellBlocks,
  ringbellBlocksFew,
  ringbellHandover,
  ringbellStream,
  netUnix,
  netUnixJoined,
  netTcp,
  stdio,
  fifo,
  childJson,
  childAdvanced,
  worker,
  http,
  directory,
  ws,
  zeromq,
  grpc,
  grpcStream,
  jsonrpc,
  disruptor,
];

/** Variants, and what is much like another: --quick leaves them out. */
const THOROUGH = new Set(
  [
    ringbellPackedBatched,
    ringbellParked,
    ringbellView,
    ringbellBatched,
    ringbellBlocks,
    ringbellBlocksFew,
    ringbellHandover,
    ringbellStream,
    netUnixJoined,
    netTcp,
    fifo,
    childJson,
    childAdvanced,
    directory,
    zeromq,
    grpc,
    grpcStream,
    jsonrpc,
    disruptor,
  ].map(({ name }) => name),
);

/**
 * Those of them that can do it, doing it.
 * @param {import("../lib/linked.mjs").Work} work
 * @returns {import("../lib/contender.mjs").Contender[]}
 */
export function peersFor(work) {
  return peers
    .filter((peer) => carries(peer, work))
    .map((peer) => ({ ...linked(peer, work), thorough: THOROUGH.has(peer.name) }));
}
