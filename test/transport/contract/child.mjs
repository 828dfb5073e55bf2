// One end of a connection in a process of its own: node child.mjs <join module> <path> <lanes> <task> <count> <bulk>
import { pathToFileURL } from "node:url";
import { SENT } from "../../../dist/transport/contract.js";
import {
  PLAIN,
  RECORD_HEADER,
  recordBytes,
  WITH_BLOCKS,
} from "../../../dist/transport/records/record-layout.js";

const [module, path, lanes, task, count, bulk] = process.argv.slice(2);
const { join } = await import(pathToFileURL(module).href);
const connection = await join(path, JSON.parse(lanes), Number(bulk));
const lane = connection.lanes[0];

/** The payloads of the records at the beginning of the inbox, and the blocks that came with them. */
let taken = [];
function* inbox(records) {
  let offset = 0;
  for (let i = 0; i < records; i++) {
    const length = lane.inbox.view.getUint32(offset, true);
    const plain = lane.inbox.view.getUint16(offset + 6, true) === PLAIN;
    const payload = plain ? length : lane.takeBlocks(lane.inbox, offset);
    taken = plain ? [] : lane.inbox.blocks.splice(0);
    yield lane.inbox.buffer.subarray(offset + RECORD_HEADER, offset + RECORD_HEADER + payload);
    offset += recordBytes(length);
  }
}

function put(bytes) {
  lane.growOutbox(recordBytes(bytes.length));
  lane.outbox.buffer.set(bytes, RECORD_HEADER);
  return bytes.length;
}

const waiting = [];
const waitingBlocks = [];
const kept = [];
function sendWaiting() {
  while (waiting.length > 0) {
    const blocks = waitingBlocks[0] ?? [];
    const bytes = put(waiting[0]);
    const status = blocks.length > 0 ? lane.sendBlocks(WITH_BLOCKS, bytes, blocks, 0) : lane.send(bytes);
    if (status !== SENT) {
      lane.wantRoom();
      return;
    }
    waiting.shift();
    waitingBlocks.shift();
  }
  if (task.startsWith("burst")) void connection.close("closed");
  if (task === "flood-blocks") flood();
}

function queue(bytes, blocks) {
  waiting.push(bytes);
  waitingBlocks.push(blocks);
}

function filled(bytes, value) {
  const block = connection.bulk.allocate(bytes);
  block.bytes.fill(value);
  return block;
}

/** As much as there is memory for; goes on when some comes back. */
function flood() {
  const first = connection.bulk.allocate(2 ** 22);
  const second = connection.bulk.allocate(2 ** 20);
  if (second === undefined) {
    first?.release();
    connection.bulk.wantMemory();
    return;
  }
  queue(Buffer.alloc(8), [first, second]);
  sendWaiting();
}

const handler = {
  onRecords(records) {
    if (task === "throw") throw new Error("on purpose");
    for (const bytes of inbox(records)) {
      const blocks = taken;
      for (const block of blocks) if (task === "echo-blocks") block.bytes[0] ^= 0xff;
      if (task === "release-blocks") for (const block of bytes.length > 1 ? blocks : []) block.release();
      if (task !== "release-blocks" || bytes.length === 1)
        queue(Buffer.from(bytes), task === "echo-blocks" ? blocks : []);
      if (task !== "echo-blocks") kept.push(blocks);
    }
    sendWaiting();
  },
  onRoom: sendWaiting,
  onTaken() {},
};
const silent = { onRecords() {}, onRoom() {}, onTaken() {} };
connection.start(
  { onEnd: () => void connection.close("closed"), onMemory: flood },
  connection.lanes.map((each) => (each === lane ? handler : silent)),
);

const numbered = (i) => Buffer.alloc(100 + (i % 50), i & 0xff);
switch (task) {
  case "echo":
  case "throw":
  case "echo-blocks":
  case "keep-blocks":
  case "release-blocks":
    lane.wantRecords(true);
    break;
  case "give-blocks":
    for (let i = 0; i < Number(count); i++) queue(Buffer.alloc(8), [filled(100_000, i)]);
    sendWaiting();
    break;
  case "burst-blocks":
    for (let i = 0; i < Number(count); i++) queue(Buffer.alloc(8), [filled(2 ** 20, i)]);
    sendWaiting();
    break;
  case "flood-blocks":
    flood();
    break;
  case "echo-sync":
    for (let i = 0; i < Number(count); i++) {
      if (lane.drainWait(1, 20_000) !== 1) process.exit(3);
      const [bytes] = inbox(1);
      if (lane.sendWait(put(bytes), 20_000) !== SENT) process.exit(4);
    }
    void connection.close("closed");
    break;
  case "burst":
    for (let i = 0; i < Number(count); i++) waiting.push(numbered(i));
    sendWaiting();
    break;
  case "die":
  case "exit":
    for (let i = 0; i < Number(count); i++) lane.send(put(numbered(i)));
    setImmediate(() => {
      if (task === "exit") process.exit(0);
      process.kill(process.pid, "SIGKILL");
    });
    break;
  case "unref":
    connection.unref();
    break;
  case "ref":
    connection.unref();
    connection.ref();
    break;
}
