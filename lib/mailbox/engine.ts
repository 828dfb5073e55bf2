import type { HelloAnswer, Notice, Request } from "./wire.js";

export type EngineState = "connecting" | "broker" | "client" | "closed";

/** A request under way. */
export interface Asked {
  readonly tag: number;
  readonly answer: Promise<unknown>;
}

/** What an engine tells without being asked. */
export interface EngineListener {
  onNotice(notice: Notice): void;
  onState(state: EngineState): void;
  /** Something went wrong that no request waits for. */
  onTrouble(error: Error): void;
}

/**
 * Carries out requests: by a broker on this machine (client/requester.ts), or by servers of NATS (nats/nats-engine.ts). Boxes, deliveries and
 * workers stand on this, and know no more of where messages lie.
 */
export interface Engine {
  /** What the broker said of itself; undefined while there is none, and where no process is the broker. */
  readonly hello: HelloAnswer | undefined;
  /** Resolves when requests can be served. */
  ready(): Promise<void>;
  /** The next number for a post. A post that is repeated has the same one. */
  nextPost(): number;
  /** Asks, and takes the request over. With `waits` the answer may take any time. */
  ask(request: Request, waits?: boolean): Asked;
  /** Notes that a message reached this process. */
  hold(position: number, token: number): void;
  /** Notes that a claim is settled. A later claim of the same message stays. */
  release(position: number, token: number): void;
  /** What waits rejects. Idempotent. */
  close(): Promise<void>;
  ref(): void;
  unref(): void;
}
