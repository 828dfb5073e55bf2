import { describe, expect, it } from "vitest";
import { privateDirectory, script, type TransportName, transports } from "../channel/setup.js";

/** Ways in which a program takes the buffer of a view away; some versions of Node refuse some. Each returns a view that has it now. */
const WAYS = {
  "a byte stream": `
    async (view) => {
      const stream = new ReadableStream({ type: "bytes", pull(to) { to.enqueue(view); to.close(); } });
      return (await stream.getReader().read()).value;
    }`,
  "a read into a view": `
    async (view) => {
      const stream = new ReadableStream({ type: "bytes", pull(to) { to.byobRequest.respond(1); } });
      return (await stream.getReader({ mode: "byob" }).read(view)).value;
    }`,
  transfer: "async (view) => new Uint8Array(view.buffer.transfer(), view.byteOffset, view.length)",
  structuredClone: "async (view) => structuredClone(view, { transfer: [view.buffer] })",
  postMessage: `
    async (view) => {
      const { port1, port2 } = new MessageChannel();
      const got = new Promise((resolve) => { port2.onmessage = ({ data }) => resolve(data); });
      try {
        port1.postMessage(view, [view.buffer]);
        return await got;
      } finally {
        port1.close();
      }
    }`,
};

/** Takes the buffer of a block in `way`. Returns what becomes of other blocks, and of the view that has the buffer. */
async function others(
  transport: TransportName,
  way: string,
  environment: Record<string, string>,
): Promise<unknown> {
  const { ended } = script(
    `const server = await ringbell.listen("t", ${JSON.stringify({ transport, directory: privateDirectory() })});
    const [a, b] = await Promise.all([ringbell.connect(server.path), server.accept()]);
    const take = ${way};
    const bytesOf = (block) => {
      try {
        return [block.bytes.length, block.bytes[0], block.bytes[999]].join();
      } catch (error) {
        return error.name;
      }
    };
    const taken = [];
    const seen = {};
    async function rob(name, robbed, others) {
      others.forEach((block, i) => block.bytes.fill(10 + i));
      robbed.bytes.fill(7);
      try {
        taken.push(await take(robbed.bytes));
      } catch {}
      seen[name] = others.map(bytesOf);
    }
    const own = [a.tryAllocate(1000), a.tryAllocate(1000), a.tryAllocate(1000)];
    await rob("own", own[0], own.slice(1));
    // Memory is used again, and what is written to it arrives.
    own[1].bytes.fill(42);
    await a.send({ blocks: own.slice(1) });
    const held = (await b.receive()).blocks;
    seen.sent = held.map(bytesOf);
    await rob("held", held[0], held.slice(1));
    own[0].release();
    for (const block of held) block.release();
    const again = await a.allocate(1000);
    again.bytes.fill(3);
    await a.send({ blocks: [again] });
    const back = (await b.receive()).blocks[0];
    seen.again = bytesOf(back);
    back.release();
    const shared = (await a.allocate(1000)).share(2);
    shared[0].bytes.fill(10);
    await rob("shared", shared[0], shared.slice(1));
    for (const block of shared) block.release();
    await a.close();
    await b.close();
    await server.close();
    for (let i = 0; i < 5; i++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    // The memory that was taken is there, whatever has become of the channel.
    let sum = 0;
    for (const view of taken) for (const byte of view ?? []) sum += byte;
    seen.sum = sum >= 0;
    report(JSON.stringify(seen));`,
    environment,
    ["--expose-gc"],
  );
  const { output } = await ended;
  return JSON.parse(output);
}

describe.each(transports)("a block whose buffer a program takes, over %s", (transport) => {
  const ways = Object.keys(WAYS) as (keyof typeof WAYS)[];
  it.each(
    ways.flatMap(
      (way) =>
        [
          [way, ""],
          [way, "1"],
        ] as const,
    ),
  )("by %s leaves all others alone (RINGBELL_CHECK_BLOCKS=%s)", async (way, checked) => {
    const seen = await others(transport, WAYS[way], { RINGBELL_CHECK_BLOCKS: checked });
    // Handles of one block have one memory, but for the checked mode of a stream. Over a stream it is the engine's own: no second
    // view can be made of it.
    const copies = checked === "1" ? "1000,10,10" : expect.stringMatching(/^(1000,7,7|BlockError)$/);
    const shared = transport === "stream" ? copies : "1000,7,7";
    expect(seen).toEqual({
      own: ["1000,10,10", "1000,11,11"],
      sent: ["1000,42,42", "1000,11,11"],
      held: ["1000,10,10"],
      again: "1000,3,3",
      shared: [shared],
      sum: true,
    });
  });
});
