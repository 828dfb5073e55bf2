import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { checkOptions } from "../check.js";
import { CHILD_OPTIONS, Child, type ChildExit, type ChildOptions } from "../child.js";
import { InvalidArgumentError } from "../errors.js";
import type { CloseOptions } from "../port.js";
import type { Channel } from "./channel.js";
import type { LanesOf, MainReceive, MainSend, NoLanes } from "./lane-types.js";
import { listen } from "./listen.js";
import { LISTEN_OPTIONS } from "./option-names.js";
import type { LanesOption, ListenOptions } from "./options.js";
import type { Server } from "./server.js";

/** The options of `spawn`: those of `listen`, and how the child is started and ended. */
export interface SpawnOptions<Send = unknown, Receive = Send, Lanes extends LanesOption = LanesOption>
  extends ListenOptions<Send, Receive, Lanes>,
    ChildOptions {}

/** A child process and the channel to it, made by `spawn`. */
export interface Spawned<SpawnedChannel> extends AsyncDisposable {
  readonly channel: SpawnedChannel;
  readonly process: ChildProcess;
  /** Resolves when the child has ended and was reaped. Never rejects. */
  readonly exited: Promise<ChildExit>;
  /**
   * Closes the channel in order, and waits until the child has ended. A child that does not end within the option `endTimeout` is killed.
   * Idempotent.
   */
  close(options?: CloseOptions): Promise<void>;
}

/**
 * Starts a process, and resolves with the channel to it: `spawn(process.execPath, ["child.mjs"])`. The child calls `connect()` without a
 * name. It finds its parent by the environment (RINGBELL_ENDPOINT), so that the two agree on no name.
 *
 * Rejects with a ChildEndedError (ERR_RINGBELL_CHILD_ENDED) as soon as the child ends before it has connected; with a TimeoutError if it
 * does not connect in time (`startTimeout`), and is killed then; and with what `listen` rejects with.
 */
export async function spawn<Send = unknown, Receive = Send, const Lanes extends LanesOption = NoLanes>(
  command: string,
  args: readonly string[] = [],
  options: SpawnOptions<Send, Receive, Lanes> = {},
): Promise<
  Spawned<Channel<MainSend<Lanes, Send>, MainReceive<Lanes, Receive>, LanesOf<Lanes, Send, Receive>>>
> {
  if (typeof command !== "string" || command === "")
    throw new InvalidArgumentError("command", "a command or the path of a program", command);
  checkOptions(options, [...CHILD_OPTIONS, ...LISTEN_OPTIONS], "options");
  const { cwd, env, stdio, startTimeout, endTimeout, signal, ...listening } = options;
  const server = (await listen(
    randomUUID(),
    listening as ListenOptions<never, unknown>,
  )) as unknown as Server;
  try {
    const how = { cwd, env, stdio, startTimeout, endTimeout };
    const child = new Child(command, args, how, { RINGBELL_ENDPOINT: server.path });
    const channel = await child.connected(
      (early) => server.accept({ signal: early, timeout: child.startTimeout }),
      signal,
    );
    // The child's own children inherit the variable. Those that come here are not meant.
    server.on("connection", (stranger) => stranger.destroy());
    void channel.closed.then(() => server.close());
    const close = async (how?: CloseOptions) => {
      await channel.close(how);
      await Promise.all([server.close(), child.end()]);
    };
    return {
      channel: channel as never,
      process: child.process,
      exited: child.exited,
      close,
      [Symbol.asyncDispose]: () => close(),
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}
