import { connect } from "../channel/connect.js";
import { listen } from "../channel/listen.js";
import { PASSED_TO_CONNECT, PASSED_TO_LISTEN } from "../channel/option-names.js";
import type { ConnectOptions, ListenOptions } from "../channel/options.js";
import { checkOptions } from "../check.js";
import { text } from "../codec/text.js";
import type { CloseInfo, CloseOptions, Port } from "../port.js";
import type { Framing } from "../rpc/framing.js";
import { TextChild } from "./child.js";
import { TextPipe } from "./text-pipe.js";

/*
 * JSON between channels and the standard streams of programs, as text that nobody parses. The other side of the channel may have json() or
 * text().
 */

/** How long (ms) a client may take to read what its child wrote before that ended. */
const PATIENCE = 60_000;

export type Texts = Port<string, string>;

export interface RelayOptions extends Omit<ListenOptions<string, string>, "codec" | "lanes"> {
  /** How the program's messages follow one another. Default `lines`. */
  readonly framing?: Framing | undefined;
  /** Told how a child has ended. */
  readonly onChildEnd?: ((pid: number | undefined, how: string) => void) | undefined;
}

/** A name under which each client gets a child of its own. */
export interface Relay {
  readonly path: string;
  /** Gives up the name, closes all channels, and ends all children. */
  close(options?: CloseOptions): Promise<void>;
}

/** Listens under a name, and starts the command for each client. Each ends with the other. Rejects with what `listen` rejects with. */
export async function relay(
  name: string,
  command: readonly string[],
  options: RelayOptions = {},
): Promise<Relay> {
  checkOptions(options, ["framing", "onChildEnd", ...PASSED_TO_LISTEN], "options");
  const { framing = "lines", onChildEnd, ...listening } = options;
  const children = new Set<TextChild>();
  const server = await listen<string>(name, { ...listening, codec: text() });
  server.on("connection", async (port) => {
    const child = new TextChild(command, { framing, text: (line) => passOn(line) });
    children.add(child);
    const passOn = sender(port, child.pipe);
    void child.ended.then((how) => {
      children.delete(child);
      onChildEnd?.(child.pid, how);
      return port.close({ timeout: PATIENCE });
    });
    await receive(port, child.pipe);
    await child.stop();
  });
  return {
    path: server.path,
    async close() {
      await server.close();
      await Promise.all([...children].map((child) => child.stop()));
    },
  };
}

export interface JoinOptions extends Omit<ConnectOptions<string, string>, "codec" | "lanes"> {
  readonly framing?: Framing | undefined;
}

/**
 * Connects to a name, and passes on texts between it and two streams, such as the standard streams of this process. Resolves when either
 * side has ended, with how the channel did.
 */
export async function join(
  name: string,
  streams: { readonly readable: NodeJS.ReadableStream; readonly writable: NodeJS.WritableStream },
  options: JoinOptions = {},
): Promise<CloseInfo> {
  checkOptions(options, ["framing", ...PASSED_TO_CONNECT], "options");
  const { framing = "lines", ...connecting } = options;
  const port: Texts = await connect<string>(name, { ...connecting, codec: text() });
  const pipe: TextPipe = new TextPipe(streams.readable as never, streams.writable as never, framing, (line) =>
    passOn(line),
  );
  const passOn = sender(port, pipe);
  const ended = pipe.ended.then((error) => (error === undefined ? port.close() : port.destroy(error)));
  await receive(port, pipe);
  pipe.destroy();
  await ended;
  return port.closed;
}

/** Returns a function that sends what comes from the pipe. While there is no room, the pipe is not read. */
export function sender(port: Texts, pipe: TextPipe): (line: string) => void {
  let waiting = 0;
  const done = () => {
    if (--waiting === 0) pipe.resume();
  };
  return (line) => {
    if (port.state !== "open") return;
    try {
      if (waiting === 0 && port.trySend(line)) return;
    } catch (error) {
      port.destroy(error as Error);
      return;
    }
    waiting++;
    pipe.pause();
    port.send(line).then(done, (error) => {
      port.destroy(error);
      done();
    });
  };
}

/** Writes what comes from the port to the pipe, as fast as that takes it, until either has ended. */
export async function receive(port: Texts, pipe: TextPipe): Promise<void> {
  try {
    for await (const line of port) await pipe.send(line);
  } catch {
    // The end of the pipe, or of the port, which `closed` tells.
  }
}
