// In a process that may have few files open: passes segments to itself when it has room for none. Prints what came of it.
import { closeSync, openSync, rmSync } from "node:fs";
import { loadBinding } from "../../../dist/native/load.js";

const [path] = process.argv.slice(2);
const binding = loadBinding();
const BYTES = 16_384;

const listening = binding.socketListen(path, 0o600, 1);
const a = binding.socketConnect(path);
const b = binding.socketAccept(listening);
binding.closeDescriptor(listening);
rmSync(path);
const connect = (descriptor) => {
  const region = binding.regionCreate([4096], "");
  region.closeDescriptor();
  const nothing = () => {};
  return binding.connect(descriptor, region, true, 0, new Uint8Array(0), {
    onRecords: nothing,
    onRoom: nothing,
    onTaken: nothing,
    onEnd: (why) => console.log(`ended ${why}`),
  });
};
const sender = connect(a);
const receiver = connect(b);
const [first, second] = ["first", "second"].map((text) => {
  const segment = binding.segmentCreate(BYTES, "");
  Buffer.from(segment.view(0, BYTES)).write(text);
  return segment;
});

const others = [];
try {
  for (;;) others.push(openSync("/dev/null", "r"));
} catch (error) {
  console.log(error.code);
}
sender.pass(first);
// The event loop reads it.
for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
for (const other of others) closeSync(other);
sender.pass(second);
try {
  receiver.takeDescriptor();
} catch (error) {
  console.log(`${error.code} ${error.syscall}`);
}
const opened = binding.segmentOpen(receiver.takeDescriptor(), BYTES, false, false);
console.log(Buffer.from(opened.view(0, BYTES)).toString("latin1", 0, 6));
console.log(receiver.takeDescriptor());
sender.close(0);
receiver.close(0);
