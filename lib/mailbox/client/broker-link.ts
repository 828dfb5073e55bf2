import type { AnswerFrame, RequestFrame } from "../wire.js";

/** What a link tells. */
export interface LinkListener {
  frame(frame: AnswerFrame): void;
  /** The link has ended; the broker is gone, or it has closed. */
  end(error: Error | undefined): void;
}

/** The way to a broker, in another process or in this one. */
export interface BrokerLink {
  /** Whether the broker is in this process. */
  readonly local: boolean;
  /** The broker's process, if it is known. */
  readonly pid: number | undefined;
  /** Begins to hand over what the broker sends. */
  listen(listener: LinkListener): void;
  /** Sends a frame. Resolves when there is room for the next one. */
  send(frame: RequestFrame): Promise<void> | undefined;
  /** Ends the link; if the broker is in this process, the broker as well. */
  close(): Promise<void>;
  ref(): void;
  unref(): void;
}
