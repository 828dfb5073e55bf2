import type { Port } from "../../port.js";
import type { AnswerFrame, RequestFrame } from "../wire.js";
import type { BrokerLink, LinkListener } from "./broker-link.js";

/** The way to a broker in another process. */
export class ChannelLink implements BrokerLink {
  readonly local = false;
  readonly #channel: Port<RequestFrame, AnswerFrame>;

  constructor(channel: Port<RequestFrame, AnswerFrame>) {
    this.#channel = channel;
  }

  get pid(): number | undefined {
    return this.#channel.peer.pid;
  }

  listen(listener: LinkListener): void {
    this.#channel.on("message", (frame) => {
      // A broker of another kind could send anything. What is no frame ends the link.
      if (Array.isArray((frame as AnswerFrame | null)?.answers)) listener.frame(frame);
      else this.#channel.destroy();
    });
    this.#channel.on("error", () => this.#channel.destroy());
    this.#channel.on("close", (_reason, error) => listener.end(error));
  }

  send(frame: RequestFrame): Promise<void> | undefined {
    return this.#channel.trySend(frame) ? undefined : this.#channel.send(frame);
  }

  async close(): Promise<void> {
    await this.#channel.close();
  }

  ref(): void {
    this.#channel.ref();
  }

  unref(): void {
    this.#channel.unref();
  }
}
