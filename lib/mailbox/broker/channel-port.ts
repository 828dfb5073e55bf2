import { CorruptError } from "../../errors.js";
import type { Port } from "../../port.js";
import type { AnswerFrame, RequestFrame } from "../wire.js";
import type { Broker } from "./broker.js";
import type { ClientPort } from "./broker-client.js";

/** While so many frames wait for room, the client is not read: it has to read first. */
const MANY_WAITING = 16;
/** A client that leaves so many frames waiting is cut off: posts of others can fill its waits. */
const MOST_WAITING = 10_000;

type Channel = Port<AnswerFrame, RequestFrame>;

/** Connects a channel with the broker. */
export function attachChannel(broker: Broker, channel: Channel): void {
  const port = new ChannelPort(channel);
  const { receive, gone } = broker.attach(port);
  port.onFrame = receive;
  channel.on("message", receive);
  channel.on("error", (error) => channel.destroy(error));
  channel.on("close", gone);
}

class ChannelPort implements ClientPort {
  readonly away = true;
  readonly #channel: Channel;
  #waiting = 0;
  onFrame: (frame: unknown) => void = () => {};

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  get pid(): number | undefined {
    return this.#channel.peer.pid;
  }

  get uid(): number {
    return this.#channel.peer.uid;
  }

  send(frame: AnswerFrame): void {
    try {
      if (this.#channel.trySend(frame)) return;
    } catch {
      // The channel has ended, which its event tells.
      return;
    }
    this.#waiting++;
    if (this.#waiting === MANY_WAITING) this.#channel.off("message", this.onFrame);
    if (this.#waiting === MOST_WAITING) {
      this.end(
        new CorruptError(`the client takes no answers: ${MOST_WAITING} frames wait, the most that may`),
      );
    }
    this.#channel.send(frame).then(
      () => this.#sent(),
      () => {},
    );
  }

  end(error?: Error): void {
    this.#channel.destroy(error);
  }

  #sent(): void {
    this.#waiting--;
    if (this.#waiting === MANY_WAITING / 2 && this.#channel.state === "open") {
      this.#channel.off("message", this.onFrame);
      this.#channel.on("message", this.onFrame);
    }
  }
}
