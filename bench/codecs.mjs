// Codecs by themselves: encode into a scratch, decode from it. No channel, no process.
//
//   npm run build:ts && node bench/codecs.mjs
//   RINGBELL_CODEGEN=0 node bench/codecs.mjs        # struct by closures
import { deserialize, serialize } from "node:v8";
import { Bench } from "tinybench";
import { array, bytes, clone, f64, json, oneOf, Scratch, struct, text, u32 } from "../dist/codec/index.js";

// Of one call of a task, so that tinybench's own 50 ns do not count.
const BATCH = 1000;
const SLOT = 1024;

const tick = (i) => ({ id: i, flags: i * 3, price: 1.5 + i, size: 100.25 * i, time: 1e12 + i + 0.5 });
const Tick = struct({ id: u32, flags: u32, price: f64, size: f64, time: f64 });
const order = (i) => ({
  id: i,
  side: i % 2 ? "buy" : "sell",
  name: `order ${i}`,
  fills: [tick(i), tick(i + 1)],
});
const Order = struct({ id: u32, side: oneOf("buy", "sell"), name: text(), fills: array(Tick) });

const many = (make) => Array.from({ length: 64 }, (_, i) => make(i));
const suites = {
  "5 numbers, 32 bytes": { messages: many(tick), codecs: { struct: Tick, json: json(), clone: clone() } },
  "order with text and 2 ticks": {
    messages: many(order),
    codecs: { struct: Order, json: json(), clone: clone() },
  },
  "text of 11 characters": {
    messages: many((i) => `message ${100 + i}`),
    codecs: { text: text(), json: json() },
  },
  "text of 100 characters": {
    messages: many((i) => `${i} `.repeat(50).slice(0, 100)),
    codecs: { text: text(), json: json() },
  },
  "32 bytes": {
    messages: many((i) => new Uint8Array(32).fill(i)),
    codecs: { bytes: bytes(), view: bytes({ copy: false }) },
  },
};

let sink;

function encoder(codec, messages, scratch) {
  return () => {
    let total = 0;
    for (let i = 0; i < BATCH; i++) total += codec.encode(messages[i & 63], scratch, 8 + (i & 63) * SLOT);
    sink = total;
  };
}

function decoder(codec, messages, scratch) {
  const lengths = messages.map((message, i) => codec.encode(message, scratch, 8 + i * SLOT));
  const kept = new Array(64);
  return () => {
    for (let i = 0; i < BATCH; i++)
      kept[i & 63] = codec.decode(scratch, 8 + (i & 63) * SLOT, lengths[i & 63]);
    sink = kept;
  };
}

function each(act, inputs) {
  return () => {
    for (let i = 0; i < BATCH; i++) sink = act(inputs[i & 63]);
  };
}

for (const [title, { messages, codecs }] of Object.entries(suites)) {
  const bench = new Bench({ time: 300, warmupTime: 100 });
  for (const [name, codec] of Object.entries(codecs)) {
    const scratch = new Scratch(new ArrayBuffer(8 + 64 * SLOT));
    bench.add(`${name}: encode`, encoder(codec, messages, scratch));
    bench.add(`${name}: decode`, decoder(codec, messages, scratch));
  }
  bench.add("JSON.stringify", each(JSON.stringify, messages));
  bench.add(
    "JSON.parse",
    each(
      JSON.parse,
      messages.map((message) => JSON.stringify(message)),
    ),
  );
  bench.add("v8.serialize", each(serialize, messages));
  bench.add(
    "v8.deserialize",
    each(
      deserialize,
      messages.map((message) => serialize(message)),
    ),
  );
  await bench.run();
  console.log(`\n${title} (ns a message: median, least)`);
  for (const { name, result } of bench.tasks) {
    const ns = (ms) => ((ms * 1e6) / BATCH).toFixed(1).padStart(9);
    console.log(`  ${name.padEnd(20)}${ns(result.latency.p50)}${ns(result.latency.min)}`);
  }
}
if (sink === undefined) process.exitCode = 1;
