import { TextPipe } from "../../relay/text-pipe.js";
import { type ConnectMcpOptions, connectMcp } from "../connect.js";
import type { McpMessage } from "../message.js";

/**
 * Joins two streams to a server, such as the standard streams of this process, and goes on when the server is started anew. Resolves when
 * the input has ended. Rejects when the server has gone for good.
 */
export async function joinMcp(
  name: string,
  streams: { readonly readable: NodeJS.ReadableStream; readonly writable: NodeJS.WritableStream },
  options: ConnectMcpOptions,
): Promise<void> {
  const transport = await connectMcp(name, { ...options, reconnect: true });
  let why: Error | undefined;
  let inputEnded = false;
  let waiting = 0;
  const pipe: TextPipe = new TextPipe(
    streams.readable as never,
    streams.writable as never,
    "lines",
    (line) => {
      const message = parsed(line);
      if (message === undefined) return;
      waiting++;
      pipe.pause();
      const done = () => {
        if (--waiting === 0) pipe.resume();
      };
      transport.send(message).then(done, done);
    },
  );
  const closed = new Promise<void>((resolve) => {
    transport.onclose = resolve;
  });
  transport.onerror = (error) => {
    why = error;
  };
  transport.onmessage = (message) => pipe.write(JSON.stringify(message));
  await transport.start();
  void pipe.ended.then(() => {
    inputEnded = true;
    return transport.close();
  });
  await closed;
  const isOver = inputEnded;
  pipe.destroy();
  if (why !== undefined && !isOver) throw why;
}

function parsed(line: string): McpMessage | undefined {
  try {
    return JSON.parse(line) as McpMessage;
  } catch {
    return undefined;
  }
}
