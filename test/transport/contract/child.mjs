// One end of a connection in a process of its own: node child.mjs <join module> <path> <lanes> <task> <count>
import { pathToFileURL } from "node:url";
import { RECORD_HEADER, recordBytes, SENT } from "../../../dist/transport/contract.js";

const [module, path, lanes, task, count] = process.argv.slice(2);
const { join } = await import(pathToFileURL(module).href);
const connection = await join(path, JSON.parse(lanes));
const lane = connection.lanes[0];

/** Lengths and payloads of the records at the beginning of the inbox. */
function* inbox(records) {
  let offset = 0;
  for (let i = 0; i < records; i++) {
    const length = lane.inbox.view.getUint32(offset, true);
    yield lane.inbox.buffer.subarray(offset + RECORD_HEADER, offset + RECORD_HEADER + length);
    offset += recordBytes(length);
  }
}

function put(bytes) {
  lane.growOutbox(recordBytes(bytes.length));
  lane.outbox.buffer.set(bytes, RECORD_HEADER);
  return bytes.length;
}

const waiting = [];
function sendWaiting() {
  while (waiting.length > 0) {
    if (lane.send(put(waiting[0])) !== SENT) {
      lane.wantRoom();
      return;
    }
    waiting.shift();
  }
  if (task === "burst") void connection.close("closed");
}

const handler = {
  onRecords(records) {
    if (task === "throw") throw new Error("on purpose");
    for (const bytes of inbox(records)) waiting.push(Buffer.from(bytes));
    sendWaiting();
  },
  onRoom: sendWaiting,
  onTaken() {},
};
const silent = { onRecords() {}, onRoom() {}, onTaken() {} };
connection.start(
  { onEnd: () => void connection.close("closed") },
  connection.lanes.map((each) => (each === lane ? handler : silent)),
);

const numbered = (i) => Buffer.alloc(100 + (i % 50), i & 0xff);
switch (task) {
  case "echo":
  case "throw":
    lane.wantRecords(true);
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
