// One end of a connection in a process of its own: node child.mjs <join module> <path> <lanes> <task> <count> <bulk>
import { pathToFileURL } from "node:url";
import { PLAIN } from "../../../dist/transport/records/record-layout.js";
import { SENT } from "../../../dist/transport/records/send-status.js";

const [module, path, lanes, task, count, bulk] = process.argv.slice(2);
const { join } = await import(pathToFileURL(module).href);
const connection = await join(path, JSON.parse(lanes), Number(bulk));
const lane = connection.lanes[0];

/** The payloads of the records at the cursor, and the blocks that came with them. */
let taken = [];
function* inbox() {
  const { records } = lane;
  while (records.next()) {
    const delivery = records.kind === PLAIN ? records : lane.takeBlocks(records);
    taken = delivery.blocks ?? [];
    yield records.scratch.buffer.subarray(records.at, records.at + delivery.bytes);
  }
}

function put(bytes) {
  lane.grow(bytes.length);
  lane.place.scratch.buffer.set(bytes, lane.place.at);
  return bytes.length;
}

const waiting = [];
const waitingBlocks = [];
const kept = [];
function sendWaiting() {
  while (waiting.length > 0) {
    const blocks = waitingBlocks[0] ?? [];
    const bytes = put(waiting[0]);
    const status = blocks.length > 0 ? lane.sendWithBlocks(bytes, blocks, 0) : lane.send(bytes);
    if (status !== SENT) {
      lane.wantRoom();
      return;
    }
    waiting.shift();
    waitingBlocks.shift();
  }
  if (task.startsWith("burst")) void connection.close();
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
  onRecords() {
    if (task === "throw") throw new Error("on purpose");
    for (const bytes of inbox()) {
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
  { onEnd: () => void connection.close(), onMemory: flood },
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
      if (lane.blocking.drainWait(1, 20_000) !== 1) process.exit(3);
      const [bytes] = inbox();
      if (lane.blocking.sendWait(put(bytes), 20_000) !== SENT) process.exit(4);
    }
    void connection.close();
    break;
  case "echo-try":
    for (let i = 0; i < Number(count); i++) {
      while (lane.drainSome() === 0);
      const [bytes] = inbox();
      while (lane.send(put(bytes)) !== SENT);
    }
    void connection.close();
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
