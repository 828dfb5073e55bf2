import type { Reply, Say } from "./frames.js";

/** A connection of two sides without a broker, over a channel or a socket. */
export interface Conversation<Out, In> {
  send(frame: Out): void;
  /** Sets who hears what comes, and of the end. What comes before is kept. */
  hear(listener: { frame(frame: In): void; end(error: Error): void }): void;
  /** Ends it; what was sent before arrives. */
  close(): void;
}

export type Asking = Conversation<Say, Reply>;
export type Answering = Conversation<Reply, Say>;

/** A place that others connect to. */
export interface Receiver {
  /** Where others find it: a name, or HOST:PORT. */
  readonly address: string;
  close(): Promise<void>;
}
