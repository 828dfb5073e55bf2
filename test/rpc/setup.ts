import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type Channel, type Codec, connect, json, memoryPair, text } from "ringbell";
import {
  type Client,
  type Contract,
  type Handlers,
  type OpenOptions,
  open,
  type ServeOptions,
  serve,
} from "ringbell/rpc";
import { children, ending, privateDirectory } from "../cleanup.js";

export { ending, privateDirectory };

export const ways = ["shm", "stream", "memory"] as const;
export type Way = (typeof ways)[number];

/** A service and a client of it, over a transport, or over a pair of ports in this process. */
export async function serving<C extends Contract>(
  way: Way,
  contract: C,
  handlers: Handlers<C, never>,
  options: ServeOptions = {},
  opening: OpenOptions = {},
) {
  if (way === "memory") {
    const { maxMessageBytes, ...rest } = options;
    const lanes = { control: { capacity: 4096 } };
    const [one, other] = memoryPair({ codec: json(), lanes, maxMessageBytes });
    const service = ending(await serve(contract, handlers as never, { ...rest, port: one as never }));
    const client = ending(await open(contract, { ...opening, port: other as never }));
    return { service, client: client as Client<C> };
  }
  const directory = privateDirectory();
  const service = ending(await serve(contract, handlers as never, { ...options, directory, transport: way }));
  const client = ending(await open(contract, { ...opening, directory }));
  return { service, client: client as Client<C>, directory };
}

/** A service, and a bare port to it, on which a test writes what it likes. */
export async function raw<C extends Contract>(
  contract: C,
  handlers: Handlers<C, never>,
  { maxMessageBytes, ...options }: ServeOptions = {},
) {
  const [one, other] = memoryPair({ codec: json(), maxMessageBytes });
  ending(other);
  const service = ending(await serve(contract, handlers as never, { ...options, port: one as never }));
  const port = other as Channel<unknown, unknown>;
  /** Sends a message, and returns the answer. */
  const ask = async (message: unknown) => {
    await port.send(message);
    return port.receive();
  };
  return { service, port, ask };
}

/** Text that a peer of `json()` reads and writes: what a program in another language, or a hostile one, sends. */
const jsonText: Codec<string> = { ...(text() as Codec<string>), name: "json", fingerprint: "json" };

/** A service over a transport, and a channel on which a test writes any text. */
export async function wire<C extends Contract>(
  transport: "shm" | "stream",
  contract: C,
  handlers: Handlers<C, never>,
  options: ServeOptions = {},
) {
  const directory = privateDirectory();
  const service = ending(await serve(contract, handlers as never, { ...options, directory, transport }));
  const channel = ending(await connect(contract.name, { directory, codec: jsonText }));
  /** Sends a text, and returns the text that comes back. */
  const ask = async (message: string) => {
    await channel.send(message);
    return JSON.parse(await channel.receive()) as unknown;
  };
  return { service, channel, ask, directory };
}

/** Waits for what happens in another turn of the event loop. */
export async function until(holds: () => boolean) {
  while (!holds()) await sleep(1);
}

const module = (name: string) => JSON.stringify(new URL(`../../dist/${name}`, import.meta.url).href);

/**
 * A process that runs `code`, with all of the library, `directory` and `report(text)` in scope. It ends at the first rejection that is not
 * handled. It uses dist/.
 */
export function program(code: string, directory = privateDirectory()) {
  const source = `import * as ringbell from ${module("index.js")};
import * as rpc from ${module("rpc/index.js")};
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
const { contract, serve, open, request, notification, stream, CallError } = rpc;
const directory = ${JSON.stringify(directory)};
const report = (text) => process.stdout.write(text + "\\n");
${code}`;
  const options = ["--unhandled-rejections=strict", "--input-type=module", "-e", source];
  const process_ = spawn(process.execPath, options, { stdio: ["ignore", "pipe", "pipe"] });
  children.push(process_);
  const lines: string[] = [];
  let output = "";
  for (const stream of [process_.stdout, process_.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      lines.splice(0, lines.length, ...output.split("\n"));
    });
  }
  const ended = once(process_, "close").then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
    output,
  }));
  /** Waits until the process has written a line. Throws if it ends first. */
  const said = async (line: string) => {
    let over = false;
    void ended.then(() => {
      over = true;
    });
    while (!lines.includes(line)) {
      if (over) throw new Error(`the process ended without saying ${line}: ${output}`);
      await sleep(1);
    }
  };
  return { child: process_, ended, said, lines, directory };
}

/** A service in a process of its own, and a client of it here. `handlers`: JavaScript. */
export async function child<C extends Contract>(
  transport: "shm" | "stream",
  contract: C,
  handlers: string,
  options = "",
) {
  // Of types only: what the schemas of the contract are, stays here.
  const kinds = Object.fromEntries(Object.entries(contract.methods).map(([name, { kind }]) => [name, kind]));
  const { directory, ...process } = program(`
const service = await serve(contract(${JSON.stringify(contract.name)}, ${JSON.stringify(kinds)}), ${handlers}, { directory, transport: "${transport}", ${options} });
report("serving");`);
  await process.said("serving");
  const client = ending(await open(contract, { directory }));
  return { client: client as Client<C>, directory, ...process };
}
