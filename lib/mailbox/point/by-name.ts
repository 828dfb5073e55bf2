import { connect } from "../../channel/connect.js";
import { listen } from "../../channel/listen.js";
import type { ListenOptions } from "../../channel/options.js";
import { ClosedError, CorruptError } from "../../errors.js";
import type { Port } from "../../port.js";
import { MOST_MESSAGE_BYTES } from "../limits.js";
import type { Answering, Asking, Conversation, Receiver } from "./conversation.js";
import { type Reply, replyOf, type Say, sayOf } from "./frames.js";

/** Where names are looked for. */
export type NamePlace = Pick<ListenOptions<unknown, unknown>, "namespace" | "directory">;

/** Connects to a receiver by its name. One that begins within the time is found, too. */
export async function dialName(
  name: string,
  place: NamePlace,
  timeout: number,
  signal: AbortSignal,
): Promise<Asking> {
  const retry = { maxTotal: timeout, maxDelay: 50, attempts: 1_000_000 };
  const channel = await connect<Say, Reply>(name, {
    ...place,
    retry,
    signal,
    maxMessageBytes: 8 * MOST_MESSAGE_BYTES,
  });
  return new ByChannel(channel, replyOf);
}

export async function receiveByName(
  name: string,
  place: NamePlace,
  onPeer: (peer: Answering) => void,
): Promise<Receiver> {
  const server = await listen<Reply, Say>(name, { ...place, maxMessageBytes: 8 * MOST_MESSAGE_BYTES });
  server.on("connection", (channel) => onPeer(new ByChannel(channel as Port<Reply, Say>, sayOf)));
  return { address: name, close: () => server.close() };
}

class ByChannel<Out, In> implements Conversation<Out, In> {
  readonly #channel: Port<Out, unknown>;
  readonly #check: (value: unknown) => In;

  constructor(channel: Port<Out, In>, check: (value: unknown) => In) {
    this.#channel = channel as Port<Out, unknown>;
    this.#check = check;
  }

  send(frame: Out): void {
    this.#channel.send(frame).catch(() => {});
  }

  hear(listener: { frame(frame: In): void; end(error: Error): void }): void {
    this.#channel.on("close", (_reason, error) => {
      listener.end(error ?? new ClosedError("the other side has closed the connection"));
    });
    this.#channel.on("error", (error) => this.#channel.destroy(error));
    this.#channel.on("message", (value) => {
      try {
        listener.frame(this.#check(value));
      } catch (error) {
        if (!(error instanceof CorruptError)) throw error;
        this.#channel.destroy(error);
      }
    });
  }

  close(): void {
    void this.#channel.close();
  }
}
