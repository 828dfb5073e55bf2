// Blocks: a block is memory that both processes can see. Fill it, put it anywhere in a message, and the other side has it. Nothing is
// copied. A block has one holder at a time: sending gives it away, and the last holder releases it.
//
//   node examples/bulk.mjs
//
// Prints:
//   sent: 8000000 bytes; is the block gone? true
//   the sum of ramp is 499999500000
//   a second block takes the same memory: true

import { spawn } from "node:child_process";
import { connect, listen } from "ringbell";

const COUNT = 1_000_000;

if (process.argv[2] === "adder") {
  const channel = await connect("numbers");
  const { name, block } = await channel.receive();
  let total;
  // In TypeScript, and from Node 24 on: `using block = …`, and no try.
  try {
    total = sum(numbersIn(block));
  } finally {
    block.release();
  }
  await channel.send(`the sum of ${name} is ${total}`);
  await channel.close();
} else {
  const server = await listen("numbers");
  spawn(process.execPath, [import.meta.filename, "adder"], { stdio: "inherit" });
  for await (const channel of server) {
    const block = await channel.allocate(COUNT * Float64Array.BYTES_PER_ELEMENT);
    const numbers = numbersIn(block);
    for (let i = 0; i < COUNT; i++) numbers[i] = i;

    const bytes = block.byteLength;
    await channel.send({ name: "ramp", block });
    // From now on `block.bytes` throws, and `numbers` is not to be used any more.
    console.log(`sent: ${bytes} bytes; is the block gone? ${block.gone}`);

    console.log(await channel.receive());
    const second = await channel.allocate(bytes);
    const reused = channel.stats().bulk.allocatedBytes < 2 * bytes;
    console.log("a second block takes the same memory:", reused);
    second.release();
    break;
  }
  await server.close();
}

/** A block as numbers: it begins at a multiple of 64 bytes, so that any typed array fits. */
function numbersIn({ bytes }) {
  return new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / Float64Array.BYTES_PER_ELEMENT);
}

function sum(numbers) {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
