import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "vitest";
import { tsc, workshop } from "../docs/workshop.js";

/** A program that takes the streams of a channel for Web streams of both kinds: the globals, and those of `node:stream/web`. */
const program = `
import { Readable, Writable } from "node:stream";
import type * as web from "node:stream/web";
import { bytes, connect } from "ringbell";

const channel = await connect("desk", { codec: bytes() });
const source: ReadableStream<Uint8Array> = channel.readable;
const plain: ReadableStream = channel.readable;
const sink: WritableStream<Uint8Array> = channel.writable;
const nodeSource: web.ReadableStream<Uint8Array> = channel.readable;
const nodeSink: web.WritableStream<Uint8Array> = channel.writable;

const lengths: ReadableStream<number> = channel.readable.pipeThrough(new TransformStream<Uint8Array, number>());
await channel.readable.pipeTo(channel.writable);
await source.pipeTo(channel.writable);
await nodeSource.pipeTo(channel.writable);
const response = new Response(channel.readable);
await response.body?.pipeTo(channel.writable);
Readable.fromWeb(channel.readable).pipe(Writable.fromWeb(channel.writable));

for await (const message of channel.readable) message.byteLength;
const { value } = await channel.readable.getReader().read();
value?.byteLength;
const [one, two] = channel.readable.tee();
await channel.writable.getWriter().write(new Uint8Array(1));
// @ts-expect-error: it carries bytes.
const wrong: ReadableStream<string> = channel.readable;
// @ts-expect-error: it carries bytes.
await channel.writable.getWriter().write("text");
export { lengths, nodeSink, one, plain, sink, two, wrong };
`;

describe("the types", () => {
  it("bring those of Node along, where a program does not name them", async () => {
    const directory = workshop();
    const source = `import { connect } from "ringbell";
      const channel = await connect<string>("desk");
      channel.on("message", (message) => message.length);`;
    writeFileSync(join(directory, "program.ts"), source);
    await tsc(directory, ["--noEmit", "--types", "", "program.ts"]);
  });
});

describe("the Web streams of a channel", () => {
  it.each([
    ["Node's globals", "es2022,esnext.disposable"],
    ["the globals of a browser", "es2022,esnext.disposable,dom,dom.iterable,dom.asynciterable"],
  ])("are accepted where Web streams are, with %s", async (_globals, libraries) => {
    const directory = workshop();
    writeFileSync(join(directory, "program.ts"), program);
    await tsc(directory, ["--noEmit", "--lib", libraries, "program.ts"]);
  });
});
